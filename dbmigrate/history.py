"""The two tables of our own: the versions (dbmate's table) and the append-only log beside it; found, made and read.

What is written to them is rendered in `journal`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

from psycopg import sql

from dbmigrate import database
from dbmigrate.errors import ConfigError, Refused
from dbmigrate.model import Applied, Direction, History, LogEvent, LogState, StepRecord, Unfinished
from dbmigrate.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from dbmigrate.database import Connection, Facts

# The newest event of each version that changed whether it is applied. If that was an undoing one, and the version is
# there all the same, another tool applied it since: what the log knows of the file is not what was applied. Marks and
# repairs that undo keep no up SQL; of a file too large to be kept they cannot be told from those that apply.
_NEWEST = """
select distinct on (version) version, file, checksum, token_checksum, down_sql, finished_at, os_user, git_commit,
       direction::text = 'down' or (direction::text in ('mark', 'repair') and up_sql is null
                                    and (down_sql is not null or checksum is null)) as is_undone
from {} where step is null and state::text = 'done' order by version, event_id desc
"""

# one row an event; `step` numbers the statements of a migration without a transaction and is null for the whole
# migration; `in_transaction` tells whether its effect and its row were committed together; `details` holds what was
# there before a statement outside a transaction ran (`outcomes.Before`)
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
       c.relrowsecurity, c.relrowsecurity and pg_catalog.row_security_active(c.oid)
from pg_catalog.pg_namespace n
left join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = any(%s)
left join pg_catalog.pg_roles r on r.oid = c.relowner
where n.nspname = %s
"""
_DETAILS = "details jsonb"
_LOG_BEGINS = "event_id bigint, run_id uuid, version character varying, file character varying, direction"
_TEXT_TYPES = ("version character varying", "version text")
_LONGEST_NAME = 59  # bytes: with "_log" behind it PostgreSQL still keeps it whole


@dataclass(frozen=True, slots=True)
class Tables:
    """Where the tracking tables are, resolved once, and which of them exist."""

    schema: str
    name: str
    schema_exists: bool = False
    exists: bool = False
    log_exists: bool = False
    distrust: str | None = None  # why nothing may be written to them
    missing: tuple[str, ...] = ()  # columns of the log that an older version has not made, with their types

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


# ------------------------------------------------------------------------------------------------------------- reading


def locate(conn: Connection, table: str, *, facts: Facts, search_path: Sequence[str]) -> Tables:
    """Find the tracking tables, by dbmate's rule for the schema (postgres.go).

    The part before the first dot of `table`, else the first item of the URL's search_path, else current_schema(), else
    ``public``. Raises Refused E705 when what stands there is no tracking table. One that could run somebody else's code
    with our rights can be read; `refuse_distrusted` keeps it from being written to.
    """
    schema, dot, name = table.partition(".")
    if not dot:
        schema, name = (search_path[0] if search_path else _own_schema(facts) or "public"), table
    log_name = f"{name}_log"
    if len(name.encode()) > _LONGEST_NAME:
        raise ConfigError(f"the name of the migrations table is longer than {_LONGEST_NAME} bytes", code="E205")
    rows = database.query(conn, _LOOK, [name, log_name], schema)
    found = {str(row[0]): row for row in rows if row[0] is not None}
    for relation in found.values():
        _refuse_stranger(schema, relation, is_log=relation[0] == log_name)
    doubts = [_doubt(schema, relation) for relation in found.values()]
    if log_name in found and name not in found:
        doubts.append(f"{schema}.{name} is gone, but {schema}.{log_name} is there; drop that too to begin anew")
    doubt = next(filter(None, doubts), None)
    missing = _missing_columns(str(found[log_name][6])) if log_name in found else ()
    return Tables(schema, name, bool(rows), name in found, log_name in found, doubt, missing)


def _missing_columns(present: str) -> tuple[str, ...]:
    """What a log that an older version made lacks; only columns that may be null are ever added to it."""
    names = {column.split(" ")[0] for column in present.split(", ")}
    wanted = (line.strip() for line in _LOG_COLUMNS.strip().split(",\n"))
    return tuple(column for column in wanted if column.split(" ")[0] not in names and "not null" not in column)


def _own_schema(facts: Facts) -> str | None:
    """pg_catalog, where nobody can make a table, is first in some search_paths."""
    return None if facts.schema == "pg_catalog" else facts.schema


