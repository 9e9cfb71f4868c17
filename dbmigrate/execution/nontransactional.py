"""Non-transactional migrations: step by step, each one logged, so that an interrupted run can be resumed.

A statement that PostgreSQL can run in a transaction is committed together with its log entry: it runs exactly once. One
that PostgreSQL refuses there gets a log entry before it runs, which is closed afterwards. If the run dies in between,
`resume` looks up what the statement did. ``BEGIN; ... COMMIT;`` is one step, and so is a section with a transaction.
"""

from __future__ import annotations

import re
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
    MigrationFileError,
    NeedsAttention,
    Refused,
)
from dbmigrate.execution import (
    batches,
    breaker,
    leftover_indexes,
    lock_retries,
    probes,
    server_errors,
    text_settings,
    tracking_retries,
)
from dbmigrate.execution.observer import grouped
from dbmigrate.execution.run_lock import is_held
from dbmigrate.execution.step_conditions import StepConditions
from dbmigrate.execution.step_outcome import Outcome, Sending
from dbmigrate.execution.substeps import SubStep, as_one, can_repeat, substeps
from dbmigrate.model import Action, Direction, LogState
from dbmigrate.sql import statements
from dbmigrate.tracking import read_history

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbmigrate.execution.conditions import Asker
    from dbmigrate.execution.lock_retries import AttemptWatch, Pacing
    from dbmigrate.execution.session import Session
    from dbmigrate.execution.step_outcome import Before, Probe
    from dbmigrate.model import Migration, Step


_FAILURES = (
    DatabaseError,
    ConnectionFailed,
    MigrationFileError,
    batches.StatementError,
    psycopg.Error,
    KeyboardInterrupt,
)
_MAY_FORBID_WRITING = re.compile(r"read\b.*\bonly\b|transaction_read_only", re.IGNORECASE | re.DOTALL).search
OPENING = "BEGIN READ WRITE;"  # of a transaction for a log entry: the file may have made its session read-only
_WAY_ON = "correct the file from that statement on, then continue with `dbmigrate resume`"
# of a step that failed, in the words of the error
_ENDINGS = {Outcome.DONE: "was committed", Outcome.UNDONE: "was rolled back", Outcome.UNKNOWN: "may have taken effect"}


def run(session: Session, step: Step, pacing: Pacing, asker: Asker) -> batches.Tally:
    """Run the steps of a non-transactional migration that are not in `step.done`, then record it.

    Raises MigrationFailed if no step took effect, NeedsAttention E501, E504, E510 or E511 if one did and a person has
    to decide, Refused E703 through a pooler, E734 and E735 before the first step, Interrupted.
    """
    if session.facts.is_pooled:
        raise Refused(
            f"{step.name} runs without a transaction: it needs a session that a pooler does not share",
            code="E703",
            hint="use the server's direct URL",
        )
    return NonTransactionalRun(session, step, pacing, asker).run()


