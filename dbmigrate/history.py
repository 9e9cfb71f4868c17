"""All SQL about the two tables of our own: the versions (dbmate's table) and the append-only log beside it.

Statements that write are rendered as text, with the values as literals, because a dry run prints the very text that a
run sends. Every name is schema-qualified: a migration may have changed the search_path.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from psycopg import sql

from dbmigrate import database
from dbmigrate.errors import Refused
from dbmigrate.model import Action, Applied, Direction, History, LogEvent, LogState, StepRecord, Unfinished

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from dbmigrate.database import Connection, Facts
    from dbmigrate.errors import Error
    from dbmigrate.model import Statement, Step

# the events that say that a version is applied, as opposed to `down`
_APPLYING = "('up', 'mark', 'baseline', 'adopt', 'repair')"

# one row an event; `step` numbers the statements of a migration without a transaction and is null for the whole
# migration; `in_transaction` tells whether its effect and its row were committed together
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
    reason text
"""

_LOOK = """
select c.relname::text, c.relkind::text, c.relhastriggers and exists (
         select 1 from pg_catalog.pg_trigger t where t.tgrelid = c.oid and not t.tgisinternal),
       c.relhasrules, r.rolname::text,
       pg_catalog.pg_has_role(c.relowner, 'MEMBER') or r.rolsuper
         or c.relowner = (select datdba from pg_catalog.pg_database where datname = pg_catalog.current_database()),
       (select pg_catalog.string_agg(a.attname::text || ' ' || pg_catalog.format_type(a.atttypid, null), ', '
               order by a.attnum)
          from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped)
from pg_catalog.pg_namespace n
left join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = any(%s)
left join pg_catalog.pg_roles r on r.oid = c.relowner
where n.nspname = %s
"""
_TEXT_TYPES = ("version character varying", "version text", "version character")


@dataclass(frozen=True, slots=True)
class Tables:
    """Where the tracking tables are, resolved once, and which of them exist."""

    schema: str
    name: str
    schema_exists: bool = False
    exists: bool = False
    log_exists: bool = False

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


@dataclass(frozen=True, slots=True)
class Run:
    """What all events of one run have in common."""

    run_id: str
    os_user: str
    tool_version: str
    git_commit: str | None = None
    git_dirty: bool | None = None
    reason: str | None = None


# ------------------------------------------------------------------------------------------------------------- reading


def locate(conn: Connection, table: str, *, facts: Facts, search_path: Sequence[str]) -> Tables:
    """Find the tracking tables, by dbmate's rule for the schema (postgres.go).

    The part before the first dot of `table`, else the first item of the URL's search_path, else current_schema(), else
    ``public``. Raises Refused E705 when what stands there is no tracking table that can be trusted.
    """
    schema, dot, name = table.partition(".")
    if not dot:
        schema, name = (search_path[0] if search_path else facts.schema or "public"), table
    log_name = f"{name}_log"
    rows = database.query(conn, _LOOK, [name, log_name], schema)
    found = {str(row[0]): row for row in rows if row[0] is not None}
    for relation in found.values():
        _refuse_impostor(schema, relation, is_log=relation[0] == log_name)
    return Tables(schema, name, bool(rows), name in found, log_name in found)


def _refuse_impostor(schema: str, row: Sequence[object], *, is_log: bool) -> None:
    """A look-alike that an unprivileged user prepared would run that user's code with our rights."""
    name, kind, has_triggers, has_rules, owner, is_trusted, columns = row
    reason = None
    if kind not in ("r", "p"):
        reason = "it is not a table"
    elif has_triggers or has_rules:
        reason = "it has triggers or rules, which would run with your rights"
    elif not is_trusted:
        reason = f"it belongs to {owner}, who is neither you, nor a superuser, nor the owner of the database"
    elif not is_log and not str(columns).startswith(_TEXT_TYPES):
        reason = f"its columns are ({columns}); another migration tool seems to have made it"
    if reason:
        raise Refused(
            f"{schema}.{name} cannot be used as the tracking table: {reason}",
            code="E705",
            hint="look at it with psql; choose another table with --migrations-table, or remove it",
        )


