"""The commit outcome after a lost connection: whether COMMIT took effect, asked on a new connection.

The server knows it of a transaction whose id is known. Otherwise the log entry that the transaction writes shows it,
once nothing can commit any more in the lost session: that session has the migration lock, which it keeps until its end.

https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-PG-SNAPSHOT (pg_xact_status)
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

import psycopg

from dbmigrate.connection import database
from dbmigrate.errors import ConnectionFailed, Error, LockNotAcquired, NeedsAttention
from dbmigrate.execution import run_lock

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbmigrate.connection.database import Connection
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.model import Step
    from dbmigrate.tracking.tables import Tables

_SECONDS = 30.0
_PAUSE = 0.25

# ends the lost session, which waits for a COMMIT that will not come; the transaction's id identifies it
_END_LOST = (
    "select pg_catalog.pg_terminate_backend(pid) from pg_catalog.pg_stat_activity"
    " where pid = %s::int4 and backend_xid = %s::text::xid8::xid and state like 'idle in transaction%%'"
)
_GRACE = 5.0  # seconds that a session may take to end
_END_HOLDER = (
    "select pg_catalog.pg_terminate_backend(pid) from pg_catalog.pg_stat_activity"
    " where pid = %s::int4 and (state is distinct from 'active' or %s::bool)"
)


class LostSession(Protocol):
    """The part of a session that is needed: its connection, its process and lock on the server, a way to reconnect."""

    conn: Connection
    committing: Callable[[], bool | None] | None
    lock_lost: Error | None
    tables: Tables
    shared: tuple[run_lock.Key, ...]

    @property
    def dsn(self) -> Dsn: ...

    @property
    def run_id(self) -> str: ...

    @property
    def key(self) -> run_lock.Key: ...

    @property
    def backend_pid(self) -> int: ...

    def reconnect(self) -> None: ...

    def regain_lock(self) -> None: ...


def was_committed(session: LostSession, step: Step, exc: Exception) -> bool:
    """Whether the transaction that records `step` was committed, of which nothing is known since `exc`.

    The run can go on then, in a new session with the lock; `session.lock_lost` says that another run has it now. Raises
    NeedsAttention E503.
    """
    committed = session.committing() if session.committing else False
    if committed is None:
        raise NeedsAttention(
            f"the connection was lost during the COMMIT of {step.name}, and the server did not report its outcome",
            code="E503",
            hint="when the server is back, `dbmigrate status` shows whether it is applied",
        ) from exc
    session.committing = None
    if committed:
        session.lock_lost = _lost_to(session)
    return committed


def _lost_to(session: LostSession) -> Error | None:
    """Take the lock again; the error if another run has it, or had it meanwhile and has changed what was planned on."""
    from dbmigrate.tracking import logged_outcome  # only a lost connection needs it

    try:
        session.regain_lock()
        with database.translated(session.dsn):
            others = database.query(session.conn, logged_outcome.others_since(session.tables, session.run_id))
    except Error as exc:
        return exc
    if others:
        message = "the connection was lost, and another run went on meanwhile"
        return LockNotAcquired(message, code="E601", hint="run the command again")
    return None


def lost(exc: psycopg.Error, dsn: Dsn) -> Error:
    """The error for a connection that was lost in a transaction that was not committed."""
    error = database.translation(exc, dsn)
    text = error.message.replace("connection was lost", "connection was lost before the transaction was committed", 1)
    return error.recast(ConnectionFailed, text, code="E305")


def ask(session: LostSession, xid: str) -> bool | None:
    """Ask the server on a new connection whether transaction `xid` was committed; None if it is unknown.

    Ends a transaction that is still open because the server has not noticed the loss. Takes at most 30 seconds.
    """
    deadline = time.monotonic() + _SECONDS
    database.close(session.conn)
    while time.monotonic() < deadline:
        with suppress(ConnectionFailed, psycopg.Error):
            if session.conn.closed:
                session.reconnect()
            status = database.query(session.conn, "select pg_catalog.pg_xact_status(%s::text::xid8)", xid)[0][0]
            if status in ("committed", "aborted"):
                return status == "committed"
            database.query(session.conn, _END_LOST, session.backend_pid, xid)
        time.sleep(_PAUSE)
    return None


def ask_log(session: LostSession, entry: str) -> bool | None:
    """Whether a transaction was committed whose id is not known; None if it is unknown.

    `entry` is a query for the log entry that the transaction writes. It is asked once nothing runs any more in the
    session that had the lock: in that session itself, if it is there, otherwise when its lock is free. A lost session
    that waits for something is ended at once, one that works after 30 seconds, so that it does not commit later.
    """
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline + _GRACE:
        with suppress(ConnectionFailed, psycopg.Error):
            if session.conn.closed or session.conn.broken:
                database.close(session.conn)
                session.reconnect()
            if session.conn.info.backend_pid == session.backend_pid or _is_gone(
                session, is_patient=time.monotonic() < deadline
            ):
                return bool(database.query(session.conn, entry))
        time.sleep(_PAUSE)
    return None


def _is_gone(session: LostSession, *, is_patient: bool) -> bool:
    """Whether the session that had the lock has ended, seen from a new one."""
    conn = session.conn
    if database.query(conn, "select pg_catalog.pg_is_in_recovery()")[0][0]:
        return False  # a standby has locks of its own, and gets the entry later
    if run_lock.try_acquire(conn, session.key, session.shared):
        run_lock.release(conn, session.key, session.shared)
        return True
    if not run_lock.is_held_by(conn, session.key, session.backend_pid):
        return True
    database.query(conn, _END_HOLDER, session.backend_pid, not is_patient)
    return False
