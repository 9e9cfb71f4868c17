"""What a database has, for the assertions of a test: tables, columns, indexes, constraints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from dbmigrate.connection import database
from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from dbmigrate.connection.database import Connection

__all__ = ["Column", "Constraint", "Index", "Schema"]

_TABLES = """
select case when pg_catalog.pg_table_is_visible(c.oid) then c.relname::text else n.nspname || '.' || c.relname end
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'f') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
order by 1
"""
_COLUMNS = """
select attname::text, pg_catalog.format_type(atttypid, atttypmod), not attnotnull,
  pg_catalog.pg_get_expr(d.adbin, d.adrelid), attidentity <> '' or attgenerated <> ''
from pg_catalog.pg_attribute a left join pg_catalog.pg_attrdef d on (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
where attrelid = %s and attnum > 0 and not attisdropped order by attnum
"""
_INDEXES = """
select c.relname::text, array(
    select pg_catalog.pg_get_indexdef(i.indexrelid, k, true) from pg_catalog.generate_series(1, i.indnkeyatts) k),
  i.indisunique, i.indisprimary, i.indisvalid, pg_catalog.pg_get_expr(i.indpred, i.indrelid),
  pg_catalog.pg_get_indexdef(i.indexrelid)
from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indexrelid where i.indrelid = %s order by 1
"""
_CONSTRAINTS = """
select conname::text, contype::text, array(
    select attname::text from pg_catalog.unnest(conkey) with ordinality k (number, place)
    join pg_catalog.pg_attribute on attrelid = conrelid and attnum = number order by place),
  convalidated, pg_catalog.pg_get_constraintdef(oid)
from pg_catalog.pg_constraint where conrelid = %s and contype <> 'n' order by 1
"""
_KINDS = {"p": "primary key", "f": "foreign key", "u": "unique", "c": "check", "x": "exclusion"}


@frozen
class Column:
    """A column. `type` as format_type has it: ``character varying(40)``; `default` is an expression."""

    name: str
    type: str
    is_nullable: bool
    default: str | None
    is_generated: bool


@frozen
class Index:
    """An index. `columns` are its keys, expressions included; `predicate` is that of a partial one."""

    name: str
    columns: tuple[str, ...]
    is_unique: bool
    is_primary: bool
    is_valid: bool
    predicate: str | None
    definition: str


@frozen
class Constraint:
    """A constraint. `kind` is ``primary key``, ``foreign key``, ``unique``, ``check`` or ``exclusion``."""

    name: str
    kind: str
    columns: tuple[str, ...]
    is_validated: bool
    definition: str


class Schema:
    """The schema of the database of a connection, read at each question.

    A table is named as it is called (``Order``), or as SQL has it (``billing.orders``, ``"Order"``).
    """

    def __init__(self, conn: Connection) -> None:
        self._conn = conn

    def has_table(self, name: str) -> bool:
        """Whether there is such a table; a view counts, an index does not."""
        return self._oid(name) is not None

    def tables(self) -> tuple[str, ...]:
        """All tables, without PostgreSQL's own; those that the search path does not find with their schema."""
        return tuple(str(row[0]) for row in database.query(self._conn, _TABLES))

    def columns(self, table: str) -> dict[str, Column]:
        """The columns by name, in their order. Raises LookupError without such a table."""
        return {str(row[0]): Column(*row) for row in self._of(table, _COLUMNS)}  # type: ignore[arg-type]

    def indexes(self, table: str) -> dict[str, Index]:
        """The indexes by name, those of constraints too. Raises LookupError without such a table."""
        rows = self._of(table, _INDEXES)
        return {str(row[0]): Index(row[0], tuple(row[1]), *row[2:]) for row in rows}  # type: ignore[arg-type]

    def constraints(self, table: str) -> dict[str, Constraint]:
        """The constraints by name, without NOT NULL (`Column.is_nullable`). Raises LookupError without such a table."""
        return {
            str(row[0]): Constraint(row[0], _KINDS.get(str(row[1]), str(row[1])), tuple(row[2]), *row[3:])  # type: ignore[arg-type]
            for row in self._of(table, _CONSTRAINTS)
        }

    def _of(self, table: str, statement: str) -> list[tuple[object, ...]]:
        oid = self._oid(table)
        if oid is None:
            raise LookupError(f"there is no table {table}; there are {', '.join(self.tables()) or 'none'}")
        return database.query(self._conn, statement, oid)

    def _oid(self, name: str) -> int | None:
        exact = "select pg_catalog.to_regclass(pg_catalog.quote_ident(%s))::oid::int8"
        return self._table(exact, name) or self._table("select pg_catalog.to_regclass(%s)::oid::int8", name)

    def _table(self, statement: str, name: str) -> int | None:
        try:
            with self._conn.transaction():  # an error must not end a transaction of the test
                oid = database.query(self._conn, statement, name)[0][0]
        except psycopg.errors.SyntaxError:
            return None
        except (psycopg.errors.InvalidName, psycopg.errors.FeatureNotSupported):
            return None
        kinds = "select relkind in ('r', 'p', 'f', 'v', 'm') from pg_catalog.pg_class where oid = %s"
        return int(str(oid)) if oid is not None and database.query(self._conn, kinds, oid)[0][0] else None
