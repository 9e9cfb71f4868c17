"""For how long a run holds ACCESS EXCLUSIVE locks on tables that were there before: nobody can even read them.

Looked at from a second connection, fifty times a second: it does not see tables that are not committed yet, whose locks
are in nobody's way. A lock that is held for less than that is not noticed. Nothing depends on the connection: without
it the time is unknown.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg

from dbmigrate.connection import database
from dbmigrate.errors import Error

if TYPE_CHECKING:
    from dbmigrate.connection.database import Connection
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.events import Event

__all__ = ["BlockingLocks"]

_INTERVAL = 0.02
_CLOSING = 2.0  # seconds
_FIRST_OID = 16384  # what is below is the server's own
_LOOK = f"""
select exists (select from pg_catalog.pg_locks l join pg_catalog.pg_class c on c.oid = l.relation
where l.pid = %s::int4 and l.granted and l.locktype = 'relation' and l.mode = 'AccessExclusiveLock'
  and l.relation >= {_FIRST_OID} and c.relkind in ('r', 'm', 'p')
  and l.database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database()))
"""


class BlockingLocks:
    """Looks at one session between `begin` and `end`."""

    def __init__(self) -> None:
        self._conn: Connection | None = None
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._seconds = 0.0
        self._failed = False

    def begin(self, dsn: Dsn, pid: int) -> None:
        """Look at the session `pid` from now on, if the server allows a second connection."""
        try:
            self._conn = database.connect(dsn, command="metrics", on_event=_ignore)
        except Error:
            return
        self._thread = threading.Thread(target=self._run, args=(self._conn, pid), name="blocking locks", daemon=True)
        self._thread.start()

    def end(self) -> float | None:
        """Stop looking. The seconds; None if they are unknown."""
        if self._conn is None or self._thread is None:
            return None
        self._ended.set()
        self._thread.join(_CLOSING)
        is_complete = not (self._failed or self._thread.is_alive())
        with suppress(Error, psycopg.Error):
            database.close(self._conn)
        self._conn = None
        return self._seconds if is_complete else None

    def _run(self, conn: Connection, pid: int) -> None:
        held_since: float | None = None
        try:
            while not self._ended.wait(_INTERVAL):
                is_held = bool(database.query(conn, _LOOK, pid)[0][0])
                now = time.monotonic()
                if is_held and held_since is not None:
                    self._seconds += now - held_since
                held_since = now if is_held else None
        except psycopg.Error:
            self._failed = True


def _ignore(event: Event) -> None:
    """Notices of this session concern nobody."""
