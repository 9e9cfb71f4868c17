"""Migrations without a transaction: unit by unit, each one journalled so that an interrupted run can go on.

A statement that PostgreSQL can run in a transaction is committed together with its journal row: exactly once. One that
it refuses there is announced before and closed after; if the run dies between, the truth is looked up (`resume`).
``BEGIN; ... COMMIT;`` of the file is one unit, and so is a whole transactional section of a file of mixed sections.
"""

from __future__ import annotations

import re
from enum import Enum, StrEnum
from inspect import GEN_CREATED, getgeneratorstate
from types import GeneratorType
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
    leftover_indexes,
    lock_retries,
    own_statements,
    probes,
    server_errors,
    text_settings,
)
from dbmigrate.execution.run_lock import is_held
from dbmigrate.execution.step_outcome import Outcome
from dbmigrate.execution.steps import Unit, as_one, units
from dbmigrate.model import Action, Direction, LogState
from dbmigrate.sql import statements
from dbmigrate.tracking import read_history

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbmigrate.execution.lock_retries import Pacing, Watch
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
OPENING = "BEGIN READ WRITE;"  # of a transaction of our own: the file may have made its session read-only
_WAY_ON = "correct the file from that statement on, then continue with `dbmigrate resume`"


class Fate(StrEnum):
    """What became of a unit that did not end well, in the words of the error."""

    DONE = "was committed"
    UNDONE = "was rolled back"
    UNKNOWN = "may have left something behind"


class Phase(Enum):
    """How far a statement outside a transaction has come, as far as we know."""

    ANNOUNCING = "nothing was sent yet"
    RUNNING = "sent"
    ENDED = "the server has said that it is done"


_FATES = {Outcome.DONE: Fate.DONE, Outcome.UNDONE: Fate.UNDONE, Outcome.UNKNOWN: Fate.UNKNOWN}


def run(session: Session, step: Step, pacing: Pacing) -> batches.Tally:
    """Run what `step.done` leaves over of a migration without a transaction, then record it.

    Raises MigrationFailed if nothing was done at all, NeedsAttention E501 or E504 if something was and a person has to
    look, Refused E703 through a pooler, Interrupted.
    """
    if session.facts.is_pooled:
        raise Refused(
            f"{step.name} runs without a transaction, which needs a session of its own; a pooler gives none",
            code="E703",
            hint="use the server's direct URL",
        )
    return Stepwise(session, step, pacing).run()


