"""Locks: the advisory lock that allows one run at a time, and the blockers when a lock is not granted.

The lock is a session lock on the connection that does the work, so it ends with that session and never sooner. It is
polled with ``pg_try_advisory_lock``: a session blocked inside ``pg_advisory_lock`` would hold a snapshot that CREATE
INDEX CONCURRENTLY of the holder waits for, which is a deadlock.
"""

from __future__ import annotations

import hashlib
import random
import time
from functools import lru_cache
from typing import TYPE_CHECKING

from dbmigrate.connection import database
from dbmigrate.errors import LockNotAcquired
from dbmigrate.events import Waiting
from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dbmigrate.connection.database import Connection
    from dbmigrate.events import Event

# "dbm1" as a number: the first half of every key, so that these locks are recognisable in pg_locks
NAMESPACE = 0x64626D31
NOBODY = 0  # the process id of a prepared transaction
_FIRST_PAUSE, _LONGEST_PAUSE = 0.025, 1.0
_FIRST_REPORT, _REPORT_EVERY = 1.0, 10.0

_HOLDER = """
select a.pid, a.usename::text, a.application_name, a.client_addr::text, a.backend_start, a.state
from pg_catalog.pg_locks l join pg_catalog.pg_stat_activity a using (pid)
where l.locktype = 'advisory' and l.granted and l.objsubid = 2
  and l.database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())
  and l.classid::int8 = (%s::int8 & 4294967295) and l.objid::int8 = (%s::int8 & 4294967295)
"""
_EXCLUSIVE = """
select 1 from pg_catalog.pg_locks
where locktype = 'advisory' and granted and objsubid = 2 and mode = 'ExclusiveLock'
  and pid <> pg_catalog.pg_backend_pid()
  and database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())
  and classid::int8 = (%s::int8 & 4294967295) and objid::int8 = (%s::int8 & 4294967295)
"""
_BLOCKERS = """
select a.pid, coalesce(a.usename::text, '?'), coalesce(nullif(a.application_name, ''), a.backend_type, '?'),
       coalesce(a.state, '?'), pg_catalog.date_trunc('second', pg_catalog.now() - a.xact_start)::text,
       pg_catalog.left(pg_catalog.regexp_replace(a.query, '\\s+', ' ', 'g'), 80),
       (select l.virtualtransaction from pg_catalog.pg_locks l
         where l.pid = a.pid and l.locktype = 'virtualxid' and l.granted and l.mode = 'ExclusiveLock' limit 1),
       a.usesysid is null
from pg_catalog.pg_stat_activity a where a.pid = any(pg_catalog.pg_blocking_pids(%s::int4))
"""
_HOLDERS = """
select distinct l.pid, coalesce(nullif(a.application_name, ''), a.backend_type, '?'), coalesce(a.usename::text, '?'),
       coalesce(a.state, '?'), pg_catalog.left(pg_catalog.regexp_replace(a.query, '\\s+', ' ', 'g'), 80),
       p.gid, p.owner::text, pg_catalog.date_trunc('second', pg_catalog.now() - p.prepared)::text
from pg_catalog.pg_locks l
left join pg_catalog.pg_stat_activity a on a.pid = l.pid
left join pg_catalog.pg_locks its on l.pid is null and its.pid is null and its.locktype = 'transactionid'
  and its.virtualtransaction = l.virtualtransaction
left join pg_catalog.pg_prepared_xacts p on p.transaction = its.transactionid
where l.locktype = 'relation' and l.granted and l.pid is distinct from pg_catalog.pg_backend_pid()
  and l.mode in ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
  and l.database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())
  and l.relation in (select c.oid from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where n.nspname = %s::pg_catalog.text and c.relname::text = any(%s::pg_catalog.text[]))
"""
# a prepared transaction has no process: pg_blocking_pids() calls it 0, and the lock says which transaction it is. For
# CREATE INDEX CONCURRENTLY and a wait for the end of a transaction, the columns of both locks are compared.
# https://www.postgresql.org/docs/current/view-pg-locks.html
_PREPARED = """
select p.gid, p.owner::text, pg_catalog.date_trunc('second', pg_catalog.now() - p.prepared)::text, p.transaction::text
from pg_catalog.pg_prepared_xacts p
join pg_catalog.pg_locks its on its.locktype = 'transactionid' and its.transactionid = p.transaction and its.pid is null
where 0 = any(pg_catalog.pg_blocking_pids(%s::int4)) and exists (
  select from pg_catalog.pg_locks waiting join pg_catalog.pg_locks held on held.granted and held.pid is null
    and held.virtualtransaction = its.virtualtransaction and held.locktype = waiting.locktype
    and held.database is not distinct from waiting.database and held.relation is not distinct from waiting.relation
    and held.page is not distinct from waiting.page and held.tuple is not distinct from waiting.tuple
    and held.transactionid is not distinct from waiting.transactionid
    and held.classid is not distinct from waiting.classid and held.objid is not distinct from waiting.objid
    and held.objsubid is not distinct from waiting.objsubid
  where waiting.pid = %s::int4 and not waiting.granted)
"""
_IS_PREPARED = "select count(*) from pg_catalog.pg_prepared_xacts where transaction::text = %s::pg_catalog.text"
# not by pg_stat_activity.xact_start, which is hidden from roles without pg_read_all_stats
_ALIVE = "select count(*) from pg_catalog.pg_locks where pid = %s::int4 and virtualtransaction = %s"


