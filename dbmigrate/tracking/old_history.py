"""Histories of other tools in a database: the tables that may be one, and those that an import has taken over."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from psycopg import sql

from dbmigrate.connection import database
from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from dbmigrate.connection.database import Connection
    from dbmigrate.tracking.tables import Tables

__all__ = ["NONE", "Found", "Taken", "relations", "schemas", "sequences", "taken_over"]

_TABLES = """
select n.nspname::text, c.relname::text,
       array(select a.attname::text from pg_catalog.pg_attribute a
             where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attnum)
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and not c.relispartition and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and not exists (select 1 from pg_catalog.pg_depend d
                  where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid and d.deptype = 'e')
order by 1, 2
"""


_SEQUENCES = """
select n.nspname::text, s.relname::text
from pg_catalog.pg_class s join pg_catalog.pg_namespace n on n.oid = s.relnamespace
join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = s.oid
  and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.deptype in ('a', 'i')
join pg_catalog.pg_class t on t.oid = d.refobjid join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace
where s.relkind = 'S' and exists (
  select from rows from (pg_catalog.unnest(%s::text[]), pg_catalog.unnest(%s::text[])) as x (schema, name)
  where x.schema = tn.nspname::text and x.name = t.relname::text)
order by 1, 2
"""


@frozen
class Found:
    """A table by the names of its columns."""

    schema: str
    name: str
    columns: tuple[str, ...]


@frozen
class Taken:
    """What belongs to tools whose history was taken over: tables, and schemas that are nothing but theirs."""

    tables: frozenset[tuple[str, str]] = frozenset()
    schemas: frozenset[str] = frozenset()


NONE = Taken()


def relations(conn: Connection) -> tuple[Found, ...]:
    """The tables of the database, without those of extensions."""
    rows = database.query(conn, _TABLES)
    return tuple(Found(str(row[0]), str(row[1]), tuple(cast("list[str]", row[2]))) for row in rows)


def schemas(conn: Connection) -> tuple[str, ...]:
    """The names of all schemas."""
    return tuple(str(row[0]) for row in database.query(conn, "select nspname::text from pg_catalog.pg_namespace"))


def taken_over(conn: Connection, tables: Tables) -> Taken:
    """What the log says of imports."""
    if not tables.log_exists or any(column.startswith("details") for column in tables.missing):
        return NONE
    statement = sql.SQL("select distinct details from {} where direction::text = 'adopt' and details is not null")
    found: set[tuple[str, str]] = set()
    schemas: set[str] = set()
    for (details,) in conn.execute(statement.format(tables.log)).fetchall():
        if isinstance(details, dict):
            found |= {(str(each[0]), str(each[1])) for each in details.get("tables", ()) if len(each) == 2}
            schemas |= set(map(str, details.get("schemas", ())))
    return Taken(frozenset(found), frozenset(schemas))


def sequences(conn: Connection, taken: Taken) -> tuple[tuple[str, str], ...]:
    """The sequences of the columns of these tables, which pg_dump does not leave out with them."""
    if not taken.tables:
        return ()
    schemas, names = zip(*sorted(taken.tables), strict=True)
    return tuple((str(row[0]), str(row[1])) for row in database.query(conn, _SEQUENCES, list(schemas), list(names)))
