"""Rows of our own that are read and written beside a migration: they wait for a lock, but not for ever, and say so.

Such a row needs the lock that every INSERT needs. Somebody who holds the log table (LOCK TABLE, VACUUM FULL, a backup
that was forgotten, a prepared transaction) would hold the run without a word.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol, TypeVar

from dbmigrate.connection import database, silence
from dbmigrate.errors import DatabaseError
from dbmigrate.events import Waiting
from dbmigrate.execution import batches

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbmigrate.connection.database import Connection
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.events import Event
    from dbmigrate.execution.monitor import Monitor
    from dbmigrate.tracking.tables import Tables

Result = TypeVar("Result")


class WorkingSession(Protocol):
    """What is needed of a session to wait for the tracking tables."""

    conn: Connection
    tables: Tables
    monitor: Monitor

    @property
    def dsn(self) -> Dsn: ...

    def abort(self) -> bool: ...

    def emit(self, event: Event) -> None: ...


BUDGET = 300.0  # seconds, for all tries to write a row that a run cannot go on without
_LIMITS = "SET LOCAL lock_timeout = '2s';\n"
_REPORT_EVERY = 10.0
LOCK_NOT_AVAILABLE = "55P03"


def run(session: WorkingSession, script: str) -> None:
    """Send a script that has its own BEGIN and COMMIT, again while a lock is not granted. Raises as `retried`."""

    def attempt() -> None:
        with database.translated(session.dsn):
            answer = batches.ask(session.conn, limited, pulse=silence.Deadline(session.conn))
            if answer.error is not None:
                raise answer.error

    limited = script.replace(";\n", f";\n{_LIMITS}", 1)
    retried(session, attempt)


def retried(session: WorkingSession, attempt: Callable[[], Result]) -> Result:
    """Do `attempt` again while a lock is not granted, and say who holds it.

    Raises DatabaseError E405, which names who holds the tables, when the budget is spent; what `attempt` raises.
    """
    began, reported = time.monotonic(), -_REPORT_EVERY
    while True:
        try:
            return attempt()
        except DatabaseError as exc:
            session.abort()
            waited, holders = time.monotonic() - began, session.monitor.holders(session.tables)
            if exc.sqlstate != LOCK_NOT_AVAILABLE:
                raise
            if waited > BUDGET:
                exc.details += tuple(("BLOCKED BY", holder) for holder in holders)
                raise
        if waited - reported >= _REPORT_EVERY:
            reported = waited
            session.emit(Waiting(f"a lock on the tracking tables, held by {', '.join(holders) or 'somebody'}", waited))