def absent(table: str, *, search_path: Sequence[str]) -> Tables:
    """The tables of a database that does not exist yet, where nothing but ``public`` is there."""
    schema, dot, name = table.partition(".")
    if not dot:
        schema, name = (search_path[0] if search_path else "public"), table
    return Tables(schema, name, schema_exists=schema == "public")


def _refuse_stranger(schema: str, row: Sequence[object], *, is_log: bool) -> None:
    """Something else of that name, such as the table of another migration tool, cannot even be read."""
    name, kind, owner, is_trusted, columns, has_policies, hides_rows = row[0], row[1], *row[4:]
    reason = None
    if kind not in ("r", "p"):
        reason = "it is not a table"
    elif has_policies and not is_trusted:
        reason = f"it has policies of {owner}, which would run with your rights"
    elif hides_rows:
        reason = "row level security hides rows of it from you, so that what is applied cannot be known"
    elif not str(columns).replace('"', "").startswith(_LOG_BEGINS if is_log else _TEXT_TYPES):
        reason = f"its columns are ({columns}); another migration tool seems to have made it"
    if reason:
        raise _unusable(f"{schema}.{name} cannot be used as the tracking table: {reason}")


def _doubt(schema: str, row: Sequence[object]) -> str | None:
    """A look-alike that an unprivileged user prepared would run that user's code when we write to it."""
    name, _, has_triggers, has_rules, owner, is_trusted, *_ = row
    if has_triggers or has_rules:
        return f"{schema}.{name} has triggers or rules, which would run with your rights"
    if not is_trusted:
        return (
            f"{schema}.{name} belongs to {owner}, who is neither you, nor a superuser, nor the owner of the database"
            " or the schema"
        )
    return None


def refuse_distrusted(tables: Tables) -> None:
    """Raise Refused E705 if writing to the tables could run somebody else's code."""
    if tables.distrust:
        raise _unusable(f"the tracking table is not safe to write to: {tables.distrust}")


def _unusable(message: str) -> Refused:
    hint = "look at it with psql; choose another table with --migrations-table, or remove it"
    return Refused(message, code="E705", hint=hint)


def read(conn: Connection, tables: Tables) -> History:
    """The applied versions and the unfinished migrations. Works without the log, and without any table of ours."""
    if not tables.exists:
        return History(unfinished=_unfinished(conn, tables) if tables.log_exists else ())
    if not tables.log_exists:
        statement = sql.SQL("select version from {} where version is not null order by version").format(tables.versions)
        return History(tuple(Applied(str(row[0])) for row in conn.execute(statement)))
    statement = sql.SQL(
        "select v.version, l.file, l.checksum, l.token_checksum, l.finished_at, l.os_user, l.git_commit from {} v"
        " left join (" + _NEWEST + ") l on l.version::text = v.version::text and not l.is_undone"
        " where v.version is not null order by v.version"
    ).format(tables.versions, tables.log)
    applied = tuple(_applied(row) for row in conn.execute(statement, binary=True))
    return History(applied, _unfinished(conn, tables))


def _applied(row: Sequence[object]) -> Applied:
    version, file, checksum, tokens, at, by, commit = cast("tuple[str, str, str, str, datetime, str, str]", row)
    return Applied(version, file, checksum, tokens, None, at, by, commit)


def _unfinished(conn: Connection, tables: Tables) -> tuple[Unfinished, ...]:
    """Migrations without a transaction that did, or may have done, something, and have not come to an end since."""
    statement = sql.SQL(
        "select l.version, l.file, l.direction, l.started_at, l.error, l.run_id from {log} l"
        " where l.step is null and not l.in_transaction and l.state::text <> 'done' and not exists"
        " (select 1 from {log} n where n.version::text = l.version::text and n.step is null and n.state::text = 'done'"
        " and n.event_id > l.event_id) order by l.event_id"
    ).format(log=tables.log)
    runs: dict[str, list[_OpenRun]] = {}
    for row in conn.execute(statement, binary=True).fetchall():
        runs.setdefault(str(row[0]), []).append(_OpenRun(*cast("tuple[Any, ...]", row)))
    found = (_newest_unfinished(conn, tables, of_version) for of_version in runs.values())
    return tuple(item for item in found if item is not None)


class _OpenRun(NamedTuple):
    """A run of a migration without a transaction that did not end well, or is going on."""

    version: str
    file: str | None
    direction: str
    started_at: datetime
    error: str | None
    run_id: object


