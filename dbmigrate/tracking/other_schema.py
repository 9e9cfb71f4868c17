"""Looks for the history of these files in another schema, where the tracking table is missing.

This module reads the database; `planning.tracking_table` decides.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from psycopg import sql

from dbmigrate.connection import database
from dbmigrate.errors import Refused, unchanged
from dbmigrate.frozen import frozen
from dbmigrate.migrations import other_tools
from dbmigrate.model import Applied, History
from dbmigrate.planning import tracking_table, verify
from dbmigrate.planning.tracking_table import Candidate, Entry, Location, Seen
from dbmigrate.tracking.tables import NEIGHBOURS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dbmigrate.connection.database import Connection
    from dbmigrate.model import MigrationFile
    from dbmigrate.reports import FileSum
    from dbmigrate.tracking.tables import Tables

_NAMED = 3  # places that an error lists

# Row level security would run its owner's code, and a domain its checks: only plain tables with plain columns are read.
# A search_path that came with the connection (source "client") was chosen by the user.
_SESSION = """
select pg_catalog.current_setting('search_path'), s.source::text, s.boot_val::text, current_user::text,
       (select pg_catalog.split_part(c, '=', 2) from pg_catalog.pg_db_role_setting d
          join pg_catalog.pg_roles r on r.oid = d.setrole and r.rolname = session_user,
          lateral pg_catalog.unnest(d.setconfig) c
        where d.setdatabase in (0, (select oid from pg_catalog.pg_database where datname = current_database()))
          and c like 'search_path=%%' order by d.setdatabase desc limit 1)
from pg_catalog.pg_settings s where s.name = 'search_path'
"""
_PLAIN = """
       not c.relrowsecurity and pg_catalog.has_schema_privilege(c.relnamespace, 'USAGE')
         and pg_catalog.has_table_privilege(c.oid, 'SELECT')
         and (select count(*) from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attname = any({columns})
                and not a.attisdropped and pg_catalog.format_type(a.atttypid, null) = any(
                '{{character varying,text,integer}}')) = pg_catalog.cardinality({columns})