def read(conn: Connection, tables: Tables) -> History:
    """The applied versions and the unfinished migrations. Works without the log, and without any table of ours."""
    if not tables.exists:
        return History()
    if not tables.log_exists:
        statement = sql.SQL("select version from {} order by version").format(tables.versions)
        return History(tuple(Applied(str(row[0])) for row in conn.execute(statement)))
    statement = sql.SQL(
        "select v.version, l.file, l.checksum, l.token_checksum, l.finished_at, l.os_user, l.git_commit from {} v"
        " left join (select distinct on (version) version, file, checksum, token_checksum, finished_at, os_user,"
        " git_commit from {} where step is null and state = 'done' and direction in " + _APPLYING + ""
        " order by version, event_id desc) l on l.version = v.version order by v.version"
    ).format(tables.versions, tables.log)
    applied = tuple(_applied(row) for row in conn.execute(statement))
    return History(applied, _unfinished(conn, tables))


def _applied(row: Sequence[object]) -> Applied:
    version, file, checksum, tokens, at, by, commit = cast("tuple[str, str, str, str, datetime, str, str]", row)
    return Applied(version, file, checksum, tokens, applied_at=at, applied_by=by, git_commit=commit)


def _unfinished(conn: Connection, tables: Tables) -> tuple[Unfinished, ...]:
    """Migrations without a transaction whose last event is no end, and that did, or may have done, something."""
    statement = sql.SQL(
        "select l.version, l.file, l.direction, l.started_at, l.error from {log} l"
        " where l.step is null and not l.in_transaction and l.state <> 'done' and not exists"
        " (select 1 from {log} n where n.version = l.version and n.step is null and n.event_id > l.event_id)"
        " order by l.event_id"
    ).format(log=tables.log)
    found = []
    for row in conn.execute(statement).fetchall():
        version, file, direction, at, error = cast("tuple[str, str | None, str, datetime, str | None]", row)
        steps = _steps(conn, tables, version)
        if any(step.state is not LogState.FAILED for step in steps):
            found.append(Unfinished(version, file or version, Direction(direction), at, steps, error))
    return tuple(found)


def _steps(conn: Connection, tables: Tables, version: str) -> tuple[StepRecord, ...]:
    """The newest record of each statement since the version's last finished event."""
    statement = sql.SQL(
        "select distinct on (step) step, state, checksum, coalesce(up_sql, down_sql), error from {log}"
        " where version = %(version)s and step is not null and event_id > coalesce((select max(event_id) from {log}"
        " where version = %(version)s and step is null and state = 'done'), 0) order by step, event_id desc"
    ).format(log=tables.log)
    rows = conn.execute(statement, {"version": version}).fetchall()
    return tuple(
        StepRecord(
            cast("int", row[0]),
            LogState(str(row[1])),
            str(row[2]),
            cast("str | None", row[3]),
            cast("str | None", row[4]),
        )
        for row in rows
    )


def events(conn: Connection, tables: Tables, *, limit: int | None, failed: bool) -> tuple[LogEvent, ...]:
    """The rows of the log, the newest first; `failed` leaves out what went well."""
    if not tables.log_exists:
        return ()
    statement = sql.SQL(
        "select event_id, run_id::text, version, file, direction, step, state, started_at, duration_ms / 1000, error,"
        " sqlstate, db_role, os_user, tool_version, git_commit, git_dirty, reason from {}"
        " where state = 'failed' or error is not null or not %s order by event_id desc limit %s"
    ).format(tables.log)
    return tuple(LogEvent(*_typed(row)) for row in conn.execute(statement, (failed, limit)))


def _typed(row: Sequence[object]) -> tuple[Any, ...]:
    return (*row[:6], LogState(str(row[6])), *row[7:])


def kept_down(conn: Connection, tables: Tables, version: str) -> tuple[str, str] | None:
    """The file name and the down SQL (headers included) that the log keeps of an applied version, if it does."""
    if not tables.log_exists:
        return None
    statement = sql.SQL(
        "select file, down_sql from {} where version = %s and step is null and state = 'done' and direction in "
        + _APPLYING
        + " order by event_id desc limit 1"
    ).format(tables.log)
    row = conn.execute(statement, (version,)).fetchone()
    if row is None or row[1] is None:
        return None
    return str(row[0] or version), str(row[1])


