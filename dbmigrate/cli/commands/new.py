"""``dbmigrate new``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dbmigrate.cli.call import Call
from dbmigrate.cli.options import ScratchUrl, common

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.errors import Error
    from dbmigrate.settings.load import Settings


@common
def new(
    call: Call,
    name: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME", help="What the migration does; with --pattern, its arguments.", show_default=False
        ),
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
    pattern: Annotated[
        str | None,
        typer.Option(
            "--pattern", metavar="PATTERN", help="Write the files of a safe change: change-type, rename-column ..."
        ),
    ] = None,
    scratch_url: ScratchUrl = None,
) -> None:
    """Make a new migration file and print its path."""
    call.add({"scratch_url": scratch_url})
    if pattern is not None:
        if edit or template is not None or revert is not None:
            raise _excluded()
        _write(call, (pattern, *(name or ())), is_numbered=sequential)
        return
    settings, words = call.settings(), " ".join(name or ())
    command = _editor(settings) if edit else []
    if sequential or revert is not None or (template or settings.template):
        from dbmigrate.cli import new_file

        path = new_file.make(settings, new_file.Wanted(words, template, revert, is_numbered=sequential))
    else:
        path = _create(settings, words)
    _show(call, path)
    _edit(command, path)


def _editor(settings: Settings) -> list[str]:
    from dbmigrate.cli import editor

    return editor.chosen(settings.environ)


def _edit(command: list[str], path: str) -> None:
    if command:
        from dbmigrate.cli import editor

        editor.edit(command, path)


def _create(settings: Settings, words: str) -> str:
    from datetime import UTC, datetime

    from dbmigrate.migrations import find

    return find.create(settings.migrations_dirs, words, datetime.now(UTC))


def _show(call: Call, path: str) -> None:
    from dbmigrate.migrations import find

    call.renderer.created_file(path)
    call.warn(find.name_problems(path))


def _excluded() -> Error:
    from dbmigrate.errors import ConfigError

    message = "--pattern excludes --template, --revert and --edit"
    return ConfigError(message, code="E200", hint="a pattern names its files and writes them whole")


def _write(call: Call, words: Sequence[str], *, is_numbered: bool) -> None:
    """The files of a pattern; `words` are its name and its arguments."""
    from datetime import UTC, datetime

    from dbmigrate.cli import scratch
    from dbmigrate.cli.fixing import tried_together
    from dbmigrate.lint import LintConfig
    from dbmigrate.migrations import find, numbering, parser
    from dbmigrate.model import Problem, Severity
    from dbmigrate.patterns import write

    settings = call.settings()
    config = LintConfig.from_mapping(settings.project.lint, path=f"{settings.project.path}: lint")
    present = find.find(settings.migrations_dirs, settings.version_order)
    versions = numbering.following(present) if is_numbered else find.seconds(datetime.now(UTC))
    every = [parser.read(file) for file in present]
    migrations = tried_together(call, every, frozenset())
    project = write.Project(migrations, settings.migrations_dirs, config, settings.migrations_table)
    choice = scratch.for_check(call, call.settings().target_if_configured(), None)
    written = write.write(project, words[0], words[1:], choice, versions)
    call.renderer.answer("new", written.paths, {"paths": list(written.paths), "notes": list(written.notes)})
    call.warn(Problem("W372", note, Severity.NOTE) for note in written.notes)
