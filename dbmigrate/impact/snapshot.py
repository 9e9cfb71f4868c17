"""Looks at the session that runs a migration: which relations there are, which locks it holds, what it has read.

The looks must not be seen by the migration: they qualify every name and every operator, because its search_path is in
force, and they set nothing.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from dbmigrate.connection import database
from dbmigrate.frozen import frozen
from dbmigrate.impact.values import LockMode, Relation

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from dbmigrate.connection.database import Connection

_EQUALS = "operator(pg_catalog.=)"
_FIRST_OID = 16384  # FirstNormalObjectId: what is below is the server's own

# everything that a lock can be on, with what it belongs to: the table of an index, of out-of-line data, of a sequence
RELATIONS = f"""
select c.oid::bigint, n.nspname::pg_catalog.text, c.relname::pg_catalog.text, c.relkind::pg_catalog.text,
       c.relfilenode::bigint,
       case when c.relkind {_EQUALS} any ('{{r,m}}'::pg_catalog."char"[])
         then pg_catalog.pg_stat_get_xact_numscans(c.oid) else 0 end,
       coalesce(i.indrelid, t.oid, s.refobjid)::bigint,
       case when c.relispartition then (
         select p.inhparent from pg_catalog.pg_inherits p where p.inhrelid {_EQUALS} c.oid) end::bigint
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid {_EQUALS} c.relnamespace
left join pg_catalog.pg_index i on i.indexrelid {_EQUALS} c.oid
left join pg_catalog.pg_class t on t.reltoastrelid {_EQUALS} c.oid and c.relkind {_EQUALS} 't'
left join pg_catalog.pg_depend s on s.classid {_EQUALS} 'pg_catalog.pg_class'::pg_catalog.regclass
  and s.objid {_EQUALS} c.oid and s.refclassid {_EQUALS} s.classid and s.objsubid {_EQUALS} 0
  and s.refobjsubid operator(pg_catalog.>) 0 and c.relkind {_EQUALS} 'S'
  and s.deptype {_EQUALS} any ('{{a,i}}'::pg_catalog."char"[])
where c.oid operator(pg_catalog.>=) {_FIRST_OID} and c.relpersistence operator(pg_catalog.<>) 't'
"""

# What this transaction holds; locks last as long as it does, so what it touched is all in here. A migration can hold
# tens of thousands on relations that it made itself: of those only new indexes on old tables are looked for, and each
# once. Object ids grow, so old ones are below the newest of the baseline; after a wraparound this is only slower.
# The last row has the newest id. OFFSET 0 keeps the planner from reading the whole of pg_class.
_HELD = f"""
with held as materialized (
  select l.relation, l.mode from pg_catalog.pg_locks l
  where l.locktype {_EQUALS} 'relation' and l.pid {_EQUALS} pg_catalog.pg_backend_pid()
    and l.relation operator(pg_catalog.>=) {_FIRST_OID}
    and l.database {_EQUALS} (select d.oid from pg_catalog.pg_database d
                              where d.datname {_EQUALS} pg_catalog.current_database())
    and (l.relation operator(pg_catalog.<=) %(newest)s::bigint::pg_catalog.oid
         or l.relation operator(pg_catalog.>) %(seen)s::bigint::pg_catalog.oid)
), mine as (
  select h.relation, h.mode, i.indrelid from held h
  left join lateral (select x.indrelid from pg_catalog.pg_index x
                     where x.indexrelid {_EQUALS} h.relation offset 0) i on true
  where h.relation operator(pg_catalog.<=) %(newest)s::bigint::pg_catalog.oid
     or i.indrelid operator(pg_catalog.<=) %(newest)s::bigint::pg_catalog.oid
)
select m.relation::bigint, m.mode, c.relfilenode::bigint, pg_catalog.pg_stat_get_xact_numscans(m.relation),
       c.relname::pg_catalog.text, m.indrelid::bigint
from mine m
left join lateral (select r.relfilenode, r.relname from pg_catalog.pg_class r
                   where r.oid {_EQUALS} m.relation offset 0) c on true
union all
select pg_catalog.max(h.relation)::bigint, null, null, null, null, null from held h
"""

XID = "select pg_catalog.pg_current_xact_id()::pg_catalog.text;\n"
# of a transaction that has just begun, in one row; a session counts what it reads until it reports that, between two
# transactions
BEGINNING = f"""
select pg_catalog.pg_current_xact_id()::pg_catalog.text, pg_catalog.max(c.oid)::pg_catalog.text,
       pg_catalog.string_agg(pg_catalog.concat(c.oid, ':', pg_catalog.pg_stat_get_xact_numscans(c.oid)), ' ')
         filter (where c.oid operator(pg_catalog.>=) {_FIRST_OID}
                   and c.relkind {_EQUALS} any ('{{r,m}}'::pg_catalog."char"[])
                   and pg_catalog.pg_stat_get_xact_numscans(c.oid) operator(pg_catalog.<>) 0)