class NonTransactionalRun:
    """One run of one non-transactional migration."""

    def __init__(self, session: Session, step: Step, pacing: Pacing, asker: Asker) -> None:
        self._session = session
        self._step = step
        self._pacing = pacing.of(step)
        self._conditions = StepConditions(session, step, self._pacing, asker)
        self._committing: str | None = None  # the id of the step's transaction, once its COMMIT is sent
        self._done = set(step.done)
        self._tally = batches.Tally()
        self._sending = Sending.ANNOUNCING
        self._probe: Probe | None = None
        self._before: Before = frozenset()

    @property
    def _migration(self) -> Migration:
        assert self._step.migration is not None
        return self._step.migration

    def run(self) -> batches.Tally:
        writer = self._session.writer
        self._refuse_lost_lock()
        self._refuse_done_by_another()
        self._session.reset()
        self._conditions.ask_first()
        if read_history.has_open_entries(self._session.conn, self._session.tables, self._step.version):
            tracking_retries.run(self._session, logged(writer.taken_over(self._step)))
        tracking_retries.retried(self._session, lambda: self._own(writer.started(self._step)))
        self._own(session_limits(self._pacing))
        for substep in self._conditions.between(self._substeps()):
            if substep.number not in self._done:
                self._guarded(substep)
                self._done.add(substep.number)
            elif statements.sets_session(substep.first.sql):
                replay(self._session, substep)
        self._session.reset()
        self._refuse_lost_lock()
        self._record()
        return self._tally

    def _record(self) -> None:
        """Write the version row and close the log entry, in one transaction.

        If the connection is lost, the server is asked for the commit outcome. Raises NeedsAttention E501 (every
        statement is done, only the version row is missing), E503 (the commit outcome is unknown).
        """
        writer, xid = self._session.writer, None
        record = writer.record(self._step) + writer.closed(self._step)
        try:
            asking = f"BEGIN READ WRITE; SET LOCAL lock_timeout = '2s'; {record}"
            asking += "SELECT pg_catalog.pg_current_xact_id()::text;"
            xid = tracking_retries.retried(self._session, lambda: self._value(asking))
            self._session.committing = lambda: self._session.commit_outcome(str(xid))  # a signal may come after it
            self._commit()
        except ConnectionFailed as exc:
            committed = False if xid is None else self._session.commit_outcome(xid)
            if committed is None:
                raise self._unrecorded(exc, "E503") from exc
            if not committed:
                raise self._unrecorded(exc, "E501") from exc
            self._regain()
        except DatabaseError as exc:
            raise self._unrecorded(exc, "E501") from exc

    def _unrecorded(self, exc: Error, code: str) -> Error:
        if code == "E501":
            self._session.abort()
            self._session.log_failure(self._session.writer.broken(self._step, exc))
        hint = "run `dbmigrate status`; if the migration is unfinished, `dbmigrate resume` records it"
        error = exc.recast(NeedsAttention, code=code, hint=hint)
        error.state = f"every statement of {self._step.name} is done; {_RECORDS[code]}"
        return error

    def _substeps(self) -> Iterator[SubStep]:
        """Raises NeedsAttention E501 when the file changed after it was checked: the steps that ran stay done."""
        try:
            yield from substeps(self._migration, self._step.direction)
        except MigrationFileError as exc:
            if not self._done:
                raise
            self._session.reset()
            self._session.log_failure(self._session.writer.broken(self._step, exc))
            hint = "compare the file with the statements in the log, then run `dbmigrate resume`"
            error = exc.recast(NeedsAttention, code="E501", hint=hint)
            error.state = f"{self._step.name} is unfinished: {len(self._done)} of its steps are done"
            raise error from exc

    def _refuse_done_by_another(self) -> None:
        """Steps that no rollback undoes must not start from a plan that another run has carried out meanwhile."""
        expects_record = self._step.direction is Direction.DOWN and self._step.action is not Action.UNDO
        with database.translated(self._session.dsn):
            recorded = read_history.versions(self._session.conn, self._session.tables)
        if (self._step.version in recorded) is not expects_record:
            raise LockNotAcquired(
                f"another run has {self._step.direction.past} {self._step.name} meanwhile",
                code="E601",
                hint="run the command again",
            )

    def _own(self, script: str) -> None:
        with database.translated(self._session.dsn):
            database.run(self._session.conn, script)

    def _commit(self) -> None:
        """COMMIT of a failed transaction succeeds and rolls back: only its command tag shows that.

        It may take long, because it checks the deferred constraints of the step.
        """
        conn = self._session.conn
        with database.translated(self._session.dsn):
            answer = batches.ask(conn, "COMMIT;", pulse=self._session.monitor.watch(conn))
            if answer.error is not None:
                raise answer.error
        if answer.tags != [b"COMMIT"]:
            raise MigrationFailed(f"{self._step.name}: the transaction was rolled back by the server", code="E403")

    def _value(self, script: str) -> str:
        with database.translated(self._session.dsn):
            return str(database.last_row(database.run(self._session.conn, script))[0])

    # -- one step

    def _guarded(self, substep: SubStep) -> None:
        """Run one step; log whatever goes wrong in it, and raise an error that says what is true now."""
        self._refuse_lost_lock()
        if substep.backfill is not None:
            self._run_backfill(substep)
            return
        self._committing, self._sending = None, Sending.ANNOUNCING
        try:
            if substep.is_atomic:
                lock_retries.with_retries(
                    self._session,
                    self._step,
                    self._pacing,
                    attempt=lambda watch: self._atomic(substep, watch),
                    can_repeat=lambda: can_repeat(substep),
                )
            else:
                self._outside(substep)
        except _FAILURES as exc:
            raise self._failure(substep, exc) from exc

    def _run_backfill(self, substep: SubStep) -> None:
        from dbmigrate.execution import backfills

        demand = self._conditions.demand_after(substep)
        self._tally.add(backfills.run(self._session, self._step, substep, self._pacing, demand))

    def _refuse_lost_lock(self) -> None:
        """DISCARD ALL or pg_advisory_unlock_all() in the file drops the lock silently: take it again, or stop."""
        if not is_held(self._session.conn, self._session.key):
            self._regain()
            self._refuse_done_by_another()

    def _regain(self) -> None:
        try:
            self._session.regain_lock()
        except LockNotAcquired as exc:
            raise NeedsAttention(
                f"{self._step.name} released the migration lock, and another run has taken it",
                code="E501",
                hint="when that run has ended: `dbmigrate resume`",
            ) from exc

    def _atomic(self, substep: SubStep, watch: AttemptWatch) -> None:
        """The step and its log entry in one transaction: the server commits both or neither."""
        self._committing = None
        watch.begin_at(substep.number)
        body = substep.statements if substep.opening else substep.statements[:-1]
        if substep.opening:
            self._own(f"{substep.opening} {self._substep_settings(watch)}")
        tags: list[bytes] = []
        for sent in batches.send(self._session.conn, grouped(body, self._session.observer), pulse=watch.pulse):
            tags += sent.tags
            watch.completed(sent.batch, sent.tags)
        if self._session.conn.info.transaction_status != pq.TransactionStatus.INTRANS:
            raise MigrationFailed(
                f"{self._step.name}: statement {substep.number} ended its own transaction", code="E403"
            )
        text_settings.refuse_changed(self._session.conn, self._migration)
        row = self._session.writer.step_done(self._step, substep.number, as_one(substep))
        if self._is_read_only(substep):
            self._commit()
            tracking_retries.run(self._session, logged(row))
        else:
            # as the login role, whatever role or search_path the file has set for its statements
            self._committing = self._value(f"{as_login_role(row)} SELECT pg_catalog.pg_current_xact_id()::text;")
            self._commit()
        self._tally.add(tags)

    def _is_read_only(self, substep: SubStep) -> bool:
        """Whether the step made its transaction read-only, so that no log entry can be written in it.

        Running such a step again changes nothing. The server is asked only where the text gives a reason.
        """
        if substep.opening and not any(_MAY_FORBID_WRITING(statement.sql) for statement in substep.statements):
            return False
        return self._value("SELECT pg_catalog.current_setting('transaction_read_only');") == "on"

    def _substep_settings(self, watch: AttemptWatch) -> str:
        """The limits of a transactional migration; what the file has set for its session before wins."""
        url = self._session.dsn.settings
        parts = [f"SET LOCAL {name} TO DEFAULT;" for name in ("lock_timeout", "statement_timeout") if name in url]
        if watch.limit is not None and "lock_timeout" not in url:
            current, limit = "pg_catalog.current_setting('lock_timeout')", lock_retries.milliseconds(watch.limit)
            value = f"CASE {current} WHEN '0' THEN '{limit}' ELSE {current} END"
            parts.append(f"SELECT pg_catalog.set_config('lock_timeout', {value}, true);")
        if "idle_in_transaction_session_timeout" not in url:
            parts.append("SET LOCAL idle_in_transaction_session_timeout = '60s';")
        return " ".join(parts)

    def _outside(self, substep: SubStep) -> None:
        writer, conn = self._session.writer, self._session.conn
        self._probe = probes.probe(conn, substep.first.sent)
        self._before = self._probe.before(conn) if self._probe else frozenset()
        entry = writer.step_started(self._step, substep.number, substep.first, self._before)
        tracking_retries.run(self._session, logged(entry))
        self._sending = Sending.RUNNING
        warns = breaker.warns(self._session, self._step, self._pacing.max_blocked)
        watch = lock_retries.AttemptWatch(self._session, self._step, None, warns)
        watch.begin_at(substep.number)
        for batch, tags in batches.send_all(conn, substep.statements, pulse=watch.pulse):
            watch.completed(batch, tags)
            self._tally.add(tags)
        if isinstance(self._probe, leftover_indexes.IndexProbe):
            self._refuse_invalid(substep, self._probe)
        self._sending = Sending.ENDED
        text_settings.refuse_changed(conn, self._migration)
        tracking_retries.run(self._session, logged(writer.step_closed(self._step, substep.number)))

    def _refuse_invalid(self, substep: SubStep, probe: leftover_indexes.IndexProbe) -> None:
        """IF NOT EXISTS skips an invalid index of an earlier attempt and succeeds; the migration must not."""
        left = probe.leftovers(self._session.conn, self._before)
        if left:
            error = NeedsAttention(
                self._session.dsn.quoted(
                    f"{self._step.name}: statement {substep.number} succeeded, but index {left[0].name} is invalid"
                ),
                code="E504",
                place=server_errors.place_of(self._migration.file.path, substep.first),
                hint="`dbmigrate resume` drops it and builds it again",
            )
            self._session.reset()
            self._close(substep, Outcome.UNKNOWN, error)
            raise error

    # -- failures

    def _failure(self, substep: SubStep, exc: BaseException) -> Error:
        ended_well = self._session.abort()
        cause = self._cause(exc)
        outcome = (
            self._outcome_in_transaction(substep)
            if substep.is_atomic
            else self._outcome_outside(substep, exc, ended_well=ended_well)
        )
        self._session.reset()
        self._close(substep, outcome, cause)
        if outcome is Outcome.UNDONE and not self._done:
            cause.state = f"nothing of {self._step.name} was done"
            return cause
        return self._unfinished(substep, cause, outcome)

    def _close(self, substep: SubStep, outcome: Outcome, cause: Error) -> None:
        """Log how a step and the run ended. What cannot be written now is looked up by `resume`."""
        writer, step = self._session.writer, self._step
        if substep.is_atomic:
            row = writer.step_failed(step, substep.number, substep.first, cause) if outcome is Outcome.UNDONE else ""
        elif outcome is Outcome.DONE:
            row = writer.step_closed(step, substep.number)
        elif self._sending is Sending.ANNOUNCING:
            row = writer.step_unsent(step, substep.number, cause)
        else:
            state = LogState.FAILED if outcome is Outcome.UNDONE else LogState.STARTED
            row = writer.step_broken(step, substep.number, cause, state=state)
        self._session.log_failure(row + writer.broken(step, cause))

    def _outcome_in_transaction(self, substep: SubStep) -> Outcome:
        """The outcome of a step in a transaction whose COMMIT may have been sent: only the server knows."""
        committed = self._committing is not None and self._session.commit_outcome(self._committing)
        return Outcome.UNKNOWN if committed is None else Outcome.DONE if committed else Outcome.UNDONE

    def _outcome_outside(self, substep: SubStep, exc: BaseException, *, ended_well: bool) -> Outcome:
        """The outcome of a statement outside a transaction: as the server or the database shows it."""
        if self._sending is not Sending.RUNNING:
            return Outcome.DONE if self._sending is Sending.ENDED else Outcome.UNDONE
        if self._session.conn.closed or self._session.conn.broken:
            return Outcome.UNKNOWN
        try:
            if self._probe is not None and self._probe.leftovers(self._session.conn, self._before):
                return Outcome.UNKNOWN
            if isinstance(exc, batches.StatementError):
                # a statement that the server refused left nothing, unless it runs several transactions
                return Outcome.UNKNOWN if statements.first_word(substep.first.sql) in ("CALL", "DO") else Outcome.UNDONE
            if ended_well or self._probe is None:
                return Outcome.DONE if ended_well else Outcome.UNKNOWN
            return self._probe.outcome(self._session.conn, self._before)
        except psycopg.Error:
            return Outcome.UNKNOWN

    def _cause(self, exc: BaseException) -> Error:
        if isinstance(exc, Error):
            return exc
        if isinstance(exc, batches.StatementError):
            return server_errors.failure(exc, self._migration, self._session.dsn)
        if isinstance(exc, psycopg.Error):
            return database.translation(exc, self._session.dsn)
        return Interrupted.by(exc, f"{self._step.name} was interrupted")

    def _unfinished(self, substep: SubStep, cause: Error, outcome: Outcome) -> Error:
        """The error for a migration that is now unfinished. An interruption keeps its exit code."""
        done = _are_done(substep.last_number if outcome is Outcome.DONE else substep.number - 1)
        rest = "" if outcome is Outcome.DONE else f", statement {substep.number} {_ENDINGS[outcome]}"
        state = f"{self._step.name} is unfinished: {done}{rest}"
        if isinstance(cause, Interrupted):
            cause.state, cause.hint = state, "continue with `dbmigrate resume`"
            return cause
        hint = _WAY_ON if cause.sqlstate and outcome is not Outcome.DONE else "continue with `dbmigrate resume`"
        error = cause.recast(NeedsAttention, code="E501", hint=hint)
        error.place = error.place or server_errors.place_of(self._migration.file.path, substep.first)
        error.state = state
        return error