def _newest_unfinished(conn: Connection, tables: Tables, runs: Sequence[_OpenRun]) -> Unfinished | None:
    """What all those runs of one version have left; an undo that was begun has to be finished first."""
    for direction in (Direction.DOWN, Direction.UP):
        of_direction = [run for run in runs if run.direction == direction]
        steps = _steps(conn, tables, of_direction) if of_direction else ()
        if any(step.state is not LogState.FAILED for step in steps):
            last = of_direction[-1]
            return Unfinished(last.version, last.file or last.version, direction, last.started_at, steps, last.error)
    return None


def _steps(conn: Connection, tables: Tables, runs: Sequence[_OpenRun]) -> tuple[StepRecord, ...]:
    """The newest record of each statement in runs of one version and direction."""
    statement = sql.SQL(
        "select distinct on (step) step, state, checksum, coalesce(up_sql, down_sql), error, {details} from {log}"
        " where version::text = %s and direction::text = %s and run_id = any(%s) and step is not null"
        " order by step, event_id desc"
    ).format(log=tables.log, details=sql.SQL("null" if _DETAILS in tables.missing else "details"))
    rows = conn.execute(statement, (runs[0].version, runs[0].direction, [run.run_id for run in runs])).fetchall()
    return tuple(
        StepRecord(
            cast("int", row[0]),
            LogState(str(row[1])),
            str(row[2]),
            cast("str | None", row[3]),
            cast("str | None", row[4]),
            _before(row[5]),
        )
        for row in rows
    )


def has_open_entries(conn: Connection, tables: Tables, version: str) -> bool:
    """Whether the log has something of this version that was never closed: for who has the lock, of a run that died."""
    statement = sql.SQL("select exists (select 1 from {} where version::text = %s and state::text = 'started')")
    rows = conn.execute(statement.format(tables.log), (version,)).fetchall()
    return bool(rows[0][0])


def _before(details: object) -> frozenset[str] | None:
    found = details.get("before") if isinstance(details, dict) else None
    return frozenset(map(str, found)) if isinstance(found, list) else None


def events(conn: Connection, tables: Tables, *, limit: int | None, failed: bool) -> tuple[LogEvent, ...]:
    """The rows of the log, the newest first; `failed` leaves out what went well."""
    if not tables.log_exists:
        return ()
    statement = sql.SQL(
        "select event_id, run_id::text, version, file, direction, step, state, started_at,"
        " duration_ms / 1000::float8, error,"
        " sqlstate, db_role, os_user, tool_version, git_commit, git_dirty, reason from {}"
        " where state::text = 'failed' or error is not null or not %s order by event_id desc limit %s"
    ).format(tables.log)
    return tuple(LogEvent(*_typed(row)) for row in conn.execute(statement, (failed, limit), binary=True))


def _typed(row: Sequence[object]) -> tuple[Any, ...]:
    return (*row[:6], LogState(str(row[6])), *row[7:])


def kept_down(conn: Connection, tables: Tables, version: str) -> tuple[str, str] | None:
    """The file name and the down SQL (headers included) that the log keeps of an applied version, if it does."""
    if not tables.log_exists:
        return None
    statement = sql.SQL(
        "select file, down_sql from (" + _NEWEST + ") l where version::text = %s and not is_undone"
    ).format(tables.log)
    row = conn.execute(statement, (version,)).fetchone()
    if row is None or row[1] is None:
        return None
    return str(row[0] or version), str(row[1])


def versions(conn: Connection, tables: Tables) -> list[str]:
    """The applied versions in the database's own order, as dbmate's schema file lists them."""
    if not tables.exists:
        return []
    statement = sql.SQL("select version from {} where version is not null order by version asc").format(tables.versions)
    return [str(row[0]) for row in conn.execute(statement)]


# ------------------------------------------------------------------------------------------------------------- writing


def creation(conn: Connection, tables: Tables) -> str:
    """The DDL that makes what is missing; empty when nothing is. Never DDL for what is there."""
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


def record_versions(conn: Connection, tables: Tables, applied: Sequence[str]) -> None:
    """Record versions as applied in a scratch database, without a word in the log."""
    conn.execute(sql.SQL("insert into {} (version) select unnest(%s::text[])").format(tables.versions), [list(applied)])