@frozen
class Key:
    """The two 32-bit halves of an advisory lock's key."""

    first: int
    second: int

    @property
    def sql(self) -> str:
        """The key as typed arguments: a function that a user made could capture untyped ones."""
        return f"{self.first}::int4, {self.second}::int4"


@lru_cache(maxsize=8)
def key_for(table: str) -> Key:
    """The key for one tracking table, by its schema-qualified name. Advisory locks are per database already."""
    digest = hashlib.sha256(table.encode()).digest()
    return Key(NAMESPACE, int.from_bytes(digest[:4], "big", signed=True))


def acquire(
    conn: Connection, key: Key, *, shared: Sequence[Key] = (), wait: float, on_event: Callable[[Event], None]
) -> None:
    """Take the session lock, and those that are `shared` with other runs, polling for up to `wait` seconds.

    While waiting nothing is open on the server: no transaction, no blocked query. Raises LockNotAcquired E601, which
    names the holder.
    """
    poll(
        lambda: try_acquire(conn, key, shared),
        lambda: _first_holder(conn, (key, *shared)),
        wait=wait,
        on_event=on_event,
    )


def _first_holder(conn: Connection, keys: Sequence[Key]) -> str:
    """The holder of the first of these locks that another session has for itself."""
    held = (key for key in keys[1:] if database.query(conn, _EXCLUSIVE, key.first, key.second))
    is_own = database.query(conn, _HOLDER, keys[0].first, keys[0].second)
    return holder(conn, keys[0] if is_own else next(held, keys[0]))


def poll(
    attempt: Callable[[], bool],
    held_by: Callable[[], str],
    *,
    wait: float,
    on_event: Callable[[Event], None],
    what: str = "the migration lock",
) -> None:
    """Call `attempt` until it succeeds, for up to `wait` seconds. Raises LockNotAcquired E601."""
    started = time.monotonic()
    pause, report_at = _FIRST_PAUSE, _FIRST_REPORT
    while not attempt():
        waited = time.monotonic() - started
        if waited >= wait:
            raise _not_acquired(held_by(), wait)
        if waited >= report_at:
            on_event(Waiting(f"{what}, held by {held_by()}", waited))
            report_at = waited + _REPORT_EVERY
        time.sleep(min(pause * random.uniform(0.5, 1.0), max(wait - waited, 0.001)))
        pause = min(pause * 2, _LONGEST_PAUSE)


def release(conn: Connection, key: Key, shared: Sequence[Key] = ()) -> None:
    """Release the session lock, and those that are shared with other runs."""
    for each in shared:
        database.query(conn, f"select pg_catalog.pg_advisory_unlock_shared({each.sql})")
    database.query(conn, f"select pg_catalog.pg_advisory_unlock({key.sql})")


def try_acquire(conn: Connection, key: Key, shared: Sequence[Key] = ()) -> bool:
    """All of them or none: two runs that each wait for the lock of the other would wait for ever."""
    if not database.query(conn, f"select pg_catalog.pg_try_advisory_lock({key.sql})")[0][0]:
        return False
    for number, each in enumerate(shared):
        if not database.query(conn, f"select pg_catalog.pg_try_advisory_lock_shared({each.sql})")[0][0]:
            release(conn, key, shared[:number])
            return False
    return True


