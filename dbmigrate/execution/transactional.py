"""Run a plan: every step in its own transaction with its record, or statement by statement with a journal.

The protocol of a transactional migration is two messages, and one more for each further batch of a large file:

1. BEGIN, SET LOCAL, take the lock again inside the transaction (a fence: it fails if the session's lock was lost),
   return the transaction's id; then the file's SQL, verbatim, in batches. After each the session must still be inside
   the transaction;
2. fire deferred constraints, leave the file's role and search_path, prove that the transaction is still the same one,
   write the version row and the log row, COMMIT. The command tag must say COMMIT: a failed transaction says ROLLBACK.
   Behind COMMIT, in a transaction of its own: a reset of the session for the next migration.

The record comes last, so that a transaction that slipped through every check is unrecorded (loud) rather than recorded
without its effect (silent).
"""

from __future__ import annotations

import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg
from psycopg import pq

from dbmigrate.connection import database
from dbmigrate.errors import (
    ConnectionFailed,
    DatabaseError,
    Error,
    Interrupted,
    LockNotAcquired,
    MigrationFailed,
    NeedsAttention,
    AlreadyDone,
)
from dbmigrate.events import StepDone, StepFailed, StepStarted, Warned
from dbmigrate.execution import batches, lock_retries, server_errors, stepwise, text_settings
from dbmigrate.execution.session import LOCK_LOST
from dbmigrate.migrations import parser
from dbmigrate.model import Direction, Problem
from dbmigrate.reports import Outcome
from dbmigrate.tracking.write_log import EVENTS, ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbmigrate.connection.database import Connection
    from dbmigrate.execution.lock_retries import Pacing, Watch
    from dbmigrate.execution.session import Session
    from dbmigrate.model import Migration, Plan, Step

# the text by which a failed proof is told apart from an error of the migration's own
_LEFT = "the migration left its own transaction"


