"""Run a plan: every step in its own transaction with its record, or statement by statement with a journal.

The protocol of a transactional migration is three round trips:

1. reset the session, BEGIN, SET LOCAL, take the lock again inside the transaction (a fence: it fails if the session's
   lock was lost), remember the transaction's id;
2. the file's SQL, verbatim, in batches; after each the session must still be inside the transaction;
3. fire deferred constraints, leave the file's role and search_path, prove that the transaction is still the same one,
   write the version row and the log row, COMMIT. The command tag must say COMMIT: a failed transaction says ROLLBACK.

The record comes last, so that a transaction that slipped through every check is unrecorded (loud) rather than recorded
without its effect (silent).
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import psycopg
from psycopg import pq

from dbmigrate import database, diagnosis, parser, stepwise, wire
from dbmigrate.errors import (
    ConnectionFailed,
    DatabaseError,
    Error,
    Interrupted,
    LockNotAcquired,
    MigrationFailed,
    NeedsAttention,
    Terminated,
)
from dbmigrate.model import Outcome, Retrying, StepDone, StepFailed, StepStarted
from dbmigrate.pacing import Pacing, Watch

if TYPE_CHECKING:
    from dbmigrate.model import Migration, Plan, Step
    from dbmigrate.session import Session

# the text by which a failed proof is told apart from an error of the migration's own
_LEFT = "the migration left its own transaction"
_FENCE_LOST = "the migration lock was lost"


class Executor:
    """Runs plans in one session. `done` holds what was completed, also after a failure."""

    def __init__(self, session: Session, pacing: Pacing) -> None:
        self._session = session
        self._pacing = pacing
        self.done: list[Outcome] = []

    def run(self, plan: Plan) -> None:
        """Run every step of `plan`.

        Raises MigrationFailed E401 to E406 (the step was rolled back), NeedsAttention E501 to E504, ConnectionFailed
        E305, LockNotAcquired E601, Interrupted. Steps before the failing one stay applied and are in `done`.
        """
        for position, step in enumerate(plan.steps):
            started = time.monotonic()
            self._session.emit(StepStarted(step))
            try:
                tally = self._run(step)
            except (Error, wire.StatementError, psycopg.Error, KeyboardInterrupt) as exc:
                self._session.emit(StepFailed(step, time.monotonic() - started))
                raise self._failure(step, exc) from exc
            self._finish(Outcome(step, time.monotonic() - started, tally.statements, tally.rows))
            if self._session.conn.closed and position + 1 < len(plan.steps):
                raise ConnectionFailed("the connection was lost", code="E305")

    def _finish(self, outcome: Outcome) -> None:
        self.done.append(outcome)
        self._session.emit(StepDone(outcome))

    def _run(self, step: Step) -> wire.Tally:
        if not step.runs_sql or step.migration is None:
            return self._record_only(step)
        if step.migration.is_transactional(step.direction):
            return self._with_retries(step, step.migration)
        return stepwise.run(self._session, step, self._pacing)

    def _record_only(self, step: Step) -> wire.Tally:
        xid = self._begin(lock_timeout=None)
        self._commit(step, xid)
        return wire.Tally()

    # -- the transaction

    def _with_retries(self, step: Step, migration: Migration) -> wire.Tally:
        """The whole transaction again when a lock was not granted, once those who held it are gone."""
        attempts = self._pacing.attempts()
        for attempt, limit in enumerate(attempts, 1):
            watch = Watch(self._session, step, limit)
            try:
                return self._transaction(step, migration, watch)
            except wire.StatementError as exc:
                if not diagnosis.is_lock_failure(exc.cause.sqlstate) or attempts.is_spent():
                    raise
                self._session.abort()
                self._session.emit(Retrying(step, attempt, tuple(map(str, watch.blockers))))
                self._await(watch)
        raise AssertionError("attempts() never ends before is_spent()")

    def _await(self, watch: Watch) -> None:
        if watch.blockers:
            self._session.monitor.wait_until_gone(watch.blockers, seconds=self._pacing.patience)
        time.sleep(random.uniform(0.05, 0.25))

    def _transaction(self, step: Step, migration: Migration, watch: Watch) -> wire.Tally:
        tally = wire.Tally()
        xid = self._begin(lock_timeout=watch.limit)
        for section in migration.run_order(step.direction):
            for batch, tags in wire.send_all(
                self._session.conn, parser.statements(migration, section), pulse=watch.pulse
            ):
                tally.add(tags)
                watch.completed(batch)
                self._refuse_changes(migration)
        self._commit(step, xid)
        return tally

    def _begin(self, *, lock_timeout: float | None) -> str:
        """Open the transaction; return its id. Raises LockNotAcquired E601 when the lock is not ours any more."""
        session = self._session
        script = (
            f"{database.session_reset()} {database.session_settings(session.conn, session.dsn)} BEGIN;"
            f" {self._pacing.settings(session.dsn, lock_timeout)}"
            f" SELECT pg_catalog.pg_try_advisory_xact_lock({session.key.sql}), pg_catalog.pg_current_xact_id()::text;"
        )
        fenced, xid = last_row(database.run(session.conn, script))
        if not fenced:
            raise LockNotAcquired(f"{_FENCE_LOST} to another run", code="E601", hint="run the command again")
        return str(xid)

    def _refuse_changes(self, migration: Migration) -> None:
        """Raise when the file left the transaction (E403), or changed how its own text is read (E406)."""
        info = self._session.conn.info
        if info.transaction_status != pq.TransactionStatus.INTRANS:
            raise MigrationFailed(f"{migration.name}: {_LEFT}", code="E403", hint=_LEFT_HINT)
        for name, wanted in (("client_encoding", "UTF8"), ("standard_conforming_strings", "on")):
            if info.parameter_status(name) != wanted:
                raise MigrationFailed(
                    f"{migration.name} sets {name} to {info.parameter_status(name)!r}",
                    code="E406",
                    hint=f"files are read as UTF-8 with standard strings: leave {name} alone",
                )

    def _commit(self, step: Step, xid: str) -> None:
        """Record the step and commit. A connection that is lost here is asked about on a new one."""
        writer = self._session.writer
        script = f"{closing(_quoted(xid))}{writer.record(step)}{writer.finished(step)}COMMIT;"
        try:
            tag = last_tag(database.run(self._session.conn, script))
        except psycopg.OperationalError as exc:
            if not self._session.conn.broken:
                raise
            self._resolve(step, xid, exc)
            return
        if tag != "COMMIT":
            raise MigrationFailed(f"{step.name}: the transaction was rolled back by the server", code="E403")

    def _resolve(self, step: Step, xid: str, exc: psycopg.Error) -> None:
        """Return if the transaction turns out to be committed; the work can then go on in the new session."""
        committed = self._session.verdict(xid)
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
        self._session.reset()
        if not isinstance(error, NeedsAttention) and step.migration and step.migration.is_transactional(step.direction):
            undone = (
                "not rolled back yet, but it will be" if was_lost and isinstance(error, Interrupted) else "rolled back"
            )
            error.state = error.state or f"{undone}; nothing of {step.name} was {_PAST[step.direction.value]}"
            self._session.note(self._session.writer.failed(step, error))
        return error

    def _translate(self, step: Step, exc: BaseException) -> Error:
        if isinstance(exc, Error):
            return exc
        if isinstance(exc, wire.StatementError):
            assert step.migration is not None
            return diagnosis.failure(exc, step.migration, self._session.dsn)
        if isinstance(exc, psycopg.Error):
            return self._translate_ours(step, exc)
        number = 15 if isinstance(exc, Terminated) else 2
        return Interrupted(f"{step.name} was interrupted", signal_number=number)

    def _translate_ours(self, step: Step, exc: psycopg.Error) -> Error:
        """An error in what we sent ourselves: the proof, the record, or a constraint that fired at the end."""
        error = database.translation(exc, self._session.dsn)
        if not isinstance(error, DatabaseError):
            return error
        if _LEFT in error.message:
            return MigrationFailed(f"{step.name}: {_LEFT}", code="E403", hint=_LEFT_HINT, sqlstate=error.sqlstate)
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


_PAST = {"up": "applied", "down": "undone"}
_LEFT_HINT = "it committed or rolled back by itself: take that out, or use `transaction:false`"


def closing(xid: str) -> str:
    """What comes between a file's SQL and its record: its last word, then our own role, path and proof.

    Deferred constraints fire while the file's role and search_path still hold. `xid` is an SQL text literal.
    """
    return (
        "SET CONSTRAINTS ALL IMMEDIATE;\nRESET SESSION AUTHORIZATION;\nRESET ROLE;\n"
        "SET LOCAL search_path = pg_catalog;\n"
        f"SELECT CASE WHEN pg_catalog.pg_current_xact_id()::text = {xid} THEN 1"
        f" ELSE ('{_LEFT}' || pg_catalog.pg_current_xact_id()::text)::int END;\n"
    )


def _quoted(digits: str) -> str:
    return f"'{digits}'"


def last_row(cursor: psycopg.Cursor[tuple[object, ...]]) -> tuple[object, ...]:
    """The row of the last result of a script."""
    while cursor.nextset():
        pass
    row = cursor.fetchone()
    assert row is not None
    return row


def last_tag(cursor: psycopg.Cursor[tuple[object, ...]]) -> str:
    """The command tag of the last result of a script."""
    while cursor.nextset():
        pass
    return cursor.statusmessage or ""
