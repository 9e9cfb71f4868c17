"""SQL text that writes to the tracking table and the log table. Nothing is sent from here.

Values are literals in the text, because a dry run prints the text that a run sends. Only the ids of log entries differ:
a run counts them where it can. Every name is schema-qualified, because a migration may have changed the search_path.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

from psycopg import sql

from dbmigrate.frozen import frozen
from dbmigrate.model import Action, Direction, LogKind, LogState, Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from dbmigrate.connection.database import Connection
    from dbmigrate.errors import Error
    from dbmigrate.model import Statement, Step, Unfinished
    from dbmigrate.tracking.tables import Tables


@frozen
class Run:
    """What all log entries of one run share. `tickets` is the pattern of ticket ids, None for the usual one."""

    run_id: str
    os_user: str
    tool_version: str
    git_commit: str | None = None
    git_dirty: bool | None = None
    reason: str | None = None
    tickets: str | None = None


class Writer:
    """Renders the statements that write version rows and log entries.

    Operands have the exact types that an operator of pg_catalog is made for: where none fits exactly, the server could
    take one that another role made in ``public``, and run it with the rights of this one. So a varchar is compared as
    text.
    """

    def __init__(self, tables: Tables, run: Run, details: Callable[[str, Step], str | None] | None = None) -> None:
        """`details` says what a log entry keeps of a step's variables."""
        self._versions = f"{identifier(tables.schema)}.{identifier(tables.name)}"
        self._log = f"{identifier(tables.schema)}.{identifier(tables.log_name)}"
        self._run = run
        self._run_id = literal(run.run_id)
        self._details = details
        self._of_run = _joined(
            {
                "run_id": self._run_id,
                "db_role": "session_user",
                "os_user": literal(run.os_user),
                "tool_version": literal(run.tool_version),
                "git_commit": literal(run.git_commit),
                "git_dirty": literal(run.git_dirty),
                "reason": literal(run.reason),
            }
        )

    def record(self, step: Step) -> str:
        """Insert or delete the version row of `step`, and prove it: fails (22P02) if a trigger or a rule discards it.

        The rows are counted after the statement, because a trigger may also undo it afterwards. A deletion that finds
        no row, or several, fails.
        """
        if step.action in (Action.UNDO, Action.ACCEPT) or step.log_kind is LogKind.REPEATABLE:
            return ""
        version = literal(step.version)
        if step.direction is Direction.UP:
            made = f"insert into {self._versions} (version) values ({version});\n{self._counted(version, 1)}"
            return made + self._replaced(step)
        return (
            f"with gone as (delete from {self._versions} where version::text = {version} returning 1)"
            f" {_proved(1, ROWS)} from gone;\n{self._counted(version, 0)}"
        )

    def _replaced(self, step: Step) -> str:
        """Delete the version rows that `step` replaces, each with its log entry."""
        if not step.replaces:
            return ""
        versions = ", ".join(literal(each.version) for each in step.replaces)
        gone = f"delete from {self._versions} where version::text in ({versions}) returning 1"
        details = {"details": literal(_json({"replaced by": step.version}))}
        entries = (self._insert({**self._common(each), **details, **_DONE}) for each in step.replaces)
        return f"with gone as ({gone}) {_proved(len(step.replaces), REPLACED)} from gone;\n{''.join(entries)}"

    def _counted(self, version: str, expected: int) -> str:
        return f"{_proved(expected, ROWS)} from {self._versions} where version::text = {version};\n"

    def precondition(self, step: Step) -> str:
        """A statement that fails (22P02) unless the version row is as `step` expects to find it."""
        if step.log_kind is LogKind.REPEATABLE:
            return ""
        expected = 0 if step.direction is Direction.UP else 1
        return (
            f"select case when count(*) = {expected} then 1"
            f" else ('the version row is not as planned' || count(*)::text)::int end from {self._versions}"
            f" where version::text = {literal(step.version)};\n"
        )

    def finished(self, step: Step, event_id: int | None = None) -> str:
        """The log entry of a whole migration, written in the transaction of the migration.

        With `event_id` None the server looks up the next id, which takes as long as the rest of the entry.
        """
        given = {} if event_id is None else {"event_id": literal(event_id)}
        supersedes = step.action is Action.UNDO or step.kind is LogKind.MARK
        closing = self.undone(step) if supersedes else ""
        return closing + self._insert({**self._whole(step), **given, **_DONE})

    def adopted(self, step: Step, at: datetime | None, details: Mapping[str, object]) -> str:
        """The version row and the log entry of what another tool has applied, `at` that time, running nothing."""
        when = "pg_catalog.transaction_timestamp()" if at is None else f"{literal(at.isoformat())}::timestamptz"
        entry = {
            "in_transaction": literal(True),
            "state": literal(LogState.DONE.value),
            "started_at": when,
            "finished_at": when,
        }
        return self.record(step) + self._insert({**self._whole(step, details), **entry})

    def newest(self) -> str:
        """A query for the id of the newest log entry."""
        return f"select event_id from {self._log} order by event_id desc limit 1;\n"

    def started(self, step: Step) -> str:
        """Open the log entry of a non-transactional migration."""
        left = {"details": literal(_json({"deferred": True}))} if step.turn is not Turn.NOW else {}
        return self._insert({**self._whole(step), **_open(in_transaction=False), **left})

    def deferred(self, step: Step) -> str:
        """Close the log entry of `started` as left for later."""
        return self._close(step, None, LogState.DEFERRED)

    def closed(self, step: Step) -> str:
        """Close the log entry of `started` as done."""
        closing = self.undone(step) if step.action is Action.UNDO else ""
        return closing + self._close(step, None, LogState.DONE)

    def step_done(self, step: Step, number: int, statement: Statement) -> str:
        """The log entry of a step that ran in the same transaction as this entry."""
        return self._insert({**self._part(step, number, statement), **_DONE})

    def step_started(self, step: Step, number: int, statement: Statement, before: frozenset[str] | None = None) -> str:
        """Open the log entry of a statement outside a transaction; `before` is `step_outcome.Before`."""
        known = {} if before is None else {"details": literal(_json({"before": sorted(before)}))}
        return self._insert({**self._part(step, number, statement), **_open(in_transaction=False), **known})

    def step_closed(self, step: Step, number: int) -> str:
        return self._close(step, number, LogState.DONE)

    def step_failed(self, step: Step, number: int, statement: Statement, error: Error) -> str:
        """The log entry of a step whose transaction was rolled back."""
        return self._insert({**self._part(step, number, statement), **_open(in_transaction=True), **_failed(error)})

    def step_broken(self, step: Step, number: int, error: Error, *, state: LogState) -> str:
        """Log a failure in the entry of `step_started`. FAILED: it had no effect; STARTED: unknown outcome."""
        return self._close(step, number, state, error)

    def step_unsent(self, step: Step, number: int, error: Error) -> str:
        """As `step_broken` for a statement that was not sent; its entry may not have been written either."""
        return f"{self._closing(step, number, LogState.FAILED, error)};\n"

    def settled(self, broken: Unfinished, number: int, checksum: str) -> str:
        """Close the log entry of a step as done whose outcome was unknown; `checksum` is that of its text.

        Its end was not seen: the time that is logged is the latest possible one.
        """
        version, direction = literal(broken.version), literal(broken.direction.value)
        return (
            f"update {self._log} set state = 'done', checksum = {literal(checksum)}, error = null, sqlstate = null,"
            f" finished_at = coalesce(finished_at, pg_catalog.clock_timestamp()) where version::text = {version}"
            f" and direction::text = {direction} and step = {number} and state::text = 'started'"
            f" and event_id > (select coalesce(max(event_id), 0::bigint) from {self._log}"
            f" where version::text = {version} and step is null and state::text = 'done');\n"
        )

    def taken_over(self, step: Step) -> str:
        """Close the open log entries of earlier runs of this migration: they have ended, because this run has the lock.

        The outcome of their open steps was looked up or asked for, and these steps run again. While the migration is
        undone they stay open, until `undone` closes them.
        """
        # the cursor of a backfill stays open, until the entry that goes on from it takes it over
        same = f"direction::text = {literal(step.log_kind.value)} and (details -> 'pages') is null"
        statements = "false" if step.action is Action.UNDO else same
        return self._abandoned(step, f"(step is null or {statements})", ENDED)

    def undone(self, step: Step) -> str:
        """Close all open log entries of earlier runs of this migration, after it was undone or marked."""
        return self._abandoned(step, "true", _SUPERSEDED)

    def _abandoned(self, step: Step, which: str, why: str) -> str:
        return (
            f"update {self._log} set state = 'failed', finished_at = coalesce(finished_at,"
            f" pg_catalog.clock_timestamp()), error = coalesce(error, {literal(why)})"
            f" where version::text = {literal(step.version)} and run_id <> {self._run_id}"
            f" and state::text = 'started' and {which};\n"
        )

    def failed(self, step: Step, error: Error) -> str:
        """The log entry of a transactional migration that was rolled back; written in another transaction."""
        return self._insert({**self._whole(step), **_open(in_transaction=True), **_failed(error)})

    def broken(self, step: Step, error: Error) -> str:
        """Close the log entry of `started` as failed."""
        return self._close(step, None, LogState.FAILED, error)

    # -- the cursor of a backfill

    def cursor_opened(self, step: Step, number: int, statement: Statement, cursor: str) -> str:
        """Open the entry that keeps the cursor of a backfill; the query returns its id and the cursor.

        It goes on from the newest cursor of earlier runs, whose entries it closes; `cursor` is JSON, for a first page.
        """
        earlier = (
            f"update {self._log} set state = 'failed', error = coalesce(error, {literal(_CONTINUED)}), finished_at ="
            f" coalesce(finished_at, pg_catalog.clock_timestamp()) where {self._open_cursor(step, number)}"
            " returning event_id, details"
        )
        has_pages = "(details ->> 'pages') <> '0'::text"
        newest = f"select details from earlier where {has_pages} order by event_id desc limit 1"
        kept = f"coalesce(({newest}), {literal(cursor)}::jsonb)"
        row = {**self._part(step, number, statement), **_open(in_transaction=True), "details": kept}
        return (
            f"with earlier as ({earlier}) insert into {self._log} ({', '.join(row)}) values ({', '.join(row.values())})"
            " returning event_id::text, details::text;\n"
        )

    def cursor_of_script(self, step: Step, number: int) -> tuple[str, str]:
        """The log table, and the condition on the open entry of a backfill, for a script."""
        return self._log, self._open_cursor(step, number)

    def _open_cursor(self, step: Step, number: int) -> str:
        return (
            f"version::text = {literal(step.version)} and direction::text = {literal(step.log_kind.value)}"
            f" and step = {number} and state::text = 'started' and (details -> 'pages') is not null"
        )

    def cursor_claimed(self, event_id: int, pages: int, after: str) -> str:
        """Lock the cursor for a page. Fails (22P02, `CURSOR`) if it is not where this run has left it."""
        at = "(details -> 'after') is not distinct from"
        return (
            f"with claimed as (select 1 from {self._log} where event_id = {event_id}::bigint"
            f" and state::text = 'started' and (details ->> 'pages') = '{pages}'::text and {at} {literal(after)}::jsonb"
            f" for update) {_proved(1, CURSOR)} from claimed;\n"
        )

    def cursor_moved(self, event_id: int, cursor: str, *, state: LogState) -> str:
        """Move the cursor at the end of a page; DONE: it was the last one."""
        ended = {"state": literal(state.value), **_ended("started_at")} if state is LogState.DONE else {}
        values = {"details": f"{literal(cursor)}::jsonb", **ended}
        assignments = ", ".join(f"{column} = {value}" for column, value in values.items())
        return (
            f"with moved as (update {self._log} set {assignments}"
            f" where event_id = {event_id}::bigint returning 1) {_proved(1, CURSOR)} from moved;\n"
        )

    def cursor_read(self, event_id: int) -> str:
        """A query for state and cursor; it waits for a page whose COMMIT is on its way."""
        return f"select state::text, details::text from {self._log} where event_id = {event_id}::bigint for update;\n"

    # -- rendering

    def _whole(self, step: Step, details: Mapping[str, object] | None = None) -> dict[str, str]:
        migration = step.migration
        replaced = {"replaces": [each.version for each in step.replaces]} if step.replaces else {}
        said = {**(details or {}), **replaced, **_unrun(step), **self._description(step)}
        parts = [f"{literal(_json(said))}::jsonb"] if said else []
        if migration and migration.bound and (hashes := self._value_hashes(step)):
            parts.append(f"{hashes}::jsonb")
        return {
            **self._common(step),
            "checksum": literal(migration.checksum if migration else None),
            "token_checksum": literal(migration.token_checksum if migration else None),
            "up_sql": literal(migration.up_sql if migration and step.direction is Direction.UP else None),
            "down_sql": literal(migration.down_sql if migration else None),
            **({"details": reduce(_both, parts)} if parts else {}),
        }

    def _description(self, step: Step) -> Mapping[str, object]:
        if step.migration is None or not step.migration.head:
            return {}
        from dbmigrate.planning import description

        pattern = description.TICKETS if self._run.tickets is None else self._run.tickets
        return description.details(description.of(step.migration.head, pattern))

    def _value_hashes(self, step: Step) -> str | None:
        from dbmigrate.tracking import value_hashes  # few migrations have variables

        return (self._details or value_hashes.details)(self._run.run_id, step)

    def _part(self, step: Step, number: int, statement: Statement) -> dict[str, str]:
        column = "up_sql" if step.direction is Direction.UP else "down_sql"
        return {
            **self._common(step),
            "step": literal(number),
            "checksum": literal(statement_checksum(statement)),
            column: literal(kept(statement.sql)),
        }

    def _common(self, step: Step) -> dict[str, str]:
        # by the primary key's index, which is cheaper to plan than max()
        newest = f"select event_id + 1 from {self._log} order by event_id desc limit 1"
        return {
            "event_id": f"coalesce(({newest}), 1)",
            "version": literal(step.version),
            "file": literal(step.name),
            "direction": literal(step.log_kind.value),
            **self._of_run,
        }

    def _insert(self, values: Mapping[str, str]) -> str:
        row = f"insert into {self._log} ({', '.join(values)}) values ({', '.join(values.values())}) returning 1"
        return f"with made as ({row}) {_proved(1, EVENTS)} from made;\n"

    def _close(self, step: Step, number: int | None, state: LogState, error: Error | None = None) -> str:
        """Close the open log entry of this run. Fails if it is gone, which would be a bug."""
        row = self._closing(step, number, state, error)
        return f"with closed as ({row}) {_proved(1, EVENTS)} from closed;\n"

    def _closing(self, step: Step, number: int | None, state: LogState, error: Error | None) -> str:
        ended = {"state": literal(state.value), **_ended("started_at"), **(_failed(error, state) if error else {})}
        assignments = ", ".join(f"{column} = {value}" for column, value in ended.items())
        which = "step is null" if number is None else f"step = {number}"
        return (
            f"update {self._log} set {assignments} where run_id = {self._run_id}"
            f" and version::text = {literal(step.version)} and direction::text = {literal(step.log_kind.value)}"
            f" and {which} and state::text = 'started' returning 1"
        )