def is_held(conn: Connection, key: Key) -> bool:
    """Whether this session still holds the lock: DISCARD ALL and pg_advisory_unlock_all() drop it silently."""
    rows = database.query(
        conn,
        "select 1 from pg_catalog.pg_locks where locktype = 'advisory' and granted and objsubid = 2"
        " and pid = pg_catalog.pg_backend_pid()"
        " and classid::int8 = (%s::int8 & 4294967295) and objid::int8 = (%s::int8 & 4294967295)",
        key.first,
        key.second,
    )
    return bool(rows)


def is_held_by(conn: Connection, key: Key, pid: int) -> bool:
    """Whether the session `pid` holds the lock."""
    return any(row[0] == pid for row in database.query(conn, _HOLDER, key.first, key.second))


def holder(conn: Connection, key: Key) -> str:
    """The holder of the lock: process id, role, application (with the run's user@host:pid), connected since."""
    return held_by(conn, key) or "a session that has just ended"


def held_by(conn: Connection, key: Key) -> str | None:
    """The same; None where nobody holds it."""
    rows = database.query(conn, _HOLDER, key.first, key.second)
    if not rows:
        return None
    pid, user, application, address, since, state = rows[0]
    where = f" from {address}" if address else ""
    name = application or "unnamed"
    return f"process {pid} ({name}, role {user}{where}, {state}, connected {since:%Y-%m-%d %H:%M:%S %Z})"


def _not_acquired(held_by: str, wait: float) -> LockNotAcquired:
    pid = held_by.split()[1] if held_by.startswith("process ") else None
    ending = f"; if that run is dead, end its session: select pg_terminate_backend({pid})" if pid else ""
    return LockNotAcquired(
        f"another run holds the migration lock: {held_by}",
        code="E601",
        hint=f"waited {wait:g} s (--lock-wait){ending}",
    )


@frozen
class Blocker:
    """A session that blocks another one, or a prepared transaction that does (`pid` is `NOBODY`).

    `is_autovacuum`: a worker without a role, which gives way to a session that waits longer than deadlock_timeout.
    """

    pid: int
    transaction: str | None
    text: str
    is_autovacuum: bool = False

    def __str__(self) -> str:
        return self.text


def blockers(conn: Connection, pid: int) -> tuple[Blocker, ...]:
    """The blockers of the session `pid`, asked on another connection."""
    sessions = tuple(
        Blocker(
            int(str(row[0])),
            None if row[6] is None else str(row[6]),
            f"process {row[0]} ({row[2]}, role {row[1]}, {row[3]}"
            + (f", in a transaction since {row[4]}" if row[4] else "")
            + f"): {row[5]}",
            bool(row[7]),
        )
        for row in database.query(conn, _BLOCKERS, pid)
    )
    return sessions + tuple(
        Blocker(NOBODY, str(xid), _prepared(str(gid), str(owner), str(age)))
        for gid, owner, age, xid in database.query(conn, _PREPARED, pid, pid)
    )


def _prepared(gid: str, owner: str, age: str) -> str:
    quoted = "'" + gid.replace("'", "''") + "'"
    return (
        f"the prepared transaction {quoted} (role {owner}, prepared {age} ago), which has no session:"
        f" end it with ROLLBACK PREPARED {quoted}, or COMMIT PREPARED"
    )


def holders(conn: Connection, schema: str, names: Sequence[str]) -> tuple[str, ...]:
    """The holders of locks on these tables that a write or a read would wait for, described."""
    rows = database.query(conn, _HOLDERS, schema, list(names))
    return tuple(
        f"process {row[0]} ({row[1]}, role {row[2]}, {row[3]}): {row[4]}"
        if row[0] is not None
        else _prepared(str(row[5]), str(row[6]), str(row[7]))
        for row in rows
    )


def is_alive(conn: Connection, blocker: Blocker) -> bool:
    """Whether the transaction of the blocker is still open."""
    if blocker.pid == NOBODY:
        return database.query(conn, _IS_PREPARED, blocker.transaction)[0][0] != 0
    return database.query(conn, _ALIVE, blocker.pid, blocker.transaction)[0][0] != 0
