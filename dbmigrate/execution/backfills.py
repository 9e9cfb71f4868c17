"""A backfill on the server: page after page, with pauses and waits between them, from its cursor to its end."""

from __future__ import annotations

import random
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg

from dbmigrate.backfill import cursor as cursors
from dbmigrate.backfill import key as keys
from dbmigrate.backfill import options
from dbmigrate.backfill.cursor import Cursor
from dbmigrate.backfill.pace import Pace, largest, lock_timeout
from dbmigrate.connection import database
from dbmigrate.errors import (
    ConnectionFailed,
    DatabaseError,
    Error,
    Interrupted,
    LockNotAcquired,
    MigrationFailed,
    Refused,
)
from dbmigrate.execution import batches, breaker, server_errors
from dbmigrate.execution.backfill_between import Between
from dbmigrate.execution.backfill_guards import Guards
from dbmigrate.execution.backfill_pages import Limits, Page, PageDone, Pages, hint_of
from dbmigrate.execution.deferral import Deferred
from dbmigrate.execution.monitor import BlocksTooLongError
from dbmigrate.execution.substeps import as_one
from dbmigrate.model import LogState, Turn
from dbmigrate.tracking.write_log import CURSOR, statement_checksum

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbmigrate.execution.lock_retries import Pacing
    from dbmigrate.execution.session import Session
    from dbmigrate.execution.substeps import SubStep
    from dbmigrate.model import Migration, Section, Step

_FAILURES = (Error, psycopg.Error, batches.StatementError, KeyboardInterrupt)
_RECONNECT_SECONDS, _RECONNECT_PAUSE = 60.0, 0.5
_FIRST_PAUSE = 0.05  # seconds after a lock timeout; each further one in a row takes longer
_LONGEST_PAUSE = 2.0
_FURTHER_PASSES = 3
_DEADLOCK_TIMEOUT = "select setting::float8 from pg_catalog.pg_settings where name = 'deadlock_timeout'"


def run(
    session: Session, step: Step, substep: SubStep, pacing: Pacing, demand: Callable[[], None] = lambda: None
) -> list[bytes]:
    """Run a backfill from its cursor to its end; the command tags of the last page.

    `demand` raises MigrationFailed E413 while a postcondition is not true; then further passes over the table follow.
    Raises Deferred when the time of the run is over; MigrationFailed E401, E405, E415, E417, Refused E760 to E765,
    LockNotAcquired E601, E610, ConnectionFailed E305, Interrupted. Pages that are done stay done, and the cursor says
    where the next run goes on.
    """
    if step.turn is Turn.LATER:
        raise _defer(session, step)
    backfill = Backfill(session, step, substep, pacing)
    backfill.demand = demand
    try:
        return backfill.run()
    except Deferred:
        session.log_failure(session.writer.deferred(step))
        raise
    except _FAILURES as exc:
        raise backfill.failure(exc) from exc


def _defer(session: Session, step: Step) -> Deferred:
    """Record a backfill as deferred; what has to be raised then."""
    session.log_failure(session.writer.deferred(step))
    hint = f"run it with `dbmigrate backfill {step.version}`"
    return Deferred(f"the backfill of {step.name} is deferred", hint)


