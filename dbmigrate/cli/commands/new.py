"""``dbmigrate new``."""

from __future__ import annotations

from typing import Annotated

import typer

from dbmigrate.cli.call import Call
from dbmigrate.cli.options import common


@common
def new(
    call: Call,
    name: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="What the migration does.", show_default=False)
    ] = None,
    sequential: Annotated[
        bool, typer.Option("--sequential", help="The next number as version, in place of the time.")
    ] = False,
    template: Annotated[
        str | None,
        typer.Option("--template", metavar="NAME", help="Begin with db/templates/NAME.sql; header: built in."),
    ] = None,
    revert: Annotated[
        str | None,
        typer.Option("--revert", metavar="VERSION", help="Begin with what takes that migration back."),
    ] = None,
    edit: Annotated[bool, typer.Option("--edit", help="Open the file in $VISUAL or $EDITOR.")] = False,
) -> None:
    """Make a new migration file and print its path."""
    from datetime import UTC, datetime

    from dbmigrate.migrations import find

    settings, words, command = call.settings(), " ".join(name or ()), None
    if edit:
        from dbmigrate.cli import editor

        command = editor.chosen(settings.environ)
    if sequential or revert is not None or (template or settings.template):
        from dbmigrate.cli import new_file

        path = new_file.make(settings, new_file.Wanted(words, template, revert, is_numbered=sequential))
    else:
        path = find.create(settings.migrations_dirs, words, datetime.now(UTC))
    call.renderer.created_file(path)
    call.warn(find.name_problems(path))
    if command is not None:
        editor.edit(command, path)