from pg_catalog.pg_class c;
"""
# of another session: $1 is its process, $2 an object id
TOUCHED = f"""
select exists (
  select from pg_catalog.pg_locks l
  where l.locktype {_EQUALS} 'relation' and l.pid {_EQUALS} $1
    and l.relation operator(pg_catalog.>=) {_FIRST_OID}
    and l.relation operator(pg_catalog.<=) $2::pg_catalog.oid
    and l.database {_EQUALS} (select d.oid from pg_catalog.pg_database d
                              where d.datname {_EQUALS} pg_catalog.current_database()))
"""


# columns of a query at the beginning of a transaction, and of one that fails at its end if it holds a lock on something
# that was there: its own locks are looked at without the view, which takes longer to plan than to answer
REMEMBERING = (
    " pg_catalog.set_config('dbmigrate.newest',"
    " (select pg_catalog.max(c.oid) from pg_catalog.pg_class c)::pg_catalog.text, true)"
)
UNTOUCHED = f"""
 CASE WHEN EXISTS (
   SELECT FROM pg_catalog.pg_lock_status() l
   WHERE l.locktype {_EQUALS} 'relation' AND l.pid {_EQUALS} pg_catalog.pg_backend_pid()
     AND l.relation OPERATOR(pg_catalog.>=) {_FIRST_OID}
     AND l.relation OPERATOR(pg_catalog.<=) pg_catalog.current_setting('dbmigrate.newest')::pg_catalog.oid
 ) THEN 'it touches what was there' ELSE '1' END::int,"""


class Known(NamedTuple):
    """A relation as it was when the transaction began. `owner` is the oid of the table that it belongs to."""

    oid: int
    schema: str
    name: str
    kind: str
    filenode: int
    scans: int
    owner: int | None
    parent: int | None

    @property
    def relation(self) -> Relation:
        return Relation(self.schema, self.name)


class Look(NamedTuple):
    """A relation on which the transaction holds a lock; `name` is None once it is dropped."""

    oid: int
    mode: LockMode
    filenode: int | None
    scans: int
    name: str | None
    index_of: int | None


class Beginning(NamedTuple):
    """A transaction: its id, the newest object id when it began, and by table how often its session had scanned it."""

    xid: str
    newest: int
    scans: Mapping[int, int]


@frozen
class Baseline:
    """The relations that were there before a transaction: the only ones that anybody else can be using."""

    relations: Mapping[int, Known] = field(default_factory=dict)

    @property
    def newest(self) -> int:
        """The newest object id."""
        return max(self.relations, default=0)

    def table_of(self, oid: int) -> int | None:
        """The table (or view) that a relation is or belongs to; None for one that was not there before."""
        seen = self.relations.get(oid)
        while seen is not None and seen.owner is not None and seen.owner != seen.oid:
            seen = self.relations.get(seen.owner)
        return seen.oid if seen else None

    def root_of(self, oid: int) -> int:
        """The partitioned table at the top of a partition; the table itself where it is none."""
        while (parent := self.relations[oid].parent) is not None and parent in self.relations:
            oid = parent
        return oid

    def tables(self, schema: str | None = None) -> list[Known]:
        """Ordinary, partitioned and materialized ones."""
        found = (known for known in self.relations.values() if known.kind in "rpm")
        wanted = (known for known in found if schema in (None, known.schema))
        return sorted(wanted, key=lambda known: known.relation)


def baseline(conn: Connection, *, without: Collection[Relation]) -> Baseline:
    """What is there now, but for catalogs, temporary tables and the relations of `without`."""
    return baseline_of(database.query(conn, RELATIONS), without=without)


def baseline_of(
    found: list[tuple[object, ...]], *, without: Collection[Relation], scans: Mapping[int, int] | None = None
) -> Baseline:
    """The baseline of the rows of `RELATIONS`; with `scans`, those count instead of the rows'."""
    rows = cast("list[tuple[int, str, str, str, int, int, int | None, int | None]]", found)
    known = {row[0]: Known._make(row) for row in rows}
    if scans is not None:
        known = {oid: row._replace(scans=scans.get(oid, 0)) for oid, row in known.items()}
    whole = Baseline(known)
    names = {(relation.schema, relation.name) for relation in without}
    hidden = {oid for oid, row in whole.relations.items() if (row.schema, row.name) in names}
    hidden |= {oid for oid, row in whole.relations.items() if row.owner is not None and whole.table_of(oid) in hidden}
    return Baseline({oid: row for oid, row in whole.relations.items() if oid not in hidden})


def beginning(row: Sequence[object]) -> Beginning:
    """What the row of `BEGINNING` says."""
    xid, newest, scans = map(str, (*row[:2], row[2] or ""))
    counted = (each.split(":") for each in scans.split())
    return Beginning(xid, int(newest), {int(oid): int(number) for oid, number in counted})


def looks(conn: Connection, *, newest: int, seen: int) -> tuple[frozenset[Look], int]:
    """What the open transaction holds now, and the newest object id among it.

    `newest` is the newest object id of the baseline, `seen` the one that the last look returned.
    """
    rows = cast("list[tuple[Any, ...]]", conn.execute(_HELD, {"newest": newest, "seen": seen}, binary=True).fetchall())
    *held, last = rows
    looks = (Look(row[0], LockMode.of_server(row[1]), row[2], row[3] or 0, *row[4:]) for row in held)
    return frozenset(looks), max(last[0] or 0, seen)