class Stepwise:
    """One run of one migration without a transaction."""

    def __init__(self, session: Session, step: Step, pacing: Pacing) -> None:
        self._session = session
        self._step = step
        self._pacing = pacing.of(step)
        self._committing: str | None = None  # the id of the unit's transaction, when its COMMIT is sent
        self._done = set(step.done)
        self._tally = batches.Tally()
        self._phase = Phase.ANNOUNCING
        self._probe: Probe | None = None
        self._before: Before = frozenset()

    @property
    def _migration(self) -> Migration:
        assert self._step.migration is not None
        return self._step.migration

    def run(self) -> batches.Tally:
        writer = self._session.writer
        self._refuse_lost_lock()
        self._refuse_overtaken()
        self._session.reset()
        if read_history.has_open_entries(self._session.conn, self._session.tables, self._step.version):
            own_statements.run(self._session, journalled(writer.taken_over(self._step)))
        own_statements.retried(self._session, lambda: self._own(writer.started(self._step)))
        self._own(session_limits(self._pacing))
        for unit in self._units():
            if unit.number not in self._done:
                self._guarded(unit)
                self._done.add(unit.number)
            elif statements.sets_session(unit.first.sql):
                replay(self._session, unit)
        self._session.reset()
        self._record()
        return self._tally

    def _record(self) -> None:
        """The version row and the end of the journal, in one transaction; if its connection is lost, the server knows.

        Raises NeedsAttention E501: every statement is done, only the record is missing. E503: nobody can know.
        """
        writer, xid = self._session.writer, None
        record = writer.record(self._step) + writer.closed(self._step)
        try:
            asking = f"BEGIN READ WRITE; SET LOCAL lock_timeout = '2s'; {record}"
            asking += "SELECT pg_catalog.pg_current_xact_id()::text;"
            xid = own_statements.retried(self._session, lambda: self._value(asking))
            self._session.committing = xid  # a signal that comes from here on may come too late
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
            self._session.note(self._session.writer.broken(self._step, exc))
        hint = "`dbmigrate status` shows what is true; if it is unfinished, `dbmigrate resume` completes the record"
        error = exc.recast(NeedsAttention, code=code, hint=hint)
        error.state = f"every statement of {self._step.name} is done; its record is {_RECORDS[code]}"
        return error

    def _units(self) -> Iterator[Unit]:
        """Raises NeedsAttention E501 when the file is not the one that was checked any more: what ran stays done."""
        try:
            yield from units(self._migration, self._step.direction)
        except MigrationFileError as exc:
            if not self._done:
                raise
            self._session.reset()
            self._session.note(self._session.writer.broken(self._step, exc))
            hint = "compare it with the statements in the log, then continue with `dbmigrate resume`"
            error = exc.recast(NeedsAttention, code="E501", hint=hint)
            error.state = f"{self._step.name} is unfinished: {len(self._done)} of its statements and blocks are done"
            raise error from exc

    def _refuse_overtaken(self) -> None:
        """Work that cannot be undone must not begin on a plan that another run has carried out meanwhile."""
        expects_record = self._step.direction is Direction.DOWN and self._step.action is not Action.UNDO
        with database.translated(self._session.dsn):
            recorded = read_history.versions(self._session.conn, self._session.tables)
        if (self._step.version in recorded) is not expects_record:
            raise LockNotAcquired(
                f"another run has dealt with {self._step.name} meanwhile", code="E601", hint="run the command again"
            )

    def _own(self, script: str) -> None:
        with database.translated(self._session.dsn):
            database.run(self._session.conn, script)

    def _commit(self) -> None:
        """A transaction that failed without anybody noticing is rolled back by COMMIT, and only its tag says so."""
        with database.translated(self._session.dsn):
            tag = database.last_tag(database.run(self._session.conn, "COMMIT;"))
        if tag != "COMMIT":
            raise MigrationFailed(f"{self._step.name}: the transaction was rolled back by the server", code="E403")

    def _value(self, script: str) -> str:
        with database.translated(self._session.dsn):
            return str(database.last_row(database.run(self._session.conn, script))[0])

    # -- one unit

    def _guarded(self, unit: Unit) -> None:
        """Step boundary: whatever goes wrong in a unit is journalled, and told for what it is."""
        self._refuse_lost_lock()
        self._committing, self._phase = None, Phase.ANNOUNCING
        try:
            if unit.is_atomic:
                lock_retries.persist(
                    self._session,
                    self._step,
                    self._pacing,
                    attempt=lambda watch: self._atomic(unit, watch),
                    can_repeat=lambda: _can_repeat(unit),
                )
            else:
                self._outside(unit)
        except _FAILURES as exc:
            raise self._failure(unit, exc) from exc

    def _refuse_lost_lock(self) -> None:
        """DISCARD ALL or pg_advisory_unlock_all() in the file drops the lock silently: take it again or stop."""
        if not is_held(self._session.conn, self._session.key):
            self._regain()

    def _regain(self) -> None:
        try:
            self._session.regain_lock()
        except LockNotAcquired as exc:
            raise NeedsAttention(
                f"{self._step.name} dropped the migration lock, and another run has taken it",
                code="E501",
                hint="when that run has ended: `dbmigrate resume`",
            ) from exc

    def _atomic(self, unit: Unit, watch: Watch) -> None:
        """The unit and its journal row in one transaction: the server commits both or neither."""
        self._committing = None
        watch.begin_at(unit.number)
        body = unit.statements if unit.opening else unit.statements[:-1]
        if unit.opening:
            self._own(f"{unit.opening} {self._unit_settings(watch)}")
        tags: list[bytes] = []
        for batch, results in batches.send_all(self._session.conn, body, pulse=watch.pulse):
            tags += results
            watch.completed(batch)
        if self._session.conn.info.transaction_status != pq.TransactionStatus.INTRANS:
            raise MigrationFailed(f"{self._step.name}: statement {unit.number} ended its own transaction", code="E403")
        text_settings.refuse_changed(self._session.conn, self._migration)
        row = self._session.writer.step_done(self._step, unit.number, as_one(unit))
        if self._is_read_only(unit):
            self._commit()
            own_statements.run(self._session, journalled(row))
        else:
            # as ourselves, whatever role or path the file has set for its own statements
            self._committing = self._value(f"{as_ourselves(row)} SELECT pg_catalog.pg_current_xact_id()::text;")
            self._commit()
        self._tally.add(tags)

    def _is_read_only(self, unit: Unit) -> bool:
        """Whether the unit made its transaction one that no row can be written in: there is nothing to share it with,
        and running it again would change nothing. Asked for only where the text gives a reason to."""
        if unit.opening and not any(_MAY_FORBID_WRITING(statement.sql) for statement in unit.statements):
            return False
        return self._value("SELECT pg_catalog.current_setting('transaction_read_only');") == "on"

    def _unit_settings(self, watch: Watch) -> str:
        """As for a whole migration in a transaction; what the file has set for its session before wins."""
        url = self._session.dsn.settings
        parts = [f"SET LOCAL {name} TO DEFAULT;" for name in ("lock_timeout", "statement_timeout") if name in url]
        if watch.limit is not None and "lock_timeout" not in url:
            current, ours = "pg_catalog.current_setting('lock_timeout')", lock_retries.milliseconds(watch.limit)
            value = f"CASE {current} WHEN '0' THEN '{ours}' ELSE {current} END"
            parts.append(f"SELECT pg_catalog.set_config('lock_timeout', {value}, true);")
        if "idle_in_transaction_session_timeout" not in url:
            parts.append("SET LOCAL idle_in_transaction_session_timeout = '60s';")
        return " ".join(parts)

    def _outside(self, unit: Unit) -> None:
        writer, conn = self._session.writer, self._session.conn
        self._probe = probes.probe(conn, unit.first.sql)
        self._before = self._probe.before(conn) if self._probe else frozenset()
        entry = writer.step_started(self._step, unit.number, unit.first, self._before)
        own_statements.run(self._session, journalled(entry))
        self._phase = Phase.RUNNING
        watch = lock_retries.Watch(self._session, self._step, None)
        watch.begin_at(unit.number)
        for batch, tags in batches.send_all(conn, unit.statements, pulse=watch.pulse):
            watch.completed(batch)
            self._tally.add(tags)
        if isinstance(self._probe, leftover_indexes.IndexProbe):
            self._refuse_invalid(unit, self._probe)
        self._phase = Phase.ENDED
        text_settings.refuse_changed(conn, self._migration)
        own_statements.run(self._session, journalled(writer.step_closed(self._step, unit.number)))

    def _refuse_invalid(self, unit: Unit, probe: leftover_indexes.IndexProbe) -> None:
        """IF NOT EXISTS over an invalid index of an earlier attempt says "skipping" and succeeds: no success."""
        left = probe.leftovers(self._session.conn, self._before)
        if left:
            error = NeedsAttention(
                f"{self._step.name}: statement {unit.number} succeeded, but index {left[0].name} is invalid",
                code="E504",
                place=server_errors.place_of(self._migration.file.path, unit.first),
                hint="`dbmigrate resume` drops it and builds it again",
            )
            self._session.reset()
            self._close(unit, Fate.UNKNOWN, error)
            raise error

    # -- failures

    def _failure(self, unit: Unit, exc: BaseException) -> Error:
        ended_well = self._session.abort()
        cause = self._cause(exc)
        fate = self._fate(unit) if unit.is_atomic else self._fate_outside(unit, exc, ended_well=ended_well)
        self._session.reset()
        self._close(unit, fate, cause)
        return self._clean(cause) if fate is Fate.UNDONE and not self._done else self._verdict(unit, cause, fate)

    def _close(self, unit: Unit, fate: Fate, cause: Error) -> None:
        """Write down how a unit and the run ended. What cannot be written now is looked up by `resume`."""
        writer, step = self._session.writer, self._step
        if unit.is_atomic:
            row = writer.step_failed(step, unit.number, unit.first, cause) if fate is Fate.UNDONE else ""
        elif fate is Fate.DONE:
            row = writer.step_closed(step, unit.number)
        else:
            state = LogState.FAILED if fate is Fate.UNDONE else LogState.STARTED
            row = writer.step_broken(step, unit.number, cause, state=state)
        self._session.note(row + writer.broken(step, cause))

    def _fate(self, unit: Unit) -> Fate:
        """What became of a unit in a transaction whose COMMIT may have been sent: only the server knows."""
        committed = self._committing is not None and self._session.commit_outcome(self._committing)
        return Fate.UNKNOWN if committed is None else Fate.DONE if committed else Fate.UNDONE

    def _fate_outside(self, unit: Unit, exc: BaseException, *, ended_well: bool) -> Fate:
        """What became of a statement outside a transaction: what the server has said, else what the database shows."""
        if self._phase is not Phase.RUNNING:
            return Fate.DONE if self._phase is Phase.ENDED else Fate.UNDONE
        if self._session.conn.closed or self._session.conn.broken:
            return Fate.UNKNOWN
        try:
            if self._probe is not None and self._probe.leftovers(self._session.conn, self._before):
                return Fate.UNKNOWN
            if isinstance(exc, batches.StatementError):
                # one that the server itself refused left nothing, unless it works in several transactions
                return Fate.UNKNOWN if statements.first_word(unit.first.sql) in ("CALL", "DO") else Fate.UNDONE
            if ended_well or self._probe is None:
                return Fate.DONE if ended_well else Fate.UNKNOWN
            return _FATES[self._probe.outcome(self._session.conn, self._before)]
        except psycopg.Error:
            return Fate.UNKNOWN

    def _cause(self, exc: BaseException) -> Error:
        if isinstance(exc, Error):
            return exc
        if isinstance(exc, batches.StatementError):
            return server_errors.failure(exc, self._migration, self._session.dsn)
        if isinstance(exc, psycopg.Error):
            return database.translation(exc, self._session.dsn)
        return Interrupted.by(exc, f"{self._step.name} was interrupted")

    def _clean(self, cause: Error) -> Error:
        cause.state = f"nothing of {self._step.name} was done"
        return cause

    def _verdict(self, unit: Unit, cause: Error, fate: Fate) -> Error:
        """The failure of a migration that is now half done. An interruption keeps its own exit code."""
        done = _are_done(unit.last_number if fate is Fate.DONE else unit.number - 1)
        rest = "" if fate is Fate.DONE else f", statement {unit.number} {fate}"
        state = f"{self._step.name} is unfinished: {done}{rest}"
        if isinstance(cause, Interrupted):
            cause.state, cause.hint = state, "continue with `dbmigrate resume`"
            return cause
        hint = _WAY_ON if cause.sqlstate and fate is not Fate.DONE else "continue with `dbmigrate resume`"
        error = cause.recast(NeedsAttention, code="E501", hint=hint)
        error.place = error.place or server_errors.place_of(self._migration.file.path, unit.first)
        error.state = state
        return error


