"""Run a plan: each migration in its own transaction with its log entry, or step by step, each one logged.

The protocol of a transactional migration is two messages, and one more for each further batch of a large file; small
files of plain statements are one message (`whole_transaction`):

1. BEGIN, SET LOCAL, take the lock again inside the transaction (a fence: it fails if the session's lock was lost),
   return the transaction's id; then the file's SQL, verbatim, in batches. After each the session must still be inside
   the transaction. Where the file has conditions, they are asked between its batches;
2. fire deferred constraints, leave the file's role and search_path, prove that the transaction is still the same one,
   write the version row and the log entry, COMMIT. The command tag must say COMMIT: a failed transaction says ROLLBACK.
   After COMMIT, in another transaction: a reset of the session for the next migration.

The record comes last, so that a transaction that slipped through every check is unrecorded (loud) rather than recorded
without its effect (silent).
"""

from __future__ import annotations

import re
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import psycopg

from dbmigrate.connection import database, silence
from dbmigrate.errors import (
    AlreadyDone,
    ConnectionFailed,
    DatabaseError,
    Error,
    Interrupted,
    LockNotAcquired,
    MigrationFailed,
    NeedsAttention,
)
from dbmigrate.events import StepDone, StepFailed, StepStarted, Warned
from dbmigrate.execution import (
    batches,
    commit_outcome,
    conditions,
    lock_retries,
    nontransactional,
    saving,
    server_errors,
)
from dbmigrate.execution.deferral import Deferred
from dbmigrate.execution.session import LOCK_LOST
from dbmigrate.execution.transaction_end import LEFT, LEFT_HINT, closing, refuse_changes
from dbmigrate.execution.whole_transaction import Record, WholeTransactions
from dbmigrate.migrations.conditions import parts
from dbmigrate.model import Direction, LogKind, Problem, Severity
from dbmigrate.reports import Outcome
from dbmigrate.tracking.write_log import EVENTS, ROWS

if TYPE_CHECKING:
    from dbmigrate.execution.conditions import Asker
    from dbmigrate.execution.lock_retries import AttemptWatch, Pacing
    from dbmigrate.execution.saving import Saver
    from dbmigrate.execution.session import Session
    from dbmigrate.migrations.conditions import Condition
    from dbmigrate.model import Migration, Plan, Statement, Step


