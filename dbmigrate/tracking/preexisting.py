"""What a database holds before the first migration is recorded: another tool's history, or tables.

Asked for only while the history is empty. The old tables are read, never written to.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from psycopg import sql

from dbmigrate.connection import database
from dbmigrate.errors import Refused, unchanged
from dbmigrate.frozen import frozen
from dbmigrate.migrations import other_tools
from dbmigrate.model import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dbmigrate.connection.database import Connection
    from dbmigrate.model import MigrationFile
    from dbmigrate.tracking.tables import Tables

__all__ = ["OtherHistory", "Preexisting", "Relation", "beside", "judge", "look", "notes", "sort_out"]

# without members of extensions; columns only where the name may be that of a history
_RELATIONS = """
select n.nspname::text, c.relname::text,
       case when pg_catalog.lower(n.nspname::text || '.' || c.relname::text) ~ %(candidates)s then (
         select pg_catalog.array_agg(a.attname::text || ' ' || pg_catalog.format_type(a.atttypid, null)
                                     order by a.attnum)
           from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) end,
       not c.relrowsecurity and pg_catalog.has_schema_privilege(n.oid, 'USAGE')
         and pg_catalog.has_table_privilege(c.oid, 'SELECT')
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and not c.relispartition and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and (%(schemas)s::text[] is null or n.nspname::text = any(%(schemas)s::text[]))
  and not exists (select 1 from pg_catalog.pg_depend d
                  where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid and d.deptype = 'e')
order by 1, 2
"""
_SIBLINGS = """
select n.nspname::text, c.relname::text from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and c.relname::text = any(%(names)s)
"""
_MATCHES = "(select {place}::int4, {column}::text from {table} where {column}::text = any({known}) limit 3)"
# types whose output functions are PostgreSQL's
_COMPARED = ("character varying", "text", "bigint", "integer", "numeric")
_NAMED = 3  # names that a message lists


@frozen
class Relation:
    """A table. `columns` are types by name, if it may be a history; `is_readable`: reading runs no code of others."""

    schema: str
    name: str
    columns: Mapping[str, str] | None = None
    is_readable: bool = True


@frozen
class OtherHistory:
    """Another tool's history. `keys` are the columns that name its migrations; `matches` are those of these files."""

    tool: str
    schema: str
    name: str
    keys: tuple[str, ...] = ()
    matches: tuple[str, ...] = ()

    @property
    def qualified(self) -> str:
        return f"{self.schema}.{self.name}"


@frozen
class Preexisting:
    """What an empty history is made beside: histories of other tools, and the names of tables."""

    histories: tuple[OtherHistory, ...] = ()
    tables: tuple[str, ...] = ()


def look(conn: Connection, tables: Tables, files: Sequence[MigrationFile], *, is_chosen: bool) -> Preexisting:
    """Ask the database. `is_chosen`: the user named the schemas, so others do not count."""
    schemas = None
    if is_chosen:
        path = database.query(conn, "select pg_catalog.current_schemas(false)::text[]")[0][0]
        schemas = {tables.schema, *cast("list[str]", path)}
    # there may be hundreds of others, whose tables nobody waits for
    wanted = {"candidates": other_tools.CANDIDATES, "schemas": None if schemas is None else list(schemas)}
    rows = conn.execute(_RELATIONS, wanted, binary=True).fetchall()
    relations = [_relation(*row) for row in rows]
    found = sort_out(relations, tables, schemas)
    return Preexisting(_matched(conn, found.histories, relations, files), found.tables)


def _relation(schema: object, name: object, columns: object, is_readable: object) -> Relation:
    types = dict(column.split(" ", 1) for column in cast("list[str]", columns)) if columns else None
    return Relation(str(schema), str(name), types, bool(is_readable))


def sort_out(relations: Sequence[Relation], tables: Tables, schemas: Iterable[str] | None = None) -> Preexisting:
    """Separate these tables into histories of other tools and plain tables. Pure.

    Schemas of a platform do not count, nor others than `schemas` if these are given. In a schema with another tracking
    table the plain tables belong to another service.
    """
    neighbours: dict[str, set[str]] = {}
    for relation in relations:
        neighbours.setdefault(relation.schema, set()).add(relation.name)
    known = [(relation, _tool(relation, neighbours)) for relation in relations]
    own = {(tables.schema, tables.name), (tables.schema, tables.log_name)}
    others = (each for each, tool in known if tool is None and (each.schema, each.name) not in own)
    services = {each.schema for each in others if each.columns is not None and other_tools.is_dbmates(each.columns)}
    wanted = neighbours.keys() if schemas is None else set(schemas)
    histories, plain = [], []
    for relation, tool in known:
        place = (relation.schema, relation.name)
        if relation.schema not in wanted or other_tools.is_of_platform(relation.schema) or place in own:
            continue
        if tool:
            keys = tuple(key for key in tool[1] if relation.is_readable and _is_compared(relation, key))
            histories.append(OtherHistory(tool[0], relation.schema, relation.name, keys))
        elif relation.schema not in services:
            plain.append(f"{relation.schema}.{relation.name}")
    return Preexisting(tuple(histories), tuple(plain))