_RECORDS = {"E503": "whether it is recorded as applied is unknown", "E501": "it is not recorded as applied"}


def _are_done(last: int) -> str:
    if last < 2:
        return "statement 1 is done" if last else "no statement is done"
    return f"statements 1 to {last} are done"


def session_limits(limits: Pacing) -> str:
    """Only a statement timeout that the user asked for: one in a concurrent index build leaves an invalid index.

    A lock timeout is never set, whoever asked for it: such a statement blocks nobody while it waits.
    """
    return f"SET lock_timeout = 0;\nSET statement_timeout = {lock_retries.milliseconds(limits.timeout or 0)};\n"


def replay(session: Session, substep: SubStep) -> None:
    """Run the SET commands of an interrupted run again; their effect ended with its session."""
    watch = session.monitor.watch(session.conn)
    for _ in batches.send_all(session.conn, substep.statements, pulse=lambda batch: watch()):
        pass


def as_login_role(row: str) -> str:
    """Write a log entry as the login role, without a statement timeout; after COMMIT the file's settings hold again.

    SET LOCAL masks a session-level SET until the end of the transaction, also a SET of the same transaction.
    """
    return (
        "SET LOCAL SESSION AUTHORIZATION DEFAULT;\nSET LOCAL role TO DEFAULT;\nSET LOCAL search_path = pg_catalog;\n"
        "SET LOCAL statement_timeout = 0;\nSET LOCAL lock_timeout = '2s';\n" + row
    )


def logged(row: str) -> str:
    """A log entry in its own transaction."""
    return f"{OPENING}\n{as_login_role(row)}COMMIT;\n"
