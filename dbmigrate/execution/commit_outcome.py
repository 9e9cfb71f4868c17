"""Whether a lost COMMIT took effect: the server knows, and a new connection can ask it.

https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-PG-SNAPSHOT (pg_xact_status)
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

import psycopg

from dbmigrate.connection import database
from dbmigrate.errors import ConnectionFailed

if TYPE_CHECKING:
    from dbmigrate.connection.database import Connection

_SECONDS = 30.0
_PAUSE = 0.25

# ends the lost session while it waits for a COMMIT that will not come; the transaction's id proves that it is that one
_END_LOST = (
    "select pg_catalog.pg_terminate_backend(pid) from pg_catalog.pg_stat_activity"
    " where pid = %s::int4 and backend_xid = %s::text::xid8::xid and state like 'idle in transaction%%'"
)


class LostSession(Protocol):
    """What is needed of a session: its connection, the process that it had on the server, and a new connection."""

    conn: Connection

    @property
    def backend_pid(self) -> int: ...

    def reconnect(self) -> None: ...


def ask(session: LostSession, xid: str) -> bool | None:
    """Ask the server on a new connection whether transaction `xid` was committed; None if it cannot be learned.

    A transaction that is still open, because the server has not noticed the loss, is ended. Takes 30 seconds at most.
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