def beside(found: Preexisting, conn: Connection, siblings: Sequence[str]) -> Preexisting:
    """Where another service has begun its history, the plain tables may be its own, and say nothing."""
    if not (found.tables and siblings):
        return found
    rows = conn.execute(_SIBLINGS, {"names": [each.partition(".")[2] or each for each in siblings]}).fetchall()
    present = {f"{row[0]}.{row[1]}" for row in rows} | {str(row[1]) for row in rows}
    return replace(found, tables=()) if present & set(siblings) else found


def _tool(relation: Relation, neighbours: Mapping[str, set[str]]) -> tuple[str, tuple[str, ...]] | None:
    if relation.columns is None:
        return None
    return other_tools.tool_of_table(relation.name, relation.columns, neighbours[relation.schema])


def _is_compared(relation: Relation, key: str) -> bool:
    return (relation.columns or {}).get(key) in _COMPARED


def _matched(
    conn: Connection,
    histories: Sequence[OtherHistory],
    relations: Sequence[Relation],
    files: Sequence[MigrationFile],
) -> tuple[OtherHistory, ...]:
    """The histories, with what they record of these files, in one query."""
    parts = [
        sql.SQL(_MATCHES).format(
            place=sql.Literal(place),
            column=sql.Identifier(key),
            table=sql.Identifier(found.schema, found.name),
            known=sql.Placeholder("known"),
        )
        for place, found in enumerate(histories)
        for key in found.keys
    ]
    if not parts or not files:
        return tuple(histories)
    rows = conn.execute(sql.SQL(" union all ").join(parts), {"known": sorted(_names(files))}, binary=True).fetchall()
    return tuple(
        OtherHistory(
            found.tool, found.schema, found.name, found.keys, tuple(str(row[1]) for row in rows if row[0] == at)
        )
        for at, found in enumerate(histories)
    )


def _names(files: Iterable[MigrationFile]) -> set[str]:
    """The names that another tool may have given these files: version, number, name, name without endings."""
    found: set[str] = set()
    for file in files:
        stem = os.path.splitext(file.name)[0]
        found |= {file.version, file.version.lstrip("0") or "0", file.name, stem, stem.removesuffix(".up")}
    return found - {"0"}  # goose writes it when it makes its table


# ------------------------------------------------------------------------------------------------------------- judging


def judge(around: Preexisting, *, is_protected: bool) -> tuple[Problem, ...]:
    """The warnings of a first run without --allow-existing. Pure.

    Raises Refused E715: another tool has recorded some of these files; E716: the database is not empty, and the
    environment is protected.
    """
    known = next((history for history in around.histories if history.matches), None)
    if known is not None:
        raise _recorded(known)
    found = notes(around)
    if found and is_protected:
        raise unchanged(
            Refused(
                f"{found[0].message}; this environment is protected", code="E716", hint=f"{found[0].hint}; {_ALLOW}"
            )
        )
    return found


def notes(around: Preexisting) -> tuple[Problem, ...]:
    """One warning about what is there; none for an empty database."""
    if around.histories:
        histories = " and ".join(_described(history) for history in around.histories[:_NAMED])
        hint = f"{way}; or {_BASELINE}" if (way := _taking_over(around.histories)) else _BASELINE
        return (Problem("W666", f"no migration is recorded here yet, but {histories}", hint=hint),)
    if around.tables:
        number = len(around.tables)
        names = ", ".join(around.tables[:_NAMED]) + (", ..." if number > _NAMED else "")
        some = f"the database has {'a table' if number == 1 else f'{number} tables'} ({names})"
        return (Problem("W666", f"no migration is recorded here yet, but {some}", hint=_BASELINE),)
    return ()


_BASELINE = "if these files made what is there, record them without running them: `dbmigrate baseline VERSION`"
_RECORD = "record what is applied without running it: `dbmigrate baseline VERSION`"
_ALLOW = "if they have nothing to do with it: --allow-existing"


def _taking_over(histories: Sequence[OtherHistory]) -> str | None:
    commands = (other_tools.way_in(history.tool, "SOURCE", "--history") for history in histories)
    command = next(filter(None, commands), None)
    return f"{command} takes the old history over, with a proof" if command else None


def _described(history: OtherHistory) -> str:
    some = f", which has recorded {_listed(history.matches)}" if history.matches else ""
    return f"{history.qualified} is the history of {history.tool}{some}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(names[:_NAMED]))


def _recorded(history: OtherHistory) -> Refused:
    return unchanged(
        Refused(
            f"{history.qualified}, the history of {history.tool}, has recorded {_listed(history.matches)}: these"
            " migrations would run a second time",
            code="E715",
            hint=f"{way}; or {_RECORD}; {_ALLOW}" if (way := _taking_over((history,))) else f"{_RECORD}; {_ALLOW}",
        )
    )
