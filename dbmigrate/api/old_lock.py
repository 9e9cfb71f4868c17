"""The lock of another tool, held while its history is taken over, so that no run of it goes on at the same time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.connection import database
from dbmigrate.errors import Error, LockNotAcquired, unchanged
from dbmigrate.execution import run_lock

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbmigrate.connection.database import Connection
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.events import Event

__all__ = ["OldLock"]

# one bigint as a key is shown as its two halves: https://www.postgresql.org/docs/current/view-pg-locks.html
_HELD = """
select a.pid, coalesce(nullif(a.application_name, ''), 'unnamed'), a.usename::text, l.pid = pg_catalog.pg_backend_pid()
from pg_catalog.pg_locks l join pg_catalog.pg_stat_activity a using (pid)
where l.locktype = 'advisory' and l.granted and l.objsubid = 1
  and l.database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())
  and l.classid::int8 = (%s::int8 >> 32 & 4294967295) and l.objid::int8 = (%s::int8 & 4294967295)
"""


class OldLock:
    """A session lock on the connection `conn`; it ends with that."""

    def __init__(self, conn: Connection, dsn: Dsn, tool: str, key: int) -> None:
        self._conn = conn
        self._dsn = dsn
        self._tool = tool
        self._key = key

    def acquire(self, wait: float, on_event: Callable[[Event], None]) -> None:
        """Poll for up to `wait` seconds. Raises LockNotAcquired E601, which names the holder."""
        what = f"the lock of {self._tool}"
        try:
            run_lock.poll(self._attempt, self._holder, wait=wait, on_event=on_event, what=what)
        except LockNotAcquired as exc:
            message = f"{self._tool} is running: its lock is held by {self._holder()}"
            hint = f"waited {wait:g} s (--lock-wait); import when that run is over"
            raise LockNotAcquired(message, code="E601", hint=hint) from exc

    def refuse_lost(self) -> None:
        """Raise LockNotAcquired E601 where the session has lost the lock, and the old tool may have run since."""
        message = f"the import has lost the lock of {self._tool}"
        lost = unchanged(LockNotAcquired(message, code="E601", hint="import again"))
        try:
            with database.translated(self._dsn):
                is_held = any(row[3] for row in self._rows())
        except Error as exc:
            raise lost from exc
        if not is_held:
            raise lost

    def _attempt(self) -> bool:
        return bool(database.query(self._conn, f"select pg_catalog.pg_try_advisory_lock({self._key}::int8)")[0][0])

    def _holder(self) -> str:
        rows = self._rows()
        return f"process {rows[0][0]} ({rows[0][1]}, role {rows[0][2]})" if rows else "a session that has just ended"

    def _rows(self) -> list[tuple[object, ...]]:
        return [tuple(row) for row in database.query(self._conn, _HELD, self._key, self._key)]