def versions(conn: Connection, tables: Tables) -> list[str]:
    """The applied versions in the database's own order, as dbmate's schema file lists them."""
    if not tables.exists:
        return []
    statement = sql.SQL("select version from {} order by version asc").format(tables.versions)
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
    return "".join(part.as_string(conn) for part in parts)


class Writer:
    """Renders the statements that record events. Nothing is sent from here."""

    def __init__(self, conn: Connection, tables: Tables, run: Run) -> None:
        self._conn = conn
        self._tables = tables
        self._run = run

    def record(self, step: Step) -> str:
        """Insert or delete the version row of `step`; a deletion that finds no row fails (22P02)."""
        if step.action in (Action.UNDO, Action.ACCEPT):
            return ""
        version = sql.Literal(step.version)
        if step.direction is Direction.UP:
            return self._text("insert into {} (version) values ({});\n", self._tables.versions, version)
        return self._text(
            "with gone as (delete from {} where version = {} returning 1) select case when count(*) = 1 then 1"
            " else ('its version row had gone already' || count(*)::text)::int end from gone;\n",
            self._tables.versions,
            version,
        )

    def precondition(self, step: Step) -> str:
        """A statement that fails (22P02) unless the version row is as `step` expects to find it."""
        expected = 0 if step.direction is Direction.UP else 1
        return self._text(
            "select case when count(*) = {} then 1 else ('the version row is not as planned' || count(*)::text)::int"
            " end from {} where version = {};\n",
            sql.Literal(expected),
            self._tables.versions,
            sql.Literal(step.version),
        )

    def finished(self, step: Step) -> str:
        """The log row of a whole migration, written in the transaction that did the work."""
        return self._insert(
            {
                **self._whole(step),
                "in_transaction": sql.Literal(True),
                "state": _literal("done"),
                "started_at": sql.SQL("pg_catalog.transaction_timestamp()"),
                **_ended("pg_catalog.transaction_timestamp()"),
            }
        )

    def started(self, step: Step) -> str:
        """The log row that opens a migration without a transaction."""
        return self._insert({**self._whole(step), **_open(in_transaction=False)})

    def closed(self, step: Step) -> str:
        """Close the row of `started` as done."""
        return self._close(step, None, LogState.DONE)

    def step_done(self, step: Step, number: int, statement: Statement) -> str:
        """The log row of a statement that ran in the same transaction as this row."""
        return self._insert(
            {
                **self._part(step, number, statement),
                "in_transaction": sql.Literal(True),
                "state": _literal("done"),
                "started_at": sql.SQL("pg_catalog.transaction_timestamp()"),
                **_ended("pg_catalog.transaction_timestamp()"),
            }
        )

    def step_started(self, step: Step, number: int, statement: Statement) -> str:
        """The log row that announces a statement which cannot run in a transaction."""
        return self._insert({**self._part(step, number, statement), **_open(in_transaction=False)})

    def step_closed(self, step: Step, number: int) -> str:
        return self._close(step, number, LogState.DONE)

    def step_failed(self, step: Step, number: int, statement: Statement, error: Error) -> str:
        """The log row of a statement that failed in its own transaction and left nothing."""
        return self._insert({**self._part(step, number, statement), **_open(in_transaction=True), **_failed(error)})

    def step_broken(self, step: Step, number: int, error: Error, *, state: LogState) -> str:
        """Close the row of `step_started` after a failure: FAILED if nothing was left, STARTED if something may be."""
        return self._close(step, number, state, error)

    def failed(self, step: Step, error: Error) -> str:
        """The log row of a transactional migration that was rolled back; written outside of it."""
        return self._insert({**self._whole(step), **_open(in_transaction=True), **_failed(error)})

    def broken(self, step: Step, error: Error) -> str:
        """Close the row of `started` as failed."""
        return self._close(step, None, LogState.FAILED, error)

    # -- rendering

    def _whole(self, step: Step) -> dict[str, sql.Composable]:
        migration = step.migration
        return {
            **self._common(step),
            "checksum": _literal(migration.checksum if migration else None),
            "token_checksum": _literal(migration.token_checksum if migration else None),
            "up_sql": _literal(migration.up_sql if migration and step.direction is Direction.UP else None),
            "down_sql": _literal(migration.down_sql if migration else None),
        }

    def _part(self, step: Step, number: int, statement: Statement) -> dict[str, sql.Composable]:
        column = "up_sql" if step.direction is Direction.UP else "down_sql"
        return {
            **self._common(step),
            "step": _literal(number),
            "checksum": _literal(statement_checksum(statement)),
            column: _literal(kept(statement.sql)),
        }

    def _common(self, step: Step) -> dict[str, sql.Composable]:
        run = self._run
        return {
            "event_id": sql.SQL("(select coalesce(max(event_id), 0) + 1 from {})").format(self._tables.log),
            "run_id": _literal(run.run_id),
            "version": _literal(step.version),
            "file": _literal(step.name),
            "direction": _literal(step.log_kind.value),
            "db_role": sql.SQL("session_user"),
            "os_user": _literal(run.os_user),
            "tool_version": _literal(run.tool_version),
            "git_commit": _literal(run.git_commit),
            "git_dirty": _literal(run.git_dirty),
            "reason": _literal(run.reason),
        }

    def _insert(self, values: Mapping[str, sql.Composable]) -> str:
        return self._text(
            "insert into {} ({}) values ({});\n",
            self._tables.log,
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join(values.values()),
        )

    def _close(self, step: Step, number: int | None, state: LogState, error: Error | None = None) -> str:
        """Close the open row of this run. A row that is not there any more is a mistake that must not pass silently."""
        ended = {"state": _literal(state.value), **_ended("started_at"), **(_failed(error, state) if error else {})}
        assignments = sql.SQL(", ").join(sql.SQL("{} = {}").format(sql.Identifier(k), v) for k, v in ended.items())
        which = sql.SQL("step is null") if number is None else sql.SQL("step = {}").format(number)
        return self._text(
            "update {} set {} where run_id = {} and version = {} and direction = {} and {} and state = 'started';\n",
            self._tables.log,
            assignments,
            _literal(self._run.run_id),
            _literal(step.version),
            _literal(step.log_kind.value),
            which,
        )

    def _text(self, template: str, *parts: sql.Composable) -> str:
        return sql.SQL(template).format(*parts).as_string(self._conn)


