"""The key that a backfill follows: the columns of a unique index, and conditions on them as SQL text.

What PostgreSQL would read otherwise in another session is written out: every column is qualified, every value has its
type, every operator its schema, and the collation is that of the index.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.backfill.names import identifier, literal
from dbmigrate.connection import database
from dbmigrate.errors import Refused
from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.backfill.options import Settings
    from dbmigrate.connection.database import Connection

__all__ = ["TEXT_SETTINGS", "Column", "Key", "find"]

Values = tuple[str, ...]

# the text of a value must not depend on the session; row_security = off makes hidden rows an error instead of silence;
# without a sequential scan the bound of a page is found in the index also where the table was never analyzed
TEXT_SETTINGS = (
    "set local datestyle = 'ISO, MDY'; set local intervalstyle = 'postgres'; set local timezone = 'UTC';"
    " set local extra_float_digits = 1; set local bytea_output = 'hex'; set local row_security = off;"
    " set local enable_seqscan = off;"
)

_TABLE = """
select c.oid::int8, n.nspname::text, c.relname::text, c.relkind::text, c.relhassubclass,
       pg_catalog.row_security_active(c.oid), c.reltuples::float8
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.oid = pg_catalog.to_regclass(%s)
"""
# the best index first; `fault` is why pages cannot follow it
_INDEX = """
select id, name, fault from (select i.indexrelid::int8 as id, ic.relname::text as name, i.indisprimary, case
         when not i.indisvalid then 'is invalid' when i.indpred is not null then 'is partial'
         when i.indexprs is not null then 'is on an expression' when m.amname <> 'btree' then 'is not a btree'
         when not i.indisunique then 'is not unique' end as fault
from pg_catalog.pg_index i join pg_catalog.pg_class ic on ic.oid = i.indexrelid
join pg_catalog.pg_am m on m.oid = ic.relam
where i.indrelid = %s::int8::oid and case when %s::text[] = '{}' then i.indisprimary else
  (select pg_catalog.array_agg(a.attname::text order by x.o) from pg_catalog.unnest(i.indkey::int2[])
     with ordinality x(n, o) join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = x.n
   where x.o <= i.indnkeyatts) = %s::text[] end
) found order by fault is not null, indisprimary desc, id limit 1
"""
# PostgreSQL 18 sets attnotnull also for a NOT NULL constraint that is not validated
_COLUMNS = """
select a.attname::text, n.nspname::text, t.typname::text, cn.nspname::text, co.collname::text, opn.nspname::text,
       a.attnotnull and not exists (select 1 from pg_catalog.pg_constraint x where x.conrelid = a.attrelid
         and x.contype = 'n' and x.conkey = array[a.attnum] and not x.convalidated)
from pg_catalog.pg_index i
cross join lateral rows from (pg_catalog.unnest(i.indkey::int2[]), pg_catalog.unnest(i.indclass::oid[]),
  pg_catalog.unnest(i.indcollation::oid[])) with ordinality k(att, opc, coll, ord)
join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.att
join pg_catalog.pg_type t0 on t0.oid = a.atttypid
join pg_catalog.pg_type t on t.oid = case when t0.typtype = 'd' then t0.typbasetype else t0.oid end
join pg_catalog.pg_namespace n on n.oid = t.typnamespace
join pg_catalog.pg_opclass c on c.oid = k.opc
join pg_catalog.pg_amop am on am.amopfamily = c.opcfamily and am.amopstrategy = 5
  and am.amoplefttype = c.opcintype and am.amoprighttype = c.opcintype
