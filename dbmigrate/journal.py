"""What is written to the tables of our own, rendered as text: version rows, and the events of the log.

The values stand in the text as literals, because a dry run prints the very text that a run sends. Every name is
schema-qualified: a migration may have changed the search_path. Nothing is sent from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg import sql

from dbmigrate.model import Action, Direction, LogState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dbmigrate.database import Connection
    from dbmigrate.errors import Error
    from dbmigrate.history import Tables
    from dbmigrate.model import Statement, Step


@dataclass(frozen=True, slots=True)
class Run:
    """What all events of one run have in common."""

    run_id: str
    os_user: str
    tool_version: str
    git_commit: str | None = None
    git_dirty: bool | None = None
    reason: str | None = None


class Writer:
    """Renders the statements that record events. Nothing is sent from here.

    Operands have the very types that an operator of pg_catalog is made for: where none fits exactly, one that somebody
    made in ``public`` could be taken, and would run with our rights. So a varchar is compared as text.
    """

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
            "with gone as (delete from {} where version::text = {} returning 1) select case when count(*) = 1 then 1"
            " else ('version rows instead of one: ' || count(*)::text)::int end from gone;\n",
            self._tables.versions,
            version,
        )

    def precondition(self, step: Step) -> str:
        """A statement that fails (22P02) unless the version row is as `step` expects to find it."""
        expected = 0 if step.direction is Direction.UP else 1
        return self._text(
            "select case when count(*) = {} then 1 else ('the version row is not as planned' || count(*)::text)::int"
            " end from {} where version::text = {};\n",
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
            "update {} set {} where run_id = {} and version::text = {} and direction::text = {} and {}"
            " and state::text = 'started';\n",
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
    milliseconds = f"extract(epoch from pg_catalog.clock_timestamp() - {since})::float8 * 1000::float8"
    return {"finished_at": sql.SQL("pg_catalog.clock_timestamp()"), "duration_ms": sql.SQL(milliseconds)}


def _failed(error: Error, state: LogState = LogState.FAILED) -> dict[str, sql.Composable]:
    return {
        "state": _literal(state.value),
        "finished_at": sql.SQL("pg_catalog.clock_timestamp()"),
        "error": _literal(error.message),
        "sqlstate": _literal(error.sqlstate),
    }
