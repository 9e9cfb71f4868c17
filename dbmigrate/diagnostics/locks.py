"""Who waits for whom: the sessions that wait for a lock, their blockers, and open transactions that may become ones.

`pg_blocking_pids` also names those who are ahead in the queue. Whether a transaction is open is asked of pg_locks,
because pg_stat_activity hides that from roles without pg_read_all_stats.
https://www.postgresql.org/docs/current/view-pg-locks.html
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, cast

from dbmigrate.connection import database
from dbmigrate.diagnostics.lock_values import Picture, Prepared, Session, Wait
from dbmigrate.errors import Refused, unchanged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from dbmigrate.connection.database import Connection

__all__ = ["end", "named", "read"]

NAMESPACE = 0x64626D31  # of the migration lock: `execution.run_lock.NAMESPACE`; a test compares them
_LONGEST_QUERY = 2000
_PASSWORD = re.compile(r"(\bpassword\s+)(?:E?'(?:[^']|'')*'?|\$(\w*)\$.*)", re.IGNORECASE | re.DOTALL)
_PATIENCE = 10.0  # seconds for a session to end
_WITH_WAITSTART = 140000

_WAITS = """
select l.pid, l.mode, l.locktype,
       case when c.oid is not null then pg_catalog.format('%%I.%%I', n.nspname, c.relname) end,
       case l.locktype
         when 'transactionid' then 'transaction ' || l.transactionid::text
         when 'virtualxid' then 'transaction ' || l.virtualxid
         when 'advisory' then case when l.classid::int8 = %s::int8 and l.objsubid = 2 then 'the migration lock'
                                   else 'advisory lock ' || l.classid || ', ' || l.objid end
         else l.locktype || coalesce(' ' || l.relation::text, '') end,
       (select pg_catalog.format('%%I.%%I', rn.nspname, rc.relname) from pg_catalog.pg_locks r
          join pg_catalog.pg_class rc on rc.oid = r.relation join pg_catalog.pg_namespace rn on rn.oid = rc.relnamespace
        where r.pid = l.pid and r.locktype = 'tuple' and r.granted limit 1),
       {since}, pg_catalog.pg_blocking_pids(l.pid), a.datname = pg_catalog.current_database()
from pg_catalog.pg_locks l
join pg_catalog.pg_stat_activity a on a.pid = l.pid
left join pg_catalog.pg_class c on c.oid = l.relation
  and l.database in (0, (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database()))
left join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where not l.granted and l.pid <> pg_catalog.pg_backend_pid()
"""
_SESSIONS = """
select a.pid, a.datname::text, a.usename::text, a.application_name, a.client_addr::text, a.backend_type, a.state,
       a.backend_start, a.xact_start, coalesce(a.state_change, a.query_start), pg_catalog.left(a.query, %s::int4),
       exists (select from pg_catalog.pg_locks r where r.pid = a.pid and r.locktype = 'advisory' and r.granted
                 and r.classid::int8 = %s::int8 and r.objsubid = 2)
from pg_catalog.pg_stat_activity a
where a.pid = any(%s::int4[]) or (a.datname = pg_catalog.current_database() and a.pid <> pg_catalog.pg_backend_pid()
  and exists (select from pg_catalog.pg_locks o where o.pid = a.pid and o.granted
    and (o.locktype = 'virtualxid' or (o.locktype = 'advisory' and o.classid::int8 = %s::int8 and o.objsubid = 2))))
order by a.pid
"""
_HELD = """
select distinct h.pid, h.mode || ' on ' || pg_catalog.format('%%I.%%I', n.nspname, c.relname)
from pg_catalog.pg_locks h join pg_catalog.pg_class c on c.oid = h.relation
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where h.granted and h.locktype = 'relation' and h.pid = any(%s::int4[]) and h.relation = any(
  select w.relation from pg_catalog.pg_locks w where not w.granted and w.locktype = 'relation'
    and w.database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database()))