join pg_catalog.pg_operator op on op.oid = am.amopopr join pg_catalog.pg_namespace opn on opn.oid = op.oprnamespace
left join pg_catalog.pg_collation co on co.oid = k.coll and k.coll not in (0, 100) and k.coll <> a.attcollation
left join pg_catalog.pg_namespace cn on cn.oid = co.collnamespace
where i.indexrelid = %s::int8::oid and k.ord <= i.indnkeyatts order by k.ord
"""
_KINDS = {"v": "a view", "m": "a materialized view", "f": "a foreign table"}


@frozen
class Column:
    """A column of the key: its type, the collation of the index if it is another one, the schema of its operators."""

    name: str
    type_schema: str
    type: str
    collation: tuple[str, str] | None
    operators: str

    def named(self, alias: str) -> str:
        return f"{alias}.{identifier(self.name)}{self._collated()}"

    def value(self, value: str) -> str:
        return self.typed(literal(value))

    def typed(self, text: str) -> str:
        """SQL text that is a value of this column's type."""
        return f"{text}::{identifier(self.type_schema)}.{identifier(self.type)}{self._collated()}"

    def _collated(self) -> str:
        return " collate {}.{}".format(*map(identifier, self.collation)) if self.collation else ""


@frozen
class Key:
    """The key of a table. `reltuples` is the server's estimate of its rows, negative if it has none."""

    oid: int
    schema: str
    table: str
    columns: tuple[Column, ...]
    reltuples: float = -1.0

    @property
    def qualified(self) -> str:
        return f"{identifier(self.schema)}.{identifier(self.table)}"

    @property
    def shown(self) -> str:
        return f"{self.schema}.{self.table}"

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def condition(self, alias: str | None, after: Values | None, upto: Values | None) -> str:
        """The rows behind `after`, up to `upto`; None is without a bound. In parentheses."""
        name = alias or identifier(self.table)
        parts = [self.compared(name, each, operator) for each, operator in ((after, ">"), (upto, "<=")) if each]
        return f"({' and '.join(parts) or 'true'})"

    def compared(self, alias: str, values: Sequence[str], operator: str) -> str:
        return self.compared_with(
            alias, [column.value(value) for column, value in zip(self.columns, values, strict=True)], operator
        )

    def compared_with(self, alias: str, values: Sequence[str], operator: str) -> str:
        """The comparison with values that are SQL text.

        The range on the leading column is redundant: the server estimates a row comparison without statistics, reads
        the whole table for each page, and prunes no partitions.
        """
        first = self.columns[0]
        wide = f"{first.named(alias)} operator({identifier(first.operators)}.{operator.rstrip('=')}=) {values[0]}"
        if len(self.columns) == 1:
            return f"{first.named(alias)} operator({identifier(first.operators)}.{operator}) {values[0]}"
        return f"{wide} and {self.row_compared(alias, values, operator)}"

    def row_compared(self, alias: str, values: Sequence[str], operator: str) -> str:
        """The comparison of whole rows alone, whose estimate is right for what is left of the table."""
        names = ", ".join(column.named(alias) for column in self.columns)
        return f"row({names}) operator(pg_catalog.{operator}) row({', '.join(values)})"

    def empty_conditions(self, alias: str | None) -> tuple[str, str, str]:
        """The three forms of a page's condition, with bounds that are NULL: they are true for no row."""
        name = alias or identifier(self.table)
        nothing = [column.typed("null") for column in self.columns]
        first, last = (self.compared_with(name, nothing, operator) for operator in ("<=", ">"))
        return f"({first})", f"({last} and {first})", f"({last})"

    def bound(self, after: Values | None, rows: int, until: Values | None) -> str:
        """A query for the last key of the next `rows` rows, and whether it is behind `until`; none if fewer are left.

        Its columns must not be called as those of the table: ORDER BY prefers names of the output, and would sort by
        the text.
        """
        keys = ", ".join(f"b.{identifier(column.name)}::text as k{at}" for at, column in enumerate(self.columns))
        where = f" where {self.compared('b', after, '>')}" if after else ""
        past = self.compared("b", until, ">") if until else "false"
        return (
            f"select {keys}, ({past})::text as past from {self.qualified} b{where} order by {self._order()}"
            f" offset {rows - 1} limit 1;"
        )

    def highest(self) -> str:
        """A query for the highest key."""
        keys = ", ".join(f"b.{identifier(column.name)}::text as k{at}" for at, column in enumerate(self.columns))
        return f"select {keys} from {self.qualified} b order by {self._order(' desc')} limit 1;"

    def rest(self, after: Values | None) -> str:
        """A query plan whose estimate is the number of rows behind `after`."""
        values = [column.value(value) for column, value in zip(self.columns, after or (), strict=bool(after))]
        where = ""
        if after:
            is_one = len(self.columns) == 1
            where = self.compared_with("b", values, ">") if is_one else self.row_compared("b", values, ">")
        return f"explain (format json) select 1 from {self.qualified} b{' where ' if where else ''}{where};"

    def _order(self, direction: str = "") -> str:
        return ", ".join(f"{column.named('b')}{direction}" for column in self.columns)


