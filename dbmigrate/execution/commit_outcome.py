"""The commit outcome after a lost connection: whether COMMIT took effect, asked on a new connection.

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

# ends the lost session, which waits for a COMMIT that will not come; the transaction's id identifies it
_END_LOST = (
    "select pg_catalog.pg_terminate_backend(pid) from pg_catalog.pg_stat_activity"
    " where pid = %s::int4 and backend_xid = %s::text::xid8::xid and state like 'idle in transaction%%'"
)


class LostSession(Protocol):
    """The part of a session that is needed: its connection, its process on the server, a way to reconnect."""

    conn: Connection

    @property
    def backend_pid(self) -> int: ...

    def reconnect(self) -> None: ...


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
