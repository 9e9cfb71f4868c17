"""Runs migrations on a scratch database, one after the other, without records."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from dbmigrate import impact
from dbmigrate.connection import database

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.events import Event
    from dbmigrate.model import Migration
    from dbmigrate.scratch.server import ScratchServer

__all__ = ["run_all"]


def run_all(server: ScratchServer, copy: Dsn, migrations: Iterable[Migration]) -> None:
    """Run the up sections in the database `copy` of `server`. Raises MigrationFailed, Refused E722, and what reading
    the migrations raises."""
    options = impact.MeasureOptions(copy, is_watched=False)
    with database.connect(copy, command="scratch", on_event=_ignore) as conn:
        for migration in migrations:
            server.refuse_external_effects(migration)
            server.retrying(partial(impact.run_measured, conn, migration, options))


def _ignore(event: Event) -> None:
    """The listener of sessions that nobody listens to."""
