"""The tracking table and the log table: where they are, what shape they have, and how they are made."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, cast

from psycopg import sql

from dbmigrate.connection import database
from dbmigrate.errors import ConfigError, Refused, unchanged
from dbmigrate.frozen import frozen
from dbmigrate.tracking.relation import Relation, plain_ones

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.connection.database import Connection, Facts
    from dbmigrate.tracking.table_shape import Fault


# `step` numbers the statements of a non-transactional migration and is null for the whole migration; `in_transaction`:
# the effect and the log entry were committed together; `details` holds what was there before a statement outside a
# transaction ran (`step_outcome.Before`), or the origin of an adopted version
_LOG_COLUMNS = """
    event_id bigint primary key,
    run_id uuid not null,
    version varchar not null,
    file varchar,
    direction varchar not null,
    step integer,
    in_transaction boolean not null,
    state varchar not null,
    checksum varchar,
    token_checksum varchar,
    up_sql text,
    down_sql text,
    started_at timestamptz not null,
    finished_at timestamptz,
    duration_ms double precision,
    error text,
    sqlstate varchar,
    db_role varchar not null,
    os_user varchar,
    tool_version varchar,
    git_commit varchar,
    git_dirty boolean,
    reason text,
    details jsonb
"""


# what decides whether rows can be written to a table and stay; the last columns are for `table_shape`
_LOOK = """
select c.relname::text, c.relkind::text, c.relhastriggers and exists (
         select 1 from pg_catalog.pg_trigger t where t.tgrelid = c.oid and not t.tgisinternal),
       c.relhasrules, r.rolname::text,
       r.rolsuper or r.rolname = current_user or c.relowner = n.nspowner
         or c.relowner = (select datdba from pg_catalog.pg_database where datname = pg_catalog.current_database())
         -- a superuser counts as a member of every role
         or (pg_catalog.pg_has_role(c.relowner, 'MEMBER')
             and not (select rolsuper from pg_catalog.pg_roles where rolname = current_user)),
       (select pg_catalog.string_agg(a.attname::text || ' ' || pg_catalog.format_type(a.atttypid, null), ', '
               order by a.attnum)
          from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped),
       c.relrowsecurity, c.relrowsecurity and pg_catalog.row_security_active(c.oid),
       (select b.relname::text from pg_catalog.pg_class b where b.relnamespace = n.oid and b.relname = any(%s) limit 1),
       c.relpersistence::text, c.relispartition,
       exists (select 1 from pg_catalog.pg_inherits i where i.inhparent = c.oid),
       (select pg_catalog.format('%%I.%%I', pn.nspname, p.relname) from pg_catalog.pg_inherits i
          join pg_catalog.pg_class p on p.oid = i.inhparent join pg_catalog.pg_namespace pn on pn.oid = p.relnamespace
        where i.inhrelid = c.oid limit 1),
       coalesce(k.atttypmod, -1) - 4, coalesce(k.attgenerated::text, ''), exists (
         select 1 from pg_catalog.pg_index x where x.indrelid = c.oid and x.indisunique and x.indisvalid
           and x.indpred is null and x.indnkeyatts = 1 and x.indkey[0] = k.attnum),
       (select pg_catalog.array_agg(array[a.attname::text, pg_catalog.format('%%I ', a.attname)
                 || case when a.attnotnull then 'drop not null'
                    else 'type ' || pg_catalog.format_type(t.typbasetype, t.typtypmod) end])
          from pg_catalog.pg_attribute a join pg_catalog.pg_type t on t.oid = a.atttypid
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and (a.attnotnull or t.typnotnull)
          and not a.atthasdef and t.typdefault is null and a.attidentity = '')
from pg_catalog.pg_namespace n
left join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = any(%s)
left join pg_catalog.pg_roles r on r.oid = c.relowner
left join pg_catalog.pg_attribute k on k.attrelid = c.oid and k.attnum > 0 and not k.attisdropped
                                   and k.attname = case when c.relname = %s then 'event_id' else 'version' end