def find(conn: Connection, wanted: Settings) -> Key:
    """The key of a backfill's table. Raises Refused E760 where pages along it would leave out rows, or meet others."""
    schema, name = wanted.table
    text = ".".join(identifier(part) for part in (schema, name) if part)
    rows = database.query(conn, _TABLE, text)
    shown = f"{schema}.{name}" if schema else name
    if not rows:
        raise _refused(f"the table {shown} does not exist", "name it with its schema: `backfill:schema.table`")
    oid, found_schema, found_name, kind, has_children, hides_rows, reltuples = rows[0]
    schema, name = str(found_schema), str(found_name)
    shown = f"{schema}.{name}"
    if kind not in ("r", "p"):
        raise _refused(f"{shown} is {_KINDS.get(str(kind), 'not a table')}", "name the table that holds its rows")
    if kind == "r" and has_children:
        raise _refused(
            f"{shown} has inheritance children, whose rows its key does not cover",
            "write a backfill for each of the tables, with `UPDATE ONLY` for this one's children",
        )
    if hides_rows:
        raise _refused(
            f"row level security of {shown} hides rows from this role",
            "run it as a role with BYPASSRLS, or as the owner of the table",
        )
    columns = _columns(conn, shown, int(str(oid)), wanted.key)
    return Key(int(str(oid)), schema, name, columns, float(str(reltuples)))


def _columns(conn: Connection, shown: str, oid: int, wanted: Sequence[str]) -> tuple[Column, ...]:
    rows = database.query(conn, _INDEX, oid, list(wanted), list(wanted))
    which = f"({', '.join(wanted)})" if wanted else ""
    if not rows:
        missing = f"no unique index on exactly {which}" if wanted else "no primary key"
        raise _refused(f"{shown} has {missing}", "name the columns of a unique index: `key:a` or `key:a,b`")
    index, name, fault = rows[0]
    if fault:
        raise _refused(f"the index {name} of {shown} {fault}", "a backfill needs a valid, whole, unique btree index")
    found = database.query(conn, _COLUMNS, index)
    for row in found:
        if not row[6]:
            raise _refused(
                f"{shown}.{row[0]} may be NULL, and rows with NULL would be left out",
                "make it NOT NULL, or name another unique index with `key:`",
            )
    columns = tuple(
        Column(str(row[0]), str(row[1]), str(row[2]), (str(row[3]), str(row[4])) if row[4] else None, str(row[5]))
        for row in found
    )
    foreign = [column.name for column in columns if column.operators != "pg_catalog"]
    if len(columns) > 1 and foreign:
        # one operator name serves all columns of a row comparison: no schema is right for both kinds of types
        raise _refused(
            f"the key of {shown} has several columns, and the type of {foreign[0]} is not PostgreSQL's own",
            "name a unique index of one column with `key:`",
        )
    return columns


def _refused(message: str, hint: str) -> Refused:
    return Refused(message, code="E760", hint=hint)