def _unrun(step: Step) -> Mapping[str, object]:
    """What is kept of a repeatable migration that is recorded and not run."""
    if step.log_kind is not LogKind.REPEATABLE or step.action is not Action.RECORD:
        return {}
    return {"recorded": "as run" if step.migration else "as pending"}


def _both(one: str, other: str) -> str:
    """The JSON object with the keys of two, as SQL text."""
    return f"pg_catalog.jsonb_concat({one}, {other})"


def _proved(expected: int, what: str) -> str:
    """The start of a query that fails (22P02) unless it counts `expected` rows."""
    return f"select case when count(*) = {expected} then {expected} else ('{what}: ' || count(*)::text)::int end"


# the texts that distinguish a failed proof from other errors; the counted number follows
ROWS, EVENTS, REPLACED = "rows of the version", "entries of the log", "rows of the replaced versions"
CURSOR = "cursors of the backfill"

ENDED = "the run ended without logging its outcome: it was killed, or lost its connection"
_SUPERSEDED = "the run ended without logging its outcome; the migration was undone or marked since"
_CONTINUED = "the run ended before its last page; another one went on from its cursor"
_KEPT_CHARACTERS = 1024 * 1024


def kept(text: str) -> str | None:
    """SQL as the log keeps it: whole, or not at all when it is so large that the log would double the database."""
    return text if len(text) <= _KEPT_CHARACTERS else None


