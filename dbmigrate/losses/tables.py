"""What a table is, as far as its rows have to be brought back: columns, keys, sequences, partitions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from dbmigrate.connection import database
from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from dbmigrate.connection.database import Connection

# children by inheritance have rows of their own, partitions are read with their table; TRUNCATE .. CASCADE empties what
# references the table as well
_AFFECTED = """
with recursive found (oid) as (
  select %s::int8::oid
  union
  select next.oid from found join lateral (
    select i.inhrelid as oid from pg_inherits i join pg_class p on p.oid = i.inhparent
    where i.inhparent = found.oid and p.relkind = 'r'
    union all
    select c.conrelid from pg_constraint c where %s::bool and c.contype = 'f' and c.confrelid = found.oid
  ) next on true
)
select c.oid::int8, n.nspname::text, c.relname::text, c.relkind::text, c.relispartition
from found join pg_class c using (oid) join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and c.relpersistence <> 't' and not (c.relispartition and exists (
  select from pg_partition_ancestors(c.oid) a join found f on f.oid = a.relid where a.relid <> c.oid))
order by c.oid
"""
_COLUMNS = """
select a.attname::text, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity::text, a.attgenerated::text,
  pg_get_expr(d.adbin, d.adrelid),
  (select quote_ident(n.nspname) || '.' || quote_ident(c.collname) from pg_collation c
   join pg_namespace n on n.oid = c.collnamespace where c.oid = a.attcollation and a.attcollation <> t.typcollation),
  s.name, pg_sequence_last_value(s.oid)::int8
from pg_attribute a join pg_type t on t.oid = a.atttypid
left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
left join lateral (
  select c.oid, quote_ident(n.nspname) || '.' || quote_ident(c.relname) as name
  from pg_depend p join pg_class c on c.oid = p.objid and c.relkind = 'S' join pg_namespace n on n.oid = c.relnamespace
  where p.classid = 'pg_class'::regclass and p.refclassid = 'pg_class'::regclass and p.refobjid = a.attrelid
    and p.refobjsubid = a.attnum and p.deptype in ('a', 'i') limit 1) s on true
where a.attrelid = %s::int8::oid and a.attnum > 0 and not a.attisdropped order by a.attnum
"""
_KEYS = """
select array(select a.attname::text from unnest(i.indkey::int2[]) with ordinality k (number, place)
             join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.number
             where k.place <= i.indnkeyatts order by k.place)
from pg_index i
where i.indrelid = %s::int8::oid and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null
  and not exists (select from unnest(i.indkey::int2[]) with ordinality k (number, place)
                  join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.number
                  where k.place <= i.indnkeyatts and not a.attnotnull)
order by i.indisprimary desc, i.indnkeyatts, i.indexrelid
"""
_CONSTRAINTS = """
select 'constraint ' || quote_ident(conname) || ' ' || pg_get_constraintdef(oid) from pg_constraint
where conrelid = %s::int8::oid and contype in ('p', 'u', 'c') and conislocal and conparentid = 0
order by contype, conname
"""
_PARTITIONS = """
select quote_ident(n.nspname) || '.' || quote_ident(c.relname),
  quote_ident(pn.nspname) || '.' || quote_ident(p.relname), pg_get_expr(c.relpartbound, c.oid), pg_get_partkeydef(c.oid)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
left join pg_inherits i on i.inhrelid = c.oid and c.relispartition
left join pg_class p on p.oid = i.inhparent left join pg_namespace pn on pn.oid = p.relnamespace
where c.oid = %s::int8::oid or c.oid in (select relid from pg_partition_tree(%s::int8::oid::regclass))
order by (select count(*) from pg_partition_ancestors(c.oid)), c.oid
"""


@frozen
class Column:
    """A column. `identity` is ``a`` or ``d`` as in pg_attribute; `sequence` is the one that belongs to it."""

    name: str
    type: str
    is_not_null: bool
    identity: str
    generated: str
    default: str | None
    collation: str | None
    sequence: str | None
    last_value: int | None


@frozen
class Partition:
    """A table of a partition tree: its name, of which one it is a partition and for what, and how it is partitioned."""

    name: str
    parent: str | None
    bound: str | None
    key: str | None


@frozen
class Table:
    """A table that loses something. `is_whole`: its partitions are read with it."""

    oid: int
    schema: str
    name: str
    is_whole: bool
    columns: tuple[Column, ...] = ()

    @property
    def sql(self) -> str:
        return f"{quoted(self.schema)}.{quoted(self.name)}"

    @property
    def source(self) -> str:
        """The table as FROM and UPDATE name it."""
        return self.sql if self.is_whole else f"ONLY {self.sql}"


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def affected(conn: Connection, oid: int, *, cascades: bool) -> list[Table]:
    """The table, and others whose rows go with it. `cascades`: those that reference it, too."""
    rows = cast("list[Any]", database.query(conn, _AFFECTED, oid, cascades))
    return [Table(int(row[0]), row[1], row[2], row[3] == "p") for row in rows]


def with_columns(conn: Connection, table: Table) -> Table:
    rows = cast("list[Any]", database.query(conn, _COLUMNS, table.oid))
    return Table(table.oid, table.schema, table.name, table.is_whole, tuple(Column(*row) for row in rows))


def key_of(conn: Connection, table: Table, without: Collection[str]) -> Sequence[str]:
    """The columns of the primary key, otherwise of another key without NULL, none of `without`; empty without one."""
    rows = cast("list[Any]", database.query(conn, _KEYS, table.oid))
    return next((row[0] for row in rows if row[0] and not set(row[0]) & set(without)), ())


def constraints_of(conn: Connection, table: Table) -> list[str]:
    """Primary key, unique and check constraints, as CREATE TABLE writes them."""
    return [str(row[0]) for row in database.query(conn, _CONSTRAINTS, table.oid)]


def partitions_of(conn: Connection, table: Table) -> list[Partition]:
    """The table and its partitions, parents first."""
    rows = cast("list[Any]", database.query(conn, _PARTITIONS, table.oid, table.oid))
    return [Partition(*row) for row in rows]