class Executor:
    """Runs plans in one session. `done` holds what was completed, also after a failure."""

    def __init__(self, session: Session, pacing: Pacing) -> None:
        self._session = session
        self._pacing = pacing
        self._newest: int | None = None  # the last event of the log, as long as no other run can have written one
        self._counts = not session.facts.is_pooled  # whether it is this run that gives its events their numbers
        self.done: list[Outcome] = []

    def run(self, plan: Plan) -> None:
        """Run every step of `plan`.

        Raises MigrationFailed E401 to E406 (the step was rolled back), NeedsAttention E501 to E504, ConnectionFailed
        E305, LockNotAcquired E601, Interrupted. Steps before the failing one stay applied and are in `done`.
        """
        try:
            for position, step in enumerate(plan.steps):
                self._run_step(step)
                if self._session.conn.closed and position + 1 < len(plan.steps):
                    raise ConnectionFailed("the connection was lost", code="E305")
        except KeyboardInterrupt as exc:
            raise Interrupted.by(exc, "interrupted between two migrations") from exc

    def _run_step(self, step: Step) -> None:
        started = time.monotonic()
        self._session.committing = None
        self._session.emit(StepStarted(step))
        try:
            tally = self._run(step)
        except AlreadyDone as exc:
            self._session.emit(Warned(Problem("W306", exc.message)))
            return
        except (Error, batches.StatementError, psycopg.Error, KeyboardInterrupt) as exc:
            if isinstance(exc, KeyboardInterrupt) and self._came_too_late():
                self._finish(Outcome(step, time.monotonic() - started))
                past = _PAST[step.direction.value]
                raise Interrupted.by(exc, f"interrupted when {step.name} was {past} already") from exc
            self._session.emit(StepFailed(step, time.monotonic() - started))
            raise self._failure(step, exc) from exc
        self._finish(Outcome(step, time.monotonic() - started, tally.statements, tally.rows))

    def _came_too_late(self) -> bool:
        """Whether the transaction was committed before a signal could stop it: the server knows, nobody else does."""
        if self._session.committing is None:
            return False
        self._session.abort()
        return bool(self._session.commit_outcome(self._session.committing))

    def _finish(self, outcome: Outcome) -> None:
        self.done.append(outcome)
        self._session.emit(StepDone(outcome))

    def _run(self, step: Step) -> batches.Tally:
        if step.runs_sql and step.migration and not step.migration.is_transactional(step.direction):
            self._newest = None
            return stepwise.run(self._session, step, self._pacing)
        try:
            return self._as_a_whole(step)
        except psycopg.errors.UniqueViolation as exc:
            # somebody who does not hold the lock, as a run that has lost it and tells of that, took the event's number
            if self._newest is None or not self._is_about_the_log(exc):
                raise
            self._newest, self._counts = None, False
            self._session.abort()
            return self._as_a_whole(step)

    def _is_about_the_log(self, exc: psycopg.Error) -> bool:
        tables = self._session.tables
        return (exc.diag.schema_name, exc.diag.table_name) == (tables.schema, tables.log_name)

    def _as_a_whole(self, step: Step) -> batches.Tally:
        if not step.runs_sql or step.migration is None:
            return self._record_only(step)
        return self._persist(step, step.migration)

    def _record_only(self, step: Step) -> batches.Tally:
        xid = self._session.begin(step, self._pacing.settings(self._session.dsn, None))
        self._newest = self._commit(step, xid)
        return batches.Tally()

    # -- the transaction

    def _persist(self, step: Step, migration: Migration) -> batches.Tally:
        limits = self._pacing.of(step)
        return lock_retries.persist(
            self._session, step, limits, attempt=lambda watch: self._transaction(step, migration, limits, watch)
        )

    def _transaction(self, step: Step, migration: Migration, limits: Pacing, watch: Watch) -> batches.Tally:
        tally = batches.Tally()
        self._session.committing = None
        settings = limits.settings(self._session.dsn, watch.limit)
        opening = self._session.opening(settings)
        xid = "" if opening else self._session.begin(step, settings)
        for sent in batches.send(self._session.conn, _batches(step, migration), pulse=watch.pulse, opening=opening):
            xid = xid or sent.row[0]
            tally.add(sent.tags)
            watch.completed(sent.batch)
            refuse_changes(self._session.conn, migration)
        self._newest = self._commit(step, xid or self._session.begin(step, settings))
        return tally

    def _commit(self, step: Step, xid: str) -> int | None:
        """Record the step and commit. A connection that is lost here is asked about on a new one.

        Returns the id of the event, if it is known and no other run can come in between.
        """
        writer = self._session.writer
        self._session.committing = xid
        event = None if self._newest is None else self._newest + 1
        asks = event is None and self._counts
        record = f"{writer.record(step)}{writer.finished(step, event)}{writer.newest() if asks else ''}"
        try:
            row = self._session.commit(f"{closing(_quoted(xid))}{self._session.leaving()}{record}")
        except psycopg.Error as exc:
            if not self._session.conn.broken and not database.is_loss(exc):
                raise
            self._resolve(step, xid, exc)
            return None
        if row is None:
            raise MigrationFailed(f"{step.name}: the transaction was rolled back by the server", code="E403")
        return int(row[0]) if asks else event

    def _resolve(self, step: Step, xid: str, exc: psycopg.Error) -> None:
        """Return if the transaction turns out to be committed; the work can then go on in the new session."""
        committed = self._session.commit_outcome(xid)
        if committed is None:
            raise NeedsAttention(
                f"the connection was lost while {step.name} was being committed, and the server could not be asked"
                " whether it was",
                code="E503",
                hint="when the server is back, `dbmigrate status` shows what is true",
            ) from exc
        if not committed:
            raise ConnectionFailed("the connection was lost before the transaction was committed", code="E305") from exc
        self._session.regain_lock()

    # -- failures

    def _failure(self, step: Step, exc: BaseException) -> Error:
        """Clean up after a failed step, write it to the log, and say what is true now."""
        was_lost = self._session.conn.broken
        self._session.abort()
        error = self._translate(step, exc)
        with suppress(psycopg.Error):  # it may be lost at this very moment, too
            self._session.reset()
        if isinstance(error, NeedsAttention) or step.migration is None:
            return error
        if step.migration.is_transactional(step.direction):
            error.state = error.state or self._state(step, is_lost=was_lost and isinstance(error, Interrupted))
            self._session.note(self._session.writer.failed(step, error))
        else:
            self._session.note(self._session.writer.broken(step, error))  # unless it is closed already
        error.state = error.state or "it runs without a transaction: `dbmigrate status` shows how far it got"
        return error

    def _state(self, step: Step, *, is_lost: bool) -> str:
        if is_lost and self._session.committing is not None:
            return f"whether {step.name} was committed is not known; `dbmigrate status` shows it"
        undone = "not rolled back yet, but it will be" if is_lost else "rolled back"
        return f"{undone}; nothing of {step.name} was {_PAST[step.direction.value]}"

    def _translate(self, step: Step, exc: BaseException) -> Error:
        if isinstance(exc, Error):
            return exc
        if isinstance(exc, batches.StatementError):
            assert step.migration is not None
            return server_errors.failure(exc, step.migration, self._session.dsn)
        if isinstance(exc, psycopg.Error):
            return self._translate_ours(step, exc)
        return Interrupted.by(exc, f"{step.name} was interrupted")

    def _translate_ours(self, step: Step, exc: psycopg.Error) -> Error:
        """An error in what we sent ourselves: the proof, the record, or a constraint that fired at the end."""
        error = database.translation(exc, self._session.dsn)
        if not isinstance(error, DatabaseError):
            return error
        if _LEFT in error.message:
            return MigrationFailed(f"{step.name}: {_LEFT}", code="E403", hint=_LEFT_HINT, sqlstate=error.sqlstate)
        if LOCK_LOST in error.message:
            return LockNotAcquired(LOCK_LOST, code="E601", hint="run the command again")
        if unproved := _unproved(step, error):
            return unproved
        hint = None
        if exc.diag.table_name == self._session.tables.name and error.sqlstate == "23505":
            hint = "another tool applied it in the meantime; see `dbmigrate status`"
        return MigrationFailed(
            f"{step.name}: {error.message} ({error.sqlstate})",
            code="E401",
            hint=hint,
            details=error.details,
            sqlstate=error.sqlstate,
        )


