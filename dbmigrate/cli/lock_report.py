"""The lock report of a dry run: after the script, on stderr."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dbmigrate.cli import scratch
from dbmigrate.events import LocksMeasured, Warned

if TYPE_CHECKING:
    from dbmigrate.api.migrator import Migrator
    from dbmigrate.cli.call import Call
    from dbmigrate.model import Goal

Locks = Annotated[
    bool | None,
    typer.Option("--locks/--no-locks", help="With --dry-run: say what is locked, measured on a scratch database. [on]"),
]


def report(call: Call, migrator: Migrator, goal: Goal, *, wanted: bool | None) -> None:
    """Measure and tell, unless it is not wanted; whatever keeps it from being made is a note, and ends nothing."""
    from dbmigrate.errors import Error
    from dbmigrate.scratch.lock_report import Means, missing

    settings = call.settings()
    if call.is_quiet or not (settings.lock_report if wanted is None else wanted):
        return
    try:
        means = Means(scratch.choice(call), settings.environ)
    except Error as exc:  # the scratch URL cannot be read
        call.renderer.on_event(Warned(missing(exc)))
        return
    call.renderer.on_event(LocksMeasured(migrator.locks_up(means, goal)))