_RECORDS = {"E503": "there or not, which could not be found out", "E501": "missing"}


def _are_done(last: int) -> str:
    if last < 2:
        return "statement 1 is done" if last else "no statement is done"
    return f"statements 1 to {last} are done"


def _can_repeat(unit: Unit) -> bool:
    """Whether all of its COPY data is still there: that of a large file passes by once."""
    streams = (statement.copy_data for statement in unit.statements)
    return all(getgeneratorstate(data) == GEN_CREATED for data in streams if isinstance(data, GeneratorType))


def session_limits(limits: Pacing) -> str:
    """A time-out in the middle of a concurrent index build leaves an invalid index: none but the user's own.

    A lock timeout is never wanted there, whoever set it: such a statement blocks nobody while it waits.
    """
    return f"SET lock_timeout = 0;\nSET statement_timeout = {lock_retries.milliseconds(limits.timeout or 0)};\n"


def replay(session: Session, unit: Unit) -> None:
    """Say again what an interrupted run set for its session; it is gone with that session."""
    for _ in batches.send_all(session.conn, unit.statements, pulse=lambda batch: None):
        pass


def as_ourselves(row: str) -> str:
    """Write a journal row as the role that we logged in with, without haste; at COMMIT the file's own settings are back
    in force.

    SET LOCAL masks a session-level SET until the end of the transaction, also one of the same transaction.
    """
    return (
        "SET LOCAL SESSION AUTHORIZATION DEFAULT;\nSET LOCAL role TO DEFAULT;\nSET LOCAL search_path = pg_catalog;\n"
        "SET LOCAL statement_timeout = 0;\nSET LOCAL lock_timeout = '2s';\n" + row
    )


def journalled(row: str) -> str:
    """A journal row in a transaction of its own."""
    return f"{OPENING}\n{as_ourselves(row)}COMMIT;\n"