class Backfill:
    """One run of one backfill."""

    def __init__(self, session: Session, step: Step, substep: SubStep, pacing: Pacing) -> None:
        assert substep.backfill is not None
        self._session = session
        self._step = step
        self._substep = substep
        self._section: Section = substep.backfill
        self._pacing = pacing
        self._settings = options.settings(self._section.options)
        self._event_id: int | None = None
        self._failures = 0  # lock timeouts in a row
        self._failing_since = 0.0
        self._tags: list[bytes] = []  # of the last page of this run
        self._is_closed = False
        self.demand: Callable[[], None] = lambda: None

    @property
    def _migration(self) -> Migration:
        assert self._step.migration is not None
        return self._step.migration

    def run(self) -> list[bytes]:
        session = self._session
        with database.translated(session.dsn):
            self._deadlock_timeout = float(str(database.query(session.conn, _DEADLOCK_TIMEOUT)[0][0])) / 1000
            self._key = keys.find(session.conn, self._settings)
        self._pages = Pages(session, self._migration, self._substep, self._key, self._pacing.max_blocked)
        self._guards = Guards(session, self._migration, self._key, self._pages)
        self._between = Between(session, self._step, self._key, self._settings, self._pacing)
        self._between.look_ahead()
        self._cursor = Cursor(self._key.shown, self._key.names, batch=self._settings.batch)
        most = largest(self._settings, self._key.reltuples)
        self._pace = Pace(self._settings, self._settings.batch, most)
        with session.access.hold_signals() as act_on_signal:
            self._between.act_on_signal = act_on_signal
            while not self._is_closed:
                act_on_signal()
                try:
                    self._between.wait(self._cursor)
                    if self._event_id is None:
                        self._begin()
                    if self._cursor.ended:
                        self._end_pass(self._cursor)
                    else:
                        self._next(self._cursor)
                except BlocksTooLongError as exc:
                    self._session.abort()
                    breaker.page_cancelled(session, self._step, exc, self._pace.rows, self._pacing.max_blocked or 0.0)
                    self._pace.halve()
                except (psycopg.Error, batches.StatementError, ConnectionFailed, DatabaseError) as exc:
                    self._recover(exc)
        return self._tags

    def _next(self, before: Cursor) -> None:
        """One page, and what has to happen after it."""
        began = time.monotonic()
        done, page = self._page(before)
        self._tags, self._failures = list(done.tags), 0
        if page.upto is not None:
            self._pace.done(page.rows, done.seconds)
        self._is_closed = self._cursor.ended and not self._pages.is_asked
        self._between.after_page(self._cursor, self._pages, self._limits(), (page.rows, done.seconds))
        if not self._cursor.ended:
            self._between.pause(self._pace, self._cursor.passed - before.passed, time.monotonic() - began)

    def _end_pass(self, before: Cursor) -> None:
        """Ask whether all rows are as they have to be; if not, pass over the table again: others have added rows."""
        unmet = self._unmet()
        if unmet is None:
            self._pages.move(self._entry, before, before, LogState.DONE)
            self._is_closed = True
            return
        is_last = before.turn > _FURTHER_PASSES
        now = before.again(self._pages.highest(self._limits()))
        now = replace(now, turn=1) if is_last else now
        self._pages.move(self._entry, before, now, LogState.STARTED)
        self._cursor = now
        if is_last:
            raise unmet

    def _unmet(self) -> MigrationFailed | None:
        try:
            self.demand()
        except MigrationFailed as exc:
            if exc.code != "E413":
                raise
            return exc
        return None

    def _limits(self) -> Limits:
        given = self._pacing.lock_timeout
        limit = lock_timeout(self._deadlock_timeout, self._failures, given)
        return Limits(limit, self._pacing.timeout or 0.0)

    # -- the cursor

    def _begin(self) -> None:
        """Go on from the cursor of an earlier run, or begin; in one transaction, so that there is one cursor."""
        self._guards.before(self._limits())
        writer, number = self._session.writer, self._substep.number
        highest = self._pages.highest(self._limits())
        whole = as_one(self._substep)
        first = replace(self._cursor, until=highest, sql=statement_checksum(whole)).to_json()
        entry = writer.cursor_opened(self._step, number, whole, first)
        event_id, kept = self._ask(f"BEGIN READ WRITE;\nSET LOCAL lock_timeout = '2s';\n{entry}")
        cursor = cursors.from_json(kept)
        self._refuse_other_key(cursor)
        self._ask("COMMIT;\n")
        self._event_id, self._cursor = int(event_id), cursor
        self._pace.rows = cursor.batch

    def _refuse_other_key(self, cursor: Cursor) -> None:
        if (cursor.table, cursor.key) != (self._key.shown, self._key.names):
            self._session.abort()
            raise Refused(
                f"{self._step.name} has followed {cursor.table} ({', '.join(cursor.key)}) so far, and says"
                f" {self._key.shown} ({', '.join(self._key.names)}) now",
                code="E762",
                hint="write the same table and key again; or undo it with `dbmigrate rollback` and run it again",
            )

    def _ask(self, script: str) -> tuple[str, ...]:
        conn = self._session.conn
        answer = batches.ask(conn, script, pulse=self._session.monitor.watch(conn))
        if answer.error is not None:
            raise answer.error
        return answer.row

    def _reread(self) -> None:
        """The cursor as the server has it: after a lost connection it shows whether the last page was committed."""
        with database.translated(self._session.dsn):
            state, details = self._ask(self._session.writer.cursor_read(self._entry))
        if state not in (LogState.STARTED, LogState.DONE):
            raise LockNotAcquired(
                f"another run goes on with {self._step.name}", code="E601", hint="see `dbmigrate status`"
            )
        self._cursor = cursors.from_json(details)
        self._is_closed = state == LogState.DONE

    @property
    def _entry(self) -> int:
        assert self._event_id is not None
        return self._event_id

    # -- one page

    def _page(self, cursor: Cursor) -> tuple[PageDone, Page]:
        limits, rows = self._limits(), self._pace.rows
        bound = self._pages.bound(cursor, rows, limits)
        page = Page(cursor.after, None, rows)
        following = cursor
        if bound is not None:
            page = replace(page, upto=bound.upto)
            if bound.is_past and cursor.round > 1:
                page = replace(page, upto=cursor.until)
            elif bound.is_past:
                following = replace(cursor, round=cursor.round + 1, until=self._pages.highest(limits))
        if not self._tags and page.upto is not None:
            self._guards.of_page(page, limits)
        is_last = bound is None or (bound.is_past and cursor.round > 1)

        def moved(changed: int) -> Cursor:
            passed = rows if bound is not None else min(changed, rows)
            now = replace(following, batch=rows, left=self._between.left, rate=self._between.rate)
            return now.moved(None if is_last else page.upto, rows=changed, passed=passed)

        reached: list[Cursor] = []

        def made(changed: int) -> Cursor:
            reached.append(moved(changed))
            return reached[-1]

        done = self._pages.run(page, self._entry, cursor, made, limits)
        self._cursor = reached[-1]
        return done, page

    # -- what goes wrong

    def _recover(self, exc: Exception) -> None:
        """Go on after a lock that was not granted in time, or a lost connection; raise everything else."""
        if isinstance(exc, batches.StatementError) and not server_errors.is_lock_failure(exc):
            if not database.is_loss(exc.cause):
                raise exc
        elif not isinstance(exc, batches.StatementError) and _is_claimed(exc):
            self._session.abort()
            self._reread()
            raise LockNotAcquired(f"another run goes on with {self._step.name}", code="E601", hint="see its `status`")
        if self._session.conn.closed or self._session.conn.broken or _is_loss(exc):
            self._reconnect()
            return
        if not server_errors.is_lock_failure(exc):  # type: ignore[arg-type] # every other kind was raised
            raise exc
        self._session.abort()
        now = time.monotonic()
        self._failing_since = self._failing_since if self._failures else now
        self._failures += 1
        if now - self._failing_since > self._pacing.budget:
            raise exc
        self._pace.halve()
        self._between.yielded(self._pace)
        time.sleep(random.uniform(0.5, 1.0) * min(_FIRST_PAUSE * self._failures, _LONGEST_PAUSE))

    def _reconnect(self) -> None:
        deadline = time.monotonic() + _RECONNECT_SECONDS
        while True:
            try:
                self._session.reconnect()
                self._session.regain_lock()
                if self._event_id is not None:
                    self._reread()
            except (ConnectionFailed, psycopg.Error):
                if time.monotonic() > deadline:
                    raise
                time.sleep(_RECONNECT_PAUSE)
            else:
                return

    def failure(self, exc: BaseException) -> Error:
        """Log how the run ended, and say what is true now. The cursor stays as it is."""
        session, writer = self._session, self._session.writer
        session.abort()
        error = self._translated(exc)
        with suppress(psycopg.Error):
            session.reset()
        error.state = error.state or self._state()
        error.keeps_pages = self._pages_done() > 0
        error.hint = error.hint or (None if isinstance(error, MigrationFailed) else self._way_on())
        if isinstance(error, Interrupted):
            error.hint = self._way_on()
        session.log_failure(writer.broken(self._step, error))
        return error

    def _translated(self, exc: BaseException) -> Error:
        if isinstance(exc, Error):
            return exc
        if isinstance(exc, batches.StatementError):
            error = server_errors.failure(exc, self._migration, self._session.dsn)
            error.hint = hint_of(exc.cause) or error.hint
            return error
        if isinstance(exc, psycopg.Error):
            error = database.translation(exc, self._session.dsn)
            if isinstance(error, DatabaseError):
                code = "E405" if error.code == "E405" else "E401"
                return error.recast(MigrationFailed, f"{self._step.name}: {error.message}", code=code)
            return error
        return Interrupted.by(exc, f"{self._step.name} was interrupted")

    def _pages_done(self) -> int:
        cursor: Cursor | None = getattr(self, "_cursor", None)  # none if its table was refused
        return cursor.pages if cursor else 0

    def _state(self) -> str:
        if not self._pages_done():
            return f"no page of {self._step.name} is done"
        cursor = self._cursor
        if cursor.after is None:
            return f"its pages are done, and {cursor.rows} rows were changed; they stay"
        at = f"after {', '.join(cursor.key)} = {', '.join(cursor.after)}"
        return f"{self._step.name} stopped {at}: {cursor.rows} rows were changed, and stay changed"

    def _way_on(self) -> str:
        command = "backfill" if self._step.turn is Turn.DEFERRED else "up"
        return f"`dbmigrate {command}` goes on there"


def _is_loss(exc: Exception) -> bool:
    cause = exc.cause if isinstance(exc, batches.StatementError) else exc
    return isinstance(cause, ConnectionFailed) or (isinstance(cause, psycopg.Error) and database.is_loss(cause))


def _is_claimed(exc: Exception) -> bool:
    return CURSOR in str(exc)