def _unproved(step: Step, error: DatabaseError) -> MigrationFailed | None:
    """What the proof of the record found: a row that is not there, or is still there, or is there twice."""
    if error.sqlstate == "0A000":  # a rule on the log, which no statement that returns its rows works with
        message, hint = f"its record was not written: {error.message}", _ON_LOG
    elif match := _EVENTS.search(error.message):
        message, hint = f"{match[1]} entries were written to the log instead of one", _ON_LOG
    elif match := _ROWS.search(error.message):
        times = int(match[1])
        message = "its version was not recorded"
        if step.direction is Direction.DOWN:
            message = "its version is still recorded" if times else "its version is not recorded any more"
        hint = _ON_TABLE
        if times > 1:
            message, hint = f"its version is recorded {times} times instead of once", _TWICE
    else:
        return None
    return MigrationFailed(f"{step.name}: {message}", code="E401", hint=hint, sqlstate=error.sqlstate)


_ROWS = re.compile(rf"{ROWS}: (\d+)")
_EVENTS = re.compile(rf"{EVENTS}: (\d+)")
_ON_TABLE = (
    "look at the tracking table (psql: \\d): a trigger or a rule on it seems to swallow what is written; drop it"
)
_ON_LOG = "look at the log table (psql: \\d): a trigger or a rule on it seems to swallow what is written; drop it"
_TWICE = "look at the tracking table: another tool, or a missing primary key, has been at work"
_PAST = {"up": "applied", "down": "undone"}
_LEFT_HINT = "it committed or rolled back by itself: take that out, or use `transaction:false`"


def _batches(step: Step, migration: Migration) -> Iterator[batches.Batch]:
    """What is sent for one direction; a batch never spans sections."""
    for section in migration.run_order(step.direction):
        passages = parser.passages(migration, section)
        if passages is None:
            yield from batches.batches(parser.statements(migration, section))
        else:
            for passage in passages:
                yield batches.Batch(passage.sql, passage.number, passage.split, passage.copy_data)


def refuse_changes(conn: Connection, migration: Migration) -> None:
    """Raise when the file left the transaction (E403), or changed how its own text is read (E406)."""
    if conn.pgconn.transaction_status != pq.TransactionStatus.INTRANS:
        raise MigrationFailed(f"{migration.name}: {_LEFT}", code="E403", hint=_LEFT_HINT)
    text_settings.refuse_changed(conn, migration)


def closing(xid: str) -> str:
    """What comes between a file's SQL and its record: its last word, then our own role, path, patience and proof.

    Deferred constraints fire while the file's role, search_path and statement_timeout still hold. `xid` is an SQL text
    literal.
    """
    return (
        "SET CONSTRAINTS ALL IMMEDIATE;\nRESET SESSION AUTHORIZATION;\nRESET ROLE;\n"
        "SET LOCAL search_path = pg_catalog;\nSET LOCAL statement_timeout = 0;\n"
        "SELECT pg_catalog.set_config('lock_timeout', CASE setting WHEN '0' THEN '2s' ELSE setting END, true)"
        " FROM pg_catalog.current_setting('lock_timeout') AS setting;\n"
        f"SELECT CASE WHEN pg_catalog.pg_current_xact_id()::text = {xid} THEN '1' ELSE '{_LEFT}' END::int;\n"
    )


def _quoted(digits: str) -> str:
    return f"'{digits}'"