_KEPT_CHARACTERS = 1024 * 1024


def kept(text: str) -> str | None:
    """SQL as the log keeps it: whole, or not at all when it is so large that the log would double the database."""
    return text if len(text) <= _KEPT_CHARACTERS else None


def statement_checksum(statement: Statement) -> str:
    """SHA-256 (hex) of one statement's text, by which `resume` tells that a finished statement was not edited."""
    import hashlib

    return hashlib.sha256(statement.sql.encode()).hexdigest()


def _literal(value: object) -> sql.Composable:
    return sql.Literal(value)


def _open(*, in_transaction: bool) -> dict[str, sql.Composable]:
    return {
        "in_transaction": _literal(in_transaction),
        "state": _literal(LogState.STARTED.value),
        "started_at": sql.SQL("pg_catalog.clock_timestamp()"),
    }


def _ended(since: str) -> dict[str, sql.Composable]:
    milliseconds = f"(extract(epoch from pg_catalog.clock_timestamp() - {since}) * 1000)::float8"
    return {"finished_at": sql.SQL("pg_catalog.clock_timestamp()"), "duration_ms": sql.SQL(milliseconds)}


def _failed(error: Error, state: LogState = LogState.FAILED) -> dict[str, sql.Composable]:
    return {
        "state": _literal(state.value),
        "finished_at": sql.SQL("pg_catalog.clock_timestamp()"),
        "error": _literal(error.message),
        "sqlstate": _literal(error.sqlstate),
    }