order by 1, 2
"""
_PREPARED = """
select gid, owner::text, prepared from pg_catalog.pg_prepared_xacts
where database = pg_catalog.current_database() order by prepared
"""
_END = """
select pg_catalog.pg_terminate_backend(a.pid) from pg_catalog.pg_stat_activity a
where a.pid = %s::int4 and a.backend_start is not distinct from %s::timestamptz
"""
_IS_THERE = """
select count(*) from pg_catalog.pg_stat_activity a
where a.pid = %s::int4 and a.backend_start is not distinct from %s::timestamptz
"""


def read(conn: Connection, hide: Callable[[str], str]) -> Picture:
    """The sessions of this database that wait, their blockers, and those with an open transaction; not `conn`.

    `hide` masks what is secret in queries.
    """
    waits = _waits(conn)
    involved = _involved(waits)
    rows = database.query(conn, _SESSIONS, _LONGEST_QUERY, NAMESPACE, sorted(involved), NAMESPACE)
    held: dict[int, list[str]] = {}
    for pid, text in database.query(conn, _HELD, sorted(involved)):
        held.setdefault(cast("int", pid), []).append(str(text))
    sessions = {cast("int", row[0]): _session(row, waits, held, hide) for row in rows}
    now = cast("datetime", database.query(conn, "select pg_catalog.clock_timestamp()")[0][0])
    prepared = [Prepared(str(row[0]), str(row[1]), cast("datetime", row[2])) for row in database.query(conn, _PREPARED)]
    return Picture(now, sessions, tuple(prepared))


def _waits(conn: Connection) -> dict[int, tuple[Wait, bool]]:
    """Every wait on the server by its process, and whether it is one of this database."""
    since = "l.waitstart" if conn.info.server_version >= _WITH_WAITSTART else "a.query_start"
    found = {}
    for pid, mode, kind, relation, other, row, start, blockers, is_here in database.query(
        conn, _WAITS.format(since=since), NAMESPACE
    ):
        what = str(relation) if kind == "relation" and relation else str(other)
        if kind in ("transactionid", "tuple") and (row or relation):
            what = f"a row of {row or relation}"
        pids = tuple(sorted(set(cast("list[int]", blockers))))
        found[cast("int", pid)] = Wait(str(mode), what, cast("datetime | None", start), pids), bool(is_here)
    return found


def _involved(waits: dict[int, tuple[Wait, bool]]) -> set[int]:
    """Who waits in this database, and everybody that these wait for, wherever that is."""
    involved: set[int] = set()
    queue = [pid for pid, (_, is_here) in waits.items() if is_here]
    while queue:
        pid = queue.pop()
        if pid not in involved:
            involved.add(pid)
            queue += waits[pid][0].blockers if pid in waits else ()
    return involved


def _session(
    row: Sequence[Any], waits: dict[int, tuple[Wait, bool]], held: dict[int, list[str]], hide: Callable[[str], str]
) -> Session:
    is_hidden = row[10] is None or row[10] == "<insufficient privilege>"
    query = None if is_hidden else hide(_PASSWORD.sub(r"\1********", row[10]))
    return Session(
        pid=row[0],
        database=row[1],
        role=row[2],
        application=None if row[3] is None else hide(row[3]),
        client=row[4],
        kind=row[5] or "",
        state=row[6],
        started_at=row[7],
        transaction_since=row[8],
        since=row[9],
        query=query,
        is_run=row[11],
        wait=waits[row[0]][0] if row[0] in waits else None,
        holds=tuple(held.get(row[0], ())),
    )


def named(picture: Picture, pid: int) -> Session:
    """The session of `pid`. Raises Refused E718 unless it is in the picture."""
    if pid in picture.sessions:
        return picture.sessions[pid]
    raise unchanged(
        Refused(
            f"process {pid} neither holds nor waits for anything here",
            code="E718",
            hint=f"those that do: {_listed(picture.sessions)}",
        )
    )


def _listed(pids: Iterable[int]) -> str:
    return ", ".join(map(str, pids)) or "none now"


def end(conn: Connection, session: Session, *, patience: float = _PATIENCE) -> bool:
    """End a session, and wait until it has ended; False if it is still there after `patience` seconds.

    Raises Refused E718 if it is not in the picture any more, E719 if another session has its process id now.
    """
    named(read(conn, str), session.pid)
    if not database.query(conn, _END, session.pid, session.started_at):
        message = f"the session of process {session.pid} has ended already"
        raise unchanged(Refused(message, code="E719", hint="`dbmigrate locks` shows who waits now"))
    deadline = time.monotonic() + patience
    while database.query(conn, _IS_THERE, session.pid, session.started_at)[0][0]:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
