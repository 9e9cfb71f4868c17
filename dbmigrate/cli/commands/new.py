"""``dbmigrate new``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dbmigrate.cli.call import Call
from dbmigrate.cli.options import ScratchUrl, common

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


@common
def new(
    call: Call,
    name: Annotated[
        list[str], typer.Argument(metavar="NAME", help="What the migration does; with --pattern, its arguments.")
    ],
    pattern: Annotated[
        str | None,
        typer.Option(
            "--pattern", metavar="PATTERN", help="Write the files of a safe change: change-type, rename-column ..."
        ),
    ] = None,
    scratch_url: ScratchUrl = None,
) -> None:
    """Make a new migration file and print its path."""
    from datetime import UTC, datetime

    call.add({"scratch_url": scratch_url})
    now = datetime.now(UTC)
    if pattern is not None:
        _write(call, pattern, name, now)
        return
    from dbmigrate.migrations import find

    call.renderer.created_file(find.create(call.settings().migrations_dirs, " ".join(name), now))


def _write(call: Call, pattern: str, arguments: Sequence[str], now: datetime) -> None:
    from dbmigrate.cli import scratch
    from dbmigrate.cli.fixing import target_of
    from dbmigrate.events import Warned
    from dbmigrate.lint import LintConfig
    from dbmigrate.migrations import find, parser
    from dbmigrate.model import Problem, Severity
    from dbmigrate.patterns import write

    settings = call.settings()
    config = LintConfig.from_mapping(settings.project.lint, path=f"{settings.project.path}: lint")
    migrations = [parser.read(file) for file in find.find(settings.migrations_dirs, settings.version_order)]
    project = write.Project(migrations, settings.migrations_dirs, config, settings.migrations_table)
    choice = scratch.for_check(call, target_of(call), None)
    written = write.write(project, pattern, arguments, choice, now)
    call.renderer.answer("new", written.paths, {"paths": list(written.paths), "notes": list(written.notes)})
    for note in written.notes:
        call.renderer.on_event(Warned(Problem("W372", note, Severity.NOTE)))