class Executor:
    """Runs plans in one session. `done` holds what was completed, also after a failure."""

    def __init__(
        self, session: Session, pacing: Pacing, asker: Asker | None = None, saver: Saver | None = None
    ) -> None:
        self._session = session
        self._pacing = pacing
        self._saver = saver
        self._asker = asker or conditions.Demand()
        self._newest: int | None = None  # the newest log entry, as long as no other run can have written one
        self._counts = not session.facts.is_pooled  # whether this run numbers its log entries itself
        self._upcoming: Step | None = None
        self._whole = WholeTransactions(session, self._record)
        self.done: list[Outcome] = []
        self.deferred: list[Step] = []  # whose backfills were left for later

    def run(self, plan: Plan) -> None:
        """Run every step of `plan`.

        Raises MigrationFailed E401 to E406, E413, E414 (the step was rolled back), NeedsAttention E501 to E504, E510,
        E511, ConnectionFailed E305, LockNotAcquired E601, Refused E734, E735 (as rolled back), Interrupted. Steps
        before the failing one stay applied and are in `done`.
        """
        try:
            for position, step in enumerate(plan.steps):
                self._upcoming = plan.steps[position + 1] if position + 1 < len(plan.steps) else None
                self._run_step(step)
                if self._upcoming is not None:
                    self._refuse_lost()
        except KeyboardInterrupt as exc:
            raise Interrupted.by(exc, "interrupted between two migrations") from exc

    def _refuse_lost(self) -> None:
        """Raise where the next step would run without a connection or without the lock."""
        if self._session.conn.closed:
            raise ConnectionFailed("the connection was lost", code="E305")
        if self._session.lock_lost is not None:
            raise self._session.lock_lost

    def _run_step(self, step: Step) -> None:
        started = time.monotonic()
        self._session.committing = None
        self._session.hide_values_of(step.migration)
        self._session.emit(StepStarted(step))
        try:
            tally = self._run(step)
        except AlreadyDone as exc:
            self._session.emit(Warned(Problem("W306", exc.message)))
            return
        except Deferred as exc:
            self._session.emit(Warned(Problem("W350", exc.message, Severity.NOTE, hint=exc.hint)))
            self.deferred.append(step)
            return
        except (Error, batches.StatementError, psycopg.Error, KeyboardInterrupt) as exc:
            if isinstance(exc, KeyboardInterrupt) and self._is_committed():
                self._finish(Outcome(step, time.monotonic() - started))
                raise Interrupted.by(exc, f"interrupted after {step.name} was {step.direction.past}") from exc
            self._session.emit(StepFailed(step, time.monotonic() - started))
            raise self._completed(step, self._failure(step, exc), exc) from exc
        self._finish(Outcome(step, time.monotonic() - started, tally.statements, tally.rows))

    def _is_committed(self) -> bool:
        """Whether the transaction was committed before the signal could stop it. Only the server knows."""
        if self._session.committing is None:
            return False
        self._session.abort()
        outcome = self._session.committing()
        if outcome is False:
            self._session.committing = None
        return bool(outcome)

    def _finish(self, outcome: Outcome) -> None:
        self.done.append(outcome)
        self._session.emit(StepDone(outcome))

    def _run(self, step: Step) -> batches.Tally:
        if step.runs_sql and step.migration and not step.migration.is_transactional(step.direction):
            self._newest = None
            return nontransactional.run(self._session, step, self._pacing, self._asker)
        try:
            return self._run_as_a_whole(step)
        except psycopg.errors.UniqueViolation as exc:
            # another run took the number: one that lost the lock, and logs its failure
            if self._newest is None or not self._is_about_the_log(exc):
                raise
            self._newest, self._counts = None, False
            self._session.abort()
            return self._run_as_a_whole(step)

    def _is_about_the_log(self, exc: psycopg.Error) -> bool:
        tables = self._session.tables
        return (exc.diag.schema_name, exc.diag.table_name) == (tables.schema, tables.log_name)

    def _run_as_a_whole(self, step: Step) -> batches.Tally:
        if not step.runs_sql or step.migration is None:
            return self._record_only(step)
        return self._with_retries(step, step.migration)

    def _record_only(self, step: Step) -> batches.Tally:
        xid = self._session.begin(step, self._pacing.settings(self._session.dsn, None))
        if step.replaces:
            self._newest = None  # it writes several log entries
        self._newest = self._commit(step, xid)
        return batches.Tally()

    # -- the transaction

    def _with_retries(self, step: Step, migration: Migration) -> batches.Tally:
        limits = self._pacing.of(step)

        def attempt(watch: AttemptWatch) -> batches.Tally:
            if self._saver:
                self._saver.discard()
            tally = self._in_one_message(step, limits, watch)
            return self._transaction(step, migration, limits, watch) if tally is None else tally

        return lock_retries.with_retries(self._session, step, limits, attempt=attempt)

    def _in_one_message(self, step: Step, limits: Pacing, watch: AttemptWatch) -> batches.Tally | None:
        """None where something may happen between two statements, but for an error."""
        if self._saver is not None or self._session.observer is not None or limits.max_blocked is not None:
            return None
        settings = limits.settings(self._session.dsn, watch.limit)
        done = self._whole.run(step, settings, watch.pulse, newest=self._newest, upcoming=self._upcoming)
        if done is None:
            return None
        self._newest = done.event
        return done.tally

    def _transaction(self, step: Step, migration: Migration, limits: Pacing, watch: AttemptWatch) -> batches.Tally:
        tally, xid = batches.Tally(), ""
        self._session.committing = None
        settings = limits.settings(self._session.dsn, watch.limit)
        for part in parts(migration, step.direction):
            if part.before:
                xid = xid or self._session.begin(step, settings)
                self._ask(part.before, migration, watch)
            for destroying, source in saving.pieces(migration, part.sections, self._saver, self._session.observer):
                opening = None if xid or destroying else self._session.opening(settings)
                xid = xid or ("" if opening else self._session.begin(step, settings))
                self._save(destroying, migration, watch)
                for sent in batches.send(self._session.conn, source, pulse=watch.pulse, opening=opening):
                    xid = xid or sent.row[0]
                    tally.add(sent.tags)
                    watch.completed(sent.batch, sent.tags)
                    refuse_changes(self._session.conn, migration)
            xid = xid or self._session.begin(step, settings)
            self._ask(part.after, migration, watch)
        if self._saver:
            self._saver.keep()
        self._newest = self._commit(step, xid)
        return tally

    def _save(self, destroying: Statement | None, migration: Migration, watch: AttemptWatch) -> None:
        if destroying is not None and self._saver is not None:
            context = conditions.Context(self._session.conn, self._session.dsn, migration, pulse=watch.pulse)
            self._saver.save(context, destroying)

    def _ask(self, asked: tuple[Condition, ...], migration: Migration, watch: AttemptWatch) -> None:
        if asked:
            context = conditions.Context(self._session.conn, self._session.dsn, migration, pulse=watch.pulse)
            self._asker.ask(context, asked)

    def _commit(self, step: Step, xid: str) -> int | None:
        """Record the step and commit. If the connection is lost here, a new one asks for the commit outcome.

        Returns the id of the log entry, if it is known and no other run can write one in between.
        """
        self._session.committing = partial(self._session.commit_outcome, xid)
        record = self._record(step, self._newest)
        try:
            row = self._session.commit(f"{closing(_quoted(xid))}{self._session.pooler_reset()}{record.text}")
        except psycopg.Error as exc:
            if not self._session.conn.broken and not database.is_loss(exc):
                raise
            if not commit_outcome.was_committed(self._session, step, exc):
                raise commit_outcome.lost(exc, self._session.dsn) from exc
            return None
        if row is None:
            raise MigrationFailed(f"{step.name}: the transaction was rolled back by the server", code="E403")
        return record.entry(row)

    def _record(self, step: Step, newest: int | None) -> Record:
        """What is written before COMMIT: the version row and the log entry behind the newest one."""
        writer = self._session.writer
        event = None if newest is None else newest + 1
        asks = event is None and self._counts
        text = f"{writer.record(step)}{writer.finished(step, event)}{writer.newest() if asks else ''}"
        return Record(text, event, asks)

    # -- failures

    def _failure(self, step: Step, exc: BaseException) -> Error:
        """Clean up after a failed step, log it, and state what is true of the database now."""
        was_lost = self._session.conn.broken
        self._session.abort()
        if self._saver:
            self._saver.discard()
        error = _of_repeatable(step, self._translate(step, exc))
        with suppress(psycopg.Error):  # the connection may be lost at this moment, too
            self._session.reset()
        if isinstance(error, ConnectionFailed):
            error.sqlstate = error.sqlstate or silence.ended_by(self._session.conn)
        if isinstance(error, NeedsAttention) or step.migration is None:
            return error
        is_transactional = step.migration.is_transactional(step.direction)
        if error.state and not is_transactional:
            return error  # the run of its steps has logged it
        if is_transactional:
            error.state = error.state or (
                self._state(step, is_lost=was_lost) if isinstance(error, Interrupted) else _undone(step)
            )
            if error.code not in conditions.CODES:  # a condition that is not true leaves the log as it was
                self._log_failure(step, error)
        else:
            self._session.log_failure(self._session.writer.broken(step, error))
        error.state = error.state or "it runs without a transaction: `dbmigrate status` shows which steps are done"
        return error

    def _completed(self, step: Step, error: Error, exc: BaseException) -> Error:
        """`error` with what a person needs to go on."""
        from dbmigrate.execution import diagnosis

        return diagnosis.complete(self._session, step, self._pacing, error, exc)

    def _log_failure(self, step: Step, error: Error) -> None:
        self._session.log_failure(self._session.writer.failed(step, error))

    def _state(self, step: Step, *, is_lost: bool) -> str:
        """What is true after an interruption."""
        if self._session.committing is not None:
            return f"the commit outcome of {step.name} is unknown; `dbmigrate status` shows it"
        return _undone(step, "the server will roll it back" if is_lost else "rolled back")

    def _translate(self, step: Step, exc: BaseException) -> Error:
        if isinstance(exc, Error):
            return exc
        if isinstance(exc, batches.StatementError):
            assert step.migration is not None
            return server_errors.failure(exc, step.migration, self._session.dsn)
        if isinstance(exc, psycopg.Error):
            return self._translate_own(step, exc)
        return Interrupted.by(exc, f"{step.name} was interrupted")

    def _translate_own(self, step: Step, exc: psycopg.Error) -> Error:
        """An error in what dbmigrate sent: the proof, the version row, the log entry; or of a deferred constraint."""
        error = database.translation(exc, self._session.dsn)
        if not isinstance(error, DatabaseError):
            return error
        raw = exc.diag.message_primary or ""  # the value of a variable may mask words of it
        if LEFT in raw:
            return MigrationFailed(f"{step.name}: {LEFT}", code="E403", hint=LEFT_HINT, sqlstate=error.sqlstate)
        if LOCK_LOST in raw:
            return LockNotAcquired(LOCK_LOST, code="E601", hint="run the command again")
        if unproved := _unproved(step, error, raw):
            return unproved
        hint = None
        if exc.diag.table_name == self._session.tables.name and error.sqlstate == "23505":
            hint = "another tool applied it meanwhile; see `dbmigrate status`"
        return error.recast(MigrationFailed, f"{step.name}: {error.message} ({error.sqlstate})", code="E401", hint=hint)