where n.nspname = %s
"""


_DETAILS = "details jsonb"


_LOG_BEGINS = "event_id bigint, run_id uuid, version character varying, file character varying, direction"


_TEXT_TYPES = ("version character varying", "version text")


# tables that show that a table like the tracking table is another tool's; `other_tools` knows which
NEIGHBOURS = ("ar_internal_metadata",)


_OF_VERSIONS = frozenset(("version",))


_OF_LOG = frozenset(line.split()[0] for line in _LOG_COLUMNS.strip().splitlines())


_LONGEST_NAME = 59  # bytes: with "_log" behind it PostgreSQL still keeps it whole


@frozen
class Tables:
    """Where the tracking tables are, resolved once, and which of them exist."""

    schema: str
    name: str
    schema_exists: bool = False
    exists: bool = False
    log_exists: bool = False
    distrust: str | None = None  # why nothing may be written to them
    fault: Fault | None = None  # why rows would be lost, or refused in the middle of a run
    missing: tuple[str, ...] = ()  # columns of the log that an older version did not make, with their types

    @property
    def log_name(self) -> str:
        return f"{self.name}_log"

    @property
    def versions(self) -> sql.Identifier:
        return sql.Identifier(self.schema, self.name)

    @property
    def log(self) -> sql.Identifier:
        return sql.Identifier(self.schema, self.log_name)

    @property
    def qualified(self) -> str:
        return f"{self.schema}.{self.name}"


def locate(conn: Connection, table: str, *, facts: Facts, search_path: Sequence[str]) -> Tables:
    """Find the tracking tables, by dbmate's rule for the schema (postgres.go).

    The part before the first dot of `table`, else the first item of the URL's search_path, else current_schema(), else
    ``public``. Raises Refused E705, E713 or E714 if the table there is not dbmigrate's. A table that could run another
    role's code with the rights of this one, or lose rows, can be read; `refuse_unwritable` refuses to write to it.
    """
    schema, name = place(table, facts=facts, search_path=search_path)
    log_name = f"{name}_log"
    if len(name.encode()) > _LONGEST_NAME:
        raise ConfigError(f"the name of the tracking table is longer than {_LONGEST_NAME} bytes", code="E205")
    if schema.startswith("pg_temp"):
        raise ConfigError(f"{schema}.{name} would be temporary", code="E205", hint="name another schema")
    relations = _look(conn, schema, name)
    found = {relation.name: relation for relation in relations or ()}
    for relation in found.values():
        _refuse_other(schema, relation, is_log=relation.name == log_name)
    if name in found and log_name not in found and found[name].neighbour:
        from dbmigrate.tracking import table_shape

        raise table_shape.foreign(schema, found[name])
    doubts = [_doubt(schema, relation) for relation in found.values()]
    faults = (_fault(schema, relation, is_log=relation.name == log_name) for relation in found.values())
    if log_name in found and name not in found:
        doubts.append(
            f"{schema}.{name} is gone, but {schema}.{log_name} exists; drop it too to start with an empty history"
        )
    doubt = next(filter(None, doubts), None)
    missing = _missing_columns(found[log_name].columns) if log_name in found else ()
    fault = next(filter(None, faults), None)
    return Tables(schema, name, relations is not None, name in found, log_name in found, doubt, fault, missing)


def _look(conn: Connection, schema: str, name: str) -> Sequence[Relation] | None:
    """The tables of these names in the schema; None if there is no schema. The closer look is for those that differ."""
    plain = plain_ones(conn, (schema, name), _OF_LOG | _OF_VERSIONS)
    if plain is not None and all(_has_own_columns(each, name) for each in plain):
        return plain
    rows = database.query(conn, _LOOK, list(NEIGHBOURS), [name, f"{name}_log"], f"{name}_log", schema)
    relations = [Relation(*cast("tuple[Any, ...]", row)) for row in rows if row[0] is not None]
    return relations if rows else None


def _has_own_columns(found: Relation, name: str) -> bool:
    if found.name == name:
        return found.columns in _TEXT_TYPES
    return found.columns.startswith(_LOG_BEGINS) and not _OF_LOG - _optional() - _names(found.columns)


def place(table: str, *, facts: Facts, search_path: Sequence[str]) -> tuple[str, str]:
    """The schema and the name of a tracking table, whether it exists or not."""
    schema, dot, name = table.partition(".")
    return (schema, name) if dot else (search_path[0] if search_path else _current_schema(facts) or "public", table)


def _missing_columns(present: str) -> tuple[str, ...]:
    """The columns that a log of an older version does not have. New columns of the log may always be null."""
    names = _names(present)
    return tuple(column for name, column in _columns().items() if name not in names and name in _optional())


@cache
def _columns() -> dict[str, str]:
    """The columns of the log by name, with their declarations."""
    lines = (line.strip() for line in _LOG_COLUMNS.strip().split(",\n"))
    return {line.split(" ")[0]: line for line in lines}


@cache
def _optional() -> frozenset[str]:
    return frozenset(
        name for name, column in _columns().items() if "not null" not in column and "primary key" not in column
    )


def _names(columns: str) -> set[str]:
    return {column.split(" ")[0] for column in columns.split(", ")}


def _current_schema(facts: Facts) -> str | None:
    """None for pg_catalog, which is first in some search_paths, and where nobody can make a table."""
    return None if facts.schema == "pg_catalog" else facts.schema


def absent(table: str, *, search_path: Sequence[str]) -> Tables:
    """The tables of a database that does not exist yet, which will have the schema ``public`` alone."""
    schema, dot, name = table.partition(".")
    if not dot:
        schema, name = (search_path[0] if search_path else "public"), table
    return Tables(schema, name, schema_exists=schema == "public")


def _refuse_other(schema: str, found: Relation, *, is_log: bool) -> None:
    """Refuse a relation of that name that is not a tracking table, such as the table of another migration tool."""
    reason = None
    if found.kind not in ("r", "p"):
        reason = "it is not a table"
    elif found.has_policies and not found.is_trusted:
        reason = f"it has policies of {found.owner}, which would run with your rights"
    elif found.hides_rows:
        reason = "row level security hides rows of it from you, so that the applied versions are unknown"
    elif is_log and not found.columns.replace('"', "").startswith(_LOG_BEGINS):
        reason = f"its columns are ({found.columns})"
    elif is_log and (lost := _OF_LOG - _optional() - _names(found.columns)):
        reason = f"its column {', '.join(sorted(lost))} is gone"
    elif not is_log and not found.columns.replace('"', "").startswith(_TEXT_TYPES):
        from dbmigrate.tracking import table_shape

        raise table_shape.foreign(schema, found)
    if reason:
        raise _unusable(f"{schema}.{found.name} cannot be used as the tracking table: {reason}")


def _fault(schema: str, found: Relation, *, is_log: bool) -> Fault | None:
    """Check a table further only where it differs from those that dbmigrate makes."""
    own = _OF_LOG if is_log else _OF_VERSIONS
    extra = {name: relief for name, relief in found.required or () if name not in own}
    if found.is_plain and not extra:
        return None
    from dbmigrate.tracking import table_shape

    return table_shape.fault(schema, found, "event_id" if is_log else "version", extra)


def _doubt(schema: str, found: Relation) -> str | None:
    """Writing to a look-alike that an unprivileged role made would run that role's code."""
    if found.has_triggers or found.has_rules:
        return f"{schema}.{found.name} has triggers or rules, which would run with your rights"
    if not found.is_trusted:
        return (
            f"{schema}.{found.name} belongs to {found.owner}, who is neither you, nor a superuser, nor the owner of the"
            " database or the schema"
        )
    return None