def statement_checksum(statement: Statement) -> str:
    """SHA-256 (hex) of one statement's text, which shows `resume` whether a finished statement was edited."""
    import hashlib

    return hashlib.sha256(statement.sql.encode()).hexdigest()


def _json(value: object) -> str:
    import json

    return json.dumps(value)


def literal(value: str | int | None) -> str:
    """A value as SQL text that is correct under both settings of standard_conforming_strings.

    https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-STRINGS-ESCAPE
    """
    if value is None:
        return "NULL"
    if not isinstance(value, str):
        return str(value).lower()
    # PostgreSQL has neither NUL nor lone surrogates, which undecodable bytes of a command line become
    text = value if value.isascii() else value.encode(errors="replace").decode()
    quoted = text.replace("'", "''").replace("\0", "?")
    return " E'{}'".format(quoted.replace("\\", "\\\\")) if "\\" in quoted else f"'{quoted}'"


def identifier(name: str) -> str:
    """A name as SQL text."""
    return '"{}"'.format(name.replace('"', '""'))


def _open(*, in_transaction: bool) -> dict[str, str]:
    return {
        "in_transaction": literal(in_transaction),
        "state": literal(LogState.STARTED.value),
        "started_at": "pg_catalog.clock_timestamp()",
    }


def _ended(since: str) -> dict[str, str]:
    milliseconds = f"pg_catalog.date_part('epoch'::text, pg_catalog.clock_timestamp() - {since}) * 1000::float8"
    return {"finished_at": "pg_catalog.clock_timestamp()", "duration_ms": milliseconds}


def _failed(error: Error, state: LogState = LogState.FAILED) -> dict[str, str]:
    return {
        "state": literal(state.value),
        "finished_at": "pg_catalog.clock_timestamp()",
        "error": literal(error.message),
        "sqlstate": literal(error.sqlstate),
    }


def _joined(values: Mapping[str, str]) -> dict[str, str]:
    """Several columns as one, joined once for all rows; without those that are NULL."""
    given = {column: value for column, value in values.items() if value != "NULL"}
    return {", ".join(given): ", ".join(given.values())}


# the columns that are the same in every log entry that is committed together with its effect
_DONE = _joined(
    {
        "in_transaction": literal(True),
        "state": literal(LogState.DONE.value),
        "started_at": "pg_catalog.transaction_timestamp()",
        **_ended("pg_catalog.transaction_timestamp()"),
    }
)


def record_versions(conn: Connection, tables: Tables, applied: Sequence[str]) -> None:
    """Record versions as applied in a scratch database, without log entries."""
    conn.execute(sql.SQL("insert into {} (version) select unnest(%s::text[])").format(tables.versions), [list(applied)])