def _undone(step: Step, how: str = "rolled back") -> str:
    return f"{how}; nothing of {step.name} was {step.direction.past}"


def _of_repeatable(step: Step, error: Error) -> Error:
    """One without a transaction that stopped partway needs nobody's decision: it can run twice."""
    if step.log_kind is not LogKind.REPEATABLE or not isinstance(error, NeedsAttention) or error.code == "E503":
        return error
    again = error.recast(MigrationFailed, code="E401")
    again.hint = "correct the file and run the command again: it begins with the first statement"
    again.state = f"{error.state}; the next run begins with its first statement" if error.state else None
    return again


def _unproved(step: Step, error: DatabaseError, raw: str) -> MigrationFailed | None:
    """The error for a version row or log entry that is missing, still there, or there twice; `raw` says which."""
    if error.sqlstate == "0A000":  # a rule on the log table: statements with RETURNING do not work there
        message, hint = f"its log entry was not written: {error.message}", _ON_LOG
    elif match := _EVENTS.search(raw):
        message, hint = f"{match[1]} log entries were written instead of one", _ON_LOG
    elif match := _ROWS.search(raw):
        times = int(match[1])
        message = "its version was not recorded"
        if step.direction is Direction.DOWN:
            message = "its version is still recorded" if times else "its version was no longer recorded"
        hint = _ON_TABLE
        if times > 1:
            message, hint = f"its version is recorded {times} times instead of once", _TWICE
    else:
        return None
    return MigrationFailed(f"{step.name}: {message}", code="E401", hint=hint, sqlstate=error.sqlstate)


_ROWS = re.compile(rf"{ROWS}: (\d+)")
_EVENTS = re.compile(rf"{EVENTS}: (\d+)")
_ON_TABLE = "look at the tracking table (psql: \\d): a trigger or a rule on it discards what is written; drop it"
_ON_LOG = "look at the log table (psql: \\d): a trigger or a rule on it discards what is written; drop it"
_TWICE = "look at the tracking table: its primary key is missing, or another tool wrote to it"


def _quoted(digits: str) -> str:
    return f"'{digits}'"
