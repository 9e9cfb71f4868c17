"""The tables of a lock report on the target: their sizes, and who uses them now. Only reads.

Nothing is counted and no table is waited for: sizes are those of the files, rows are the planner's estimate. Other
roles' sessions show a role without ``pg_read_all_stats`` little more than that they are there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import psycopg

from dbmigrate.connection import database
from dbmigrate.frozen import frozen
from dbmigrate.impact import verdicts
from dbmigrate.impact.values import Priced, PricedTable, Size, Usage, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dbmigrate.connection.database import Connection
    from dbmigrate.impact.values import Impact, Relation, TableImpact

# asking for a size waits for whoever rebuilds this table
_BEGIN = "BEGIN READ ONLY; SET LOCAL lock_timeout = '1s'; SET LOCAL statement_timeout = '10s'"

# pg_class.reltuples is -1 for what was never analysed, from PostgreSQL 14 on; before that it is 0
_SIZES = """
select wanted.number::int, c.oid::bigint,
       case when not pg_catalog.bool_or(p.reltuples < 0 or (p.reltuples = 0 and p.relpages = 0 and {table} > 0))
            then pg_catalog.sum(p.reltuples)::bigint end,
       pg_catalog.sum({table})::bigint, pg_catalog.sum({total})::bigint
from rows from (pg_catalog.unnest(%s::text[]), pg_catalog.unnest(%s::text[])) with ordinality
  as wanted (schema, name, number)
join pg_catalog.pg_namespace n on n.nspname = wanted.schema
join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = wanted.name
left join lateral (select l.* from pg_catalog.pg_partition_tree(c.oid) t
                   join pg_catalog.pg_class l on l.oid = t.relid and t.isleaf
                   where c.relkind = 'p'
                   union all
                   select l.* from pg_catalog.pg_class l where l.oid = c.oid and l.relkind in ('r', 'm')) p on true
group by wanted.number, c.oid
"""
_OF_FILES = ("pg_catalog.pg_table_size(p.oid)", "pg_catalog.pg_total_relation_size(p.oid)")
_PAGES = "pg_catalog.current_setting('block_size')::bigint"
_OF_CATALOG = (
    f"(p.relpages * {_PAGES})",
    f"(p.relpages * {_PAGES} + (select coalesce(pg_catalog.sum(x.relpages), 0) * {_PAGES} from pg_catalog.pg_index i"
    " join pg_catalog.pg_class x on x.oid = i.indexrelid where i.indrelid = p.oid))",
)

_USERS = """
with recursive parts (root, oid) as (
  select r, r from pg_catalog.unnest(%s::bigint[]) r
  union all
  select parts.root, i.inhrelid::bigint from parts join pg_catalog.pg_inherits i on i.inhparent = parts.oid::oid
), users as (
  select distinct parts.root, l.virtualtransaction, l.pid
  from parts join pg_catalog.pg_locks l on l.relation = parts.oid::oid
  where l.locktype = 'relation' and l.granted and l.pid is distinct from pg_catalog.pg_backend_pid()
    and l.database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())
)
select users.root, pg_catalog.count(distinct users.virtualtransaction),
       pg_catalog.max(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - a.xact_start))::float8,
       pg_catalog.max(case when a.state = 'active'
                      then pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - a.query_start) end)::float8,
       (pg_catalog.array_agg(a.usename::text order by a.xact_start))[1],
       nullif((pg_catalog.array_agg(a.application_name order by a.xact_start))[1], '')
from users left join pg_catalog.pg_stat_activity a on a.pid = users.pid
group by users.root
"""

_OLDEST = """
select pg_catalog.max(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - a.xact_start))::float8
from pg_catalog.pg_stat_activity a
where a.datname = pg_catalog.current_database() and a.pid <> pg_catalog.pg_backend_pid()
"""


@frozen
class _TargetTables:
    """What was found out: which of the tables are on the target, how large they are, who uses them, since when."""

    oids: Mapping[Relation, int]
    sizes: Mapping[Relation, Size]
    usage: Mapping[int, Usage]
    oldest: float | None

    def priced(self, impact: TableImpact) -> PricedTable:
        oid = self.oids.get(impact.table)
        if oid is None:
            return PricedTable(impact, Verdict.HARMLESS, exists=False)
        size = self.sizes.get(impact.table)
        return PricedTable(impact, verdicts.of(impact, size), size, self.usage.get(oid, Usage()))


def price(conn: Connection, impacts: Iterable[Impact]) -> tuple[Priced, ...]:
    """The impacts with the sizes and the users that their tables have on the target of `conn`, and verdicts.

    A table that is not there is new there, and nobody's. Some questions, read-only; raises psycopg.Error.
    """
    impacts = tuple(impacts)
    tables = {table.table for impact in impacts for table in impact.tables}
    tables |= {held.table for impact in impacts for held in impact.holding}
    target = _ask(conn, sorted(tables))
    absent = tables - set(target.oids)
    return tuple(
        verdicts.judged(impact, [target.priced(table) for table in impact.tables], oldest=target.oldest, absent=absent)
        for impact in impacts
    )


def unpriced(impacts: Iterable[Impact]) -> tuple[Priced, ...]:
    """The same without a target: every table counts as there, and as large."""
    return tuple(
        verdicts.judged(impact, [PricedTable(table, verdicts.of(table, None)) for table in impact.tables])
        for impact in impacts
    )


def _ask(conn: Connection, tables: Sequence[Relation]) -> _TargetTables:
    if not tables:
        return _TargetTables({}, {}, {}, None)
    try:
        rows = _sizes(conn, tables, _OF_FILES)
    except (psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled):
        rows = _sizes(conn, tables, _OF_CATALOG)  # somebody holds ACCESS EXCLUSIVE on one of them
    found = {tables[number - 1]: row for number, *row in rows}
    oids = {table: int(row[0]) for table, row in found.items()}
    sizes = {table: Size(*row[1:]) for table, row in found.items() if row[2] is not None}
    used = cast(
        "list[tuple[int, int, float | None, float | None, str | None, str | None]]",
        database.query(conn, _USERS, list(oids.values())),
    )
    oldest = cast("float | None", database.query(conn, _OLDEST)[0][0])
    return _TargetTables(oids, sizes, {row[0]: Usage(*row[1:]) for row in used}, oldest)


def _sizes(conn: Connection, tables: Sequence[Relation], source: tuple[str, str]) -> list[tuple[Any, ...]]:
    table, total = source
    database.run(conn, _BEGIN)
    try:
        return database.query(
            conn,
            _SIZES.format(table=table, total=total),
            [each.schema for each in tables],
            [each.name for each in tables],
        )
    finally:
        if not conn.broken:
            database.run(conn, "ROLLBACK")
