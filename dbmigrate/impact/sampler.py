"""Looks at the session that runs the migrations from a second connection, fifty times a second.

A lock of a transaction is there until its end, but when it was granted, and who waited for it, shows only while it is
held; and a statement outside a transaction has let go of its locks when it is done.
https://www.postgresql.org/docs/current/view-pg-locks.html
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, NamedTuple

import psycopg

from dbmigrate.connection import database
from dbmigrate.impact.values import LockMode, Relation

if TYPE_CHECKING:
    from dbmigrate.connection.database import Connection
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.events import Event

_INTERVAL = 0.02
_STATISTICS_DELAY = 0.6  # seconds: before PostgreSQL 15 the statistics that are read may be half a second old
_FIRST_OID = 16384  # what is below is the server's own

# the locks of the session, and the sessions of the traffic that wait for it (or behind it in a queue)
_LOOK = f"""
select null::int, l.mode, n.nspname::text, c.relname::text
from pg_catalog.pg_locks l
join pg_catalog.pg_class c on c.oid = l.relation
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where l.pid = %(pid)s::int4 and l.granted and l.locktype = 'relation' and l.relation >= {_FIRST_OID}
  and c.relkind in ('r', 'm', 'p', 'v', 'f')
  and l.database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())
union all
select w.pid, null, n.nspname::text, c.relname::text
from pg_catalog.unnest(%(traffic)s::int4[]) as w (pid)
left join pg_catalog.pg_locks l on l.pid = w.pid and not l.granted and l.locktype = 'relation'
left join pg_catalog.pg_class c on c.oid = l.relation
left join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where %(pid)s::int4 = any(pg_catalog.pg_blocking_pids(w.pid))
"""
_MAY_LIST = "select pg_catalog.has_function_privilege('pg_catalog.pg_ls_tmpdir()', 'execute')"
_FILES = "select coalesce(sum(size), 0)::int8 from pg_catalog.pg_ls_tmpdir() where name like %s::text"
_WAL = "select pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_insert_lsn(), '0/0')::int8"
_TEMPORARY = "select temp_bytes from pg_catalog.pg_stat_database where datname = pg_catalog.current_database()"
_ROWS = """
select n.nspname::text, c.relname::text, c.reltuples::float8 from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'm') and c.reltuples >= 0 and c.relpages > 0
"""


class Seen(NamedTuple):
    """A lock between the first and the last look that found it."""

    table: Relation
    lock: LockMode
    first: float
    last: float


class Wait(NamedTuple):
    """A session that waited for the migration at one moment."""

    pid: int
    moment: float
    table: Relation | None


class Sampler:
    """A second connection. It answers questions, and looks by itself between `start` and `close`."""

    def __init__(self, dsn: Dsn) -> None:
        """Raises ConnectionFailed."""
        self._conn = database.connect(dsn, command="rehearsal", on_event=_ignore)
        self._may_list = bool(database.query(self._conn, _MAY_LIST)[0][0])
        self._is_late = self._conn.info.server_version < 150000
        self._pid = 0
        self._forgotten = 0.0
        self._traffic: list[int] = []
        self._open: dict[tuple[Relation, LockMode], tuple[float, float]] = {}
        self._closed: list[Seen] = []
        self._files: list[tuple[float, int]] = []
        self.waits: list[Wait] = []
        self.failed: str | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    @property
    def sees_files(self) -> bool:
        """Whether the role may list temporary files (pg_monitor may)."""
        return self._may_list

    def start(self, traffic: list[int]) -> None:
        self._traffic = traffic
        self._thread.start()

    def follow(self, conn: Connection) -> None:
        """Look at this session from now on."""
        self._pid = conn.info.backend_pid

    def close(self) -> None:
        """Stop looking, and close the connection."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        database.close(self._conn)

    # -- what was seen

    def locks(self, began: float, ended: float) -> list[Seen]:
        """The locks that were seen between two moments, as far as they are known by now."""
        still = [Seen(*key, *span) for key, span in list(self._open.items())]
        return [seen for seen in (*self._closed, *still) if seen.first <= ended and seen.last >= began]

    def temporary(self, began: float, ended: float) -> int | None:
        """The most bytes of temporary files that were seen at once; None where the role may not look."""
        if not self._may_list:
            return None
        sizes = (size for moment, size in list(self._files) if began <= moment <= ended)
        return max(sizes, default=0)

    def forget(self, *, before: float) -> None:
        """Nobody will ask for what was over by then; waits are kept."""
        self._forgotten = before

    # -- questions

    def wal(self) -> int | None:
        """The bytes of WAL that the server has written; None where it does not say."""
        return self._number(_WAL)

    def temporary_total(self) -> int | None:
        """The bytes of temporary files that the database's sessions have written."""
        if self._is_late:
            time.sleep(_STATISTICS_DELAY)
        return self._number(_TEMPORARY)

    def row_estimates(self) -> dict[Relation, int]:
        """The planner's numbers of rows, of tables that were ever analysed."""
        try:
            rows = database.query(self._conn, _ROWS)
        except psycopg.Error:
            return {}
        return {Relation(str(schema), str(name)): int(float(str(count))) for schema, name, count in rows}

    def _number(self, question: str) -> int | None:
        try:
            found = database.query(self._conn, question)[0][0]
        except psycopg.Error:
            return None
        return None if found is None else int(str(found))

    # -- looking

    def _run(self) -> None:
        try:
            while not self._ended.wait(_INTERVAL):
                self._look()
        except psycopg.Error as exc:
            self.failed = str(exc).splitlines()[0] if str(exc) else type(exc).__name__

    def _look(self) -> None:
        before = time.monotonic()
        rows = self._conn.execute(_LOOK, {"pid": self._pid, "traffic": self._traffic}).fetchall()
        if self._may_list:
            size = database.query(self._conn, _FILES, f"pgsql\\_tmp{self._pid}.%")[0][0]
            self._files.append((time.monotonic(), int(str(size))))
        held: dict[tuple[Relation, LockMode], tuple[float, float]] = {}
        now = time.monotonic()
        for pid, mode, schema, name in rows:
            table = None if name is None else Relation(str(schema), str(name))
            if pid is not None:
                self.waits.append(Wait(int(str(pid)), now, table))
            elif table is not None:
                key = (table, LockMode.of_server(str(mode)))
                held[key] = (self._open.get(key, (before, now))[0], now)
        self._closed += [Seen(*key, *span) for key, span in self._open.items() if key not in held]
        self._open = held
        if self._closed and self._closed[0].last < self._forgotten:
            self._closed = [seen for seen in self._closed if seen.last >= self._forgotten]
            self._files = [each for each in self._files if each[0] >= self._forgotten]


def _ignore(event: Event) -> None:
    """Notices of this session concern nobody."""
