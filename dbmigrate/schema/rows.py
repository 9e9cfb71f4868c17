"""The rows of a database as SQL, and how far its sequences are: of small databases, because all is held in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

from psycopg import sql

from dbmigrate.connection import database

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbmigrate.connection.database import Connection

__all__ = ["Filled", "columns", "filled", "refreshes", "restoring", "sequences", "state", "tables"]

# not those of extensions, which bring their own rows; of partitioned tables the partitions have them
_TABLES = """
select n.nspname::text, c.relname::text
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and c.relpersistence <> 't' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                  and d.objid = c.oid and d.deptype = 'e')
order by c.oid
"""
_SEQUENCES = """
select pg_catalog.format('%%I.%%I', s.schemaname, s.sequencename), s.last_value::text
from pg_catalog.pg_sequences s where s.last_value is not null
  and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                  and d.objid = pg_catalog.to_regclass(pg_catalog.format('%%I.%%I', s.schemaname, s.sequencename))
                  and d.deptype = 'e')
order by 1
"""
_COLUMNS = """
select attname::text from pg_catalog.pg_attribute
where attrelid = pg_catalog.format('%%I.%%I', %s::text, %s::text)::pg_catalog.regclass
  and attnum > 0 and not attisdropped and attgenerated = '' order by attnum
"""
_VIEWS = """
select pg_catalog.format('refresh materialized view %%I.%%I;', n.nspname, c.relname)
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'm' and c.relispopulated order by c.oid
"""


class Filled(NamedTuple):
    """A table with rows, or a sequence that has given numbers out; `what` says how many, or which was the last."""

    schema: str
    name: str
    what: str


def filled(conn: Connection, without: Sequence[tuple[str, str]]) -> list[Filled]:
    """The tables that have rows, but for those that are left out; then the sequences, whose name holds the schema."""
    found = []
    for schema, name in tables(conn, without):
        (count,) = conn.execute(sql.SQL("select count(*) from only {}").format(sql.Identifier(schema, name))).fetchall()
        if count[0]:
            found.append(Filled(schema, name, f"{count[0]} {'row' if count[0] == 1 else 'rows'}"))
    return [*found, *(Filled("", name, f"at {value}") for name, value in sequences(conn))]


def state(conn: Connection, without: Sequence[tuple[str, str]]) -> dict[str, str]:
    """What the rows and sequences are, by the names of those that are not empty: the same for the same rows."""
    found = {}
    for schema, name in tables(conn, without):
        statement = sql.SQL(
            "select count(*)::text || ' ' || coalesce(md5(string_agg(md5(t::text), '' order by md5(t::text))), '')"
            " from only {} as t"
        )
        (row,) = conn.execute(statement.format(sql.Identifier(schema, name))).fetchall()
        if not str(row[0]).startswith("0 "):
            found[f"{schema}.{name}"] = str(row[0])
    return found | dict(sequences(conn))


def restoring(conn: Connection, without: Sequence[tuple[str, str]]) -> Iterator[str]:
    """The statements that bring all rows and sequences back, in pieces: COPY with its data."""
    for schema, name in tables(conn, without):
        table = sql.Identifier(schema, name)
        names = [sql.Identifier(column) for column in columns(conn, schema, name)]
        what = sql.SQL("{} ({})").format(table, sql.SQL(", ").join(names)).as_string(conn)
        copied = sql.SQL("copy (select {} from only {}) to stdout").format(sql.SQL(", ").join(names), table)
        data = _copied(conn, copied)
        if data:
            yield f"COPY {what} FROM stdin;\n{data}\\.\n\n"
    for sequence, value in sequences(conn):
        literal = sql.Literal(sequence).as_string(conn).strip()
        yield f"SELECT pg_catalog.setval({literal}, {value}, true);\n"


def refreshes(conn: Connection) -> list[str]:
    """What fills the materialized views that are filled, in the order in which they were made."""
    return [str(statement) for (statement,) in database.query(conn, _VIEWS)]


def columns(conn: Connection, schema: str, name: str) -> list[str]:
    """The columns of a table that hold what was written to them: without generated ones."""
    return [str(column) for (column,) in database.query(conn, _COLUMNS, schema, name)]


def sequences(conn: Connection) -> list[tuple[str, str]]:
    """The sequences that have given numbers out, by their quoted names with the schema, and the last number."""
    return [(str(name), str(value)) for name, value in database.query(conn, _SEQUENCES)]


def _copied(conn: Connection, statement: sql.Composed) -> str:
    with conn.cursor() as cursor, cursor.copy(statement) as copy:
        return b"".join(bytes(piece) for piece in copy).decode()


def tables(conn: Connection, without: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The tables that may have rows of their own, by schema and name, in the order in which they were made."""
    rows = cast("list[tuple[str, str]]", database.query(conn, _TABLES))
    return [(str(schema), str(name)) for schema, name in rows if (schema, name) not in without]
