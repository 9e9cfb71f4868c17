"""Reads and writes of the tracking tables beside a migration: lock retries with a limit, and an event about the wait.

They need the lock that every INSERT needs. A session that locks the log table (LOCK TABLE, VACUUM FULL, a forgotten
backup, a prepared transaction) would otherwise block the run silently.
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
    """The part of a session that is needed to wait for the tracking tables."""

    conn: Connection
    tables: Tables
    monitor: Monitor

    @property
    def dsn(self) -> Dsn: ...

    def abort(self) -> bool: ...

    def emit(self, event: Event) -> None: ...


BUDGET = 300.0  # seconds, for all tries of a write that the run needs
_LIMITS = "SET LOCAL lock_timeout = '2s';\n"
_REPORT_EVERY = 10.0
LOCK_NOT_AVAILABLE = "55P03"


def run(session: WorkingSession, script: str) -> None:
    """Send a script with its BEGIN and COMMIT; retry it while a lock is not granted. Raises as `retried`."""

    def attempt() -> None:
        with database.translated(session.dsn):
            answer = batches.ask(session.conn, limited, pulse=silence.Deadline(session.conn))
            if answer.error is not None:
                raise answer.error

    limited = script.replace(";\n", f";\n{_LIMITS}", 1)
    retried(session, attempt)


def retried(session: WorkingSession, attempt: Callable[[], Result]) -> Result:
    """Retry `attempt` while a lock is not granted, and emit who holds it.

    Raises DatabaseError E405, which names the blockers, when the budget is spent; what `attempt` raises.
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
            session.emit(
                Waiting(f"a lock on the tracking tables, held by {', '.join(holders) or 'another session'}", waited)
            )