def refuse_unwritable(tables: Tables) -> None:
    """Raise Refused E705 if writing to the tables could run another role's code, E714 if rows would be lost."""
    if tables.distrust:
        raise _unusable(f"the tracking table is not safe to write to: {tables.distrust}")
    refuse_faulty(tables)


def refuse_faulty(tables: Tables) -> None:
    """Raise Refused E714 if rows would be lost, or refused in the middle of a run."""
    if tables.fault:
        raise unchanged(Refused(tables.fault.message, code="E714", hint=tables.fault.fix))


def _unusable(message: str) -> Refused:
    return Refused(message, code="E705", hint="look at it with psql, or choose another table with --migrations-table")


def creation(conn: Connection, tables: Tables) -> str:
    """The DDL for missing tables and columns; empty when none is missing. Never DDL for what exists."""
    parts: list[sql.Composed] = []
    if not tables.schema_exists:
        parts.append(sql.SQL("create schema if not exists {};\n").format(sql.Identifier(tables.schema)))
    if not tables.exists:
        parts.append(sql.SQL("create table if not exists {} (version varchar primary key);\n").format(tables.versions))
    if not tables.log_exists:
        columns = sql.SQL(_LOG_COLUMNS)
        parts.append(sql.SQL("create table if not exists {} ({});\n").format(tables.log, columns))
    parts += [
        sql.SQL("alter table {} add column if not exists {};\n").format(tables.log, sql.SQL(column))
        for column in tables.missing
    ]
    return "".join(part.as_string(conn) for part in parts)