"""
_CANDIDATES = f"""
select n.nspname::text, r.rolname::text,
       (select pg_catalog.split_part(s, '=', 2) from pg_catalog.pg_db_role_setting d,
          lateral pg_catalog.unnest(d.setconfig) s
        where d.setrole = c.relowner and s like 'search_path=%%' order by d.setdatabase desc limit 1),
       exists (select 1 from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                 and d.objid = c.oid and d.deptype = 'e'),
       exists (select 1 from pg_catalog.pg_class c where c.relnamespace = n.oid and c.relname = %(log)s
                 and c.relkind = 'r' and {_PLAIN.format(columns="%(of_log)s::text[]")}),
       (select pg_catalog.array_agg(a.attname::text || ' ' || pg_catalog.format_type(a.atttypid, null)
                                    order by a.attnum)
          from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped),
       array(select b.relname::text from pg_catalog.pg_class b
             where b.relnamespace = n.oid and b.relname = any(%(neighbours)s))
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_roles r on r.oid = c.relowner
where c.relname = %(name)s and n.nspname <> %(schema)s and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and c.relkind in ('r', 'p') and {_PLAIN.format(columns="%(of_table)s::text[]")}
order by n.nspname
"""
_OF_TABLE, _OF_LOG = ["version"], ["version", "checksum", "token_checksum", "state", "step"]
_ENTRIES = (
    "select {place}::text, version::text, checksum::text, token_checksum::text from (select distinct on (version)"
    " version, checksum, token_checksum from {table} where step is null and state::text = 'done'"
    " and version::text = any({versions}) order by version, event_id desc) l"
)
_VERSIONS = (
    "select {place}::text, version::text, null::text, null::text from {table} where version::text = any({versions})"
)


@frozen
class _Session:
    """What decides in which schema the table is: search_path, its source and its default, the role."""

    path: str
    source: str
    default: str
    role: str
    role_path: str | None


def refuse_elsewhere(
    conn: Connection, tables: Tables, files: Sequence[MigrationFile], siblings: Sequence[str] = ()
) -> None:
    """Raise Refused E717 if the history of `files` is in another schema. For a schema that the user did not name.

    `siblings` are the tables of other services, which may have the same name in another schema, and the same versions.
    """
    candidates = () if tables.exists else _candidates(conn, tables)
    if not candidates:
        return  # the usual first run does not look at all settings of the server
    session = _Session(*cast("tuple[str, str, str, str, str | None]", database.query(conn, _SESSION)[0]))
    seen = Seen(
        tables.schema,
        is_chosen=session.source == "client",
        role=session.role,
        home=tracking_table.home(session.role, session.role_path),
        of_services=frozenset(schema for schema, _, name in map(_parts, siblings) if name == tables.name),
        candidates=candidates,
    )
    if seen.is_chosen:
        return
    present = {file.version: file for file in files}
    seen = _with_rows(conn, seen, tables, sorted(present))
    placed = tracking_table.decide(seen, _sums(seen, present))
    if placed.location is Location.ELSEWHERE:
        raise _elsewhere(tables, session, placed.found)


def _parts(table: str) -> tuple[str, str, str]:
    return table.partition(".")


def _candidates(conn: Connection, tables: Tables) -> tuple[Candidate, ...]:
    wanted = {
        "name": tables.name,
        "log": tables.log_name,
        "schema": tables.schema,
        "of_table": _OF_TABLE,
        "of_log": _OF_LOG,
        "neighbours": list(NEIGHBOURS),
    }
    rows = conn.execute(_CANDIDATES, wanted, binary=True).fetchall()
    return tuple(_candidate(tables.name, *cast("tuple[Any, ...]", row)) for row in rows)


def _candidate(name: str, *row: Any) -> Candidate:  # noqa: ANN401 (a row as the server gave it)
    schema, owner, path, is_extensions, has_log, columns, neighbours = row
    known = other_tools.tool_of_table(name, dict(column.split(" ", 1) for column in columns), neighbours)
    return Candidate(
        schema,
        owner,
        tracking_table.home(owner, path),
        is_extensions=is_extensions,
        tool=known[0] if known and not has_log else None,
        entries=() if has_log else None,
    )


def _with_rows(conn: Connection, seen: Seen, tables: Tables, versions: Sequence[str]) -> Seen:
    """What the candidates record of these versions: one query for all of them."""
    candidates = tracking_table.worth_reading(seen)
    if not candidates or not versions:
        return replace(seen, candidates=())
    parts = [
        sql.SQL(_VERSIONS if candidate.entries is None else _ENTRIES).format(
            place=sql.Literal(candidate.schema),
            table=sql.Identifier(candidate.schema, tables.name if candidate.entries is None else tables.log_name),
            versions=sql.Placeholder("versions"),
        )
        for candidate in candidates
    ]
    rows = conn.execute(sql.SQL(" union all ").join(parts), {"versions": list(versions)}, binary=True).fetchall()
    return replace(seen, candidates=tuple(_filled(candidate, rows) for candidate in candidates))


def _filled(candidate: Candidate, rows: Iterable[Sequence[object]]) -> Candidate:
    own = [cast("tuple[str, str | None, str | None]", tuple(row[1:])) for row in rows if row[0] == candidate.schema]
    entries = None if candidate.entries is None else tuple(Entry(*row) for row in own)
    versions = tuple(row[0] for row in own) if candidate.entries is None else ()
    return replace(candidate, entries=entries, versions=versions)


def _sums(seen: Seen, present: Mapping[str, MigrationFile]) -> Mapping[str, tuple[FileSum, ...]]:
    """The sums of the recorded files, computed once for each different recorded sum."""
    found: dict[str, tuple[FileSum, ...]] = {version: () for version in present}
    for entry in {entry for candidate in seen.candidates for entry in candidate.entries or ()}:
        recorded = History((Applied(entry.version, None, entry.checksum, entry.token_checksum),))
        made = verify.sums([present[entry.version]], recorded)
        found[entry.version] += tuple(made.values())
    return found


def _elsewhere(tables: Tables, session: _Session, found: Sequence[tuple[Candidate, int]]) -> Refused:
    here = _named(tables.schema, tables.name)
    there = [_named(candidate.schema, tables.name) for candidate, _ in found]
    places = tuple(
        ("there", f"{name} holds {number} of these migrations{_path_to(candidate, session)}")
        for name, (candidate, number) in zip(there[:_NAMED], found, strict=False)
    )
    more = (("there", f"and {len(there) - _NAMED} more schemas"),) if len(there) > _NAMED else ()
    return unchanged(
        Refused(
            f"{here} does not exist, but {there[0]} is the history of these files: everything would run a second time",
            code="E717",
            details=(
                ("here", f"{here} is the tracking table for search_path = {session.path} ({_origin(session)})"),
                *places,
                *more,
            ),
            hint=f"{_of_targets([candidate.schema for candidate, _ in found])}"
            f"to use that history: --migrations-table {there[0]} (or DBMIGRATE_MIGRATIONS_TABLE);"
            f" for a separate history in schema {tables.schema}: --migrations-table {here}",
        )
    )


def _of_targets(schemas: Sequence[str]) -> str:
    """What to call where these schemas are targets, each with a history of its own; `up --targets` leaves them so."""
    own = next((schema for schema in schemas if schema != "public"), None)
    if own is None:
        return ""
    are = "they are targets" if len(schemas) > 1 else "it is one of several targets"
    return f"if {are}: `dbmigrate status --targets FILE`, or one alone with --url URL?search_path={own}; "


def _path_to(candidate: Candidate, session: _Session) -> str:
    """The search_path that selects this schema."""
    if candidate.schema == "public":
        return f"; search_path = {session.default} selects it"
    return f"; search_path = {candidate.schema} selects it"


_ORIGINS = {
    "default": "the default",
    "database": "set by ALTER DATABASE",
    "user": "set by ALTER ROLE",
    "database user": "set by ALTER ROLE ... IN DATABASE",
    "configuration file": "set in the server's configuration",
    "global": "set by ALTER ROLE ALL",
}


def _origin(session: _Session) -> str:
    return _ORIGINS.get(session.source, session.source)


def _named(schema: str, name: str) -> str:
    """As `--migrations-table` takes it: without quotes, as dbmate does."""
    return f"{schema}.{name}"
