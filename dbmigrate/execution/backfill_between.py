"""Between two pages: pauses, waits for others, VACUUM, the end of the run's time, and how far the backfill is."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from dbmigrate.backfill.waiting import Waits
from dbmigrate.connection import database
from dbmigrate.errors import DatabaseError, LockNotAcquired
from dbmigrate.events import BackfillProgress, ServerNotice, Warned
from dbmigrate.execution.deferral import Deferred
from dbmigrate.model import Problem, Severity

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbmigrate.backfill.cursor import Cursor
    from dbmigrate.backfill.key import Key
    from dbmigrate.backfill.options import Settings
    from dbmigrate.backfill.pace import Pace
    from dbmigrate.execution.backfill_pages import Limits, Pages
    from dbmigrate.execution.lock_retries import Pacing
    from dbmigrate.execution.session import Session
    from dbmigrate.model import Step

_LOOK_EVERY = 1.0  # seconds
_REPORT_EVERY = 10.0  # seconds of a wait
_PROGRESS_EVERY = 0.25
_NAP = 0.1  # seconds, after which a signal is noticed
_WINDOW = 60.0  # seconds, over which the rate is taken


class Between:
    """What happens between the pages of one backfill."""

    def __init__(self, session: Session, step: Step, key: Key, settings: Settings, pacing: Pacing) -> None:
        self._session = session
        self._step = step
        self._key = key
        self._settings = settings
        self._pacing = pacing
        self._waits = Waits(key, settings)
        self._began = time.monotonic()
        self._looked = self._reported = float("-inf")
        self._seen: deque[tuple[float, int]] = deque()
        self._page = (0, 0.0)
        self.left: float | None = None
        self.rate = 0.0
        self.act_on_signal: Callable[[], None] = lambda: None
        self._vacuumed = 0

    def look_ahead(self) -> None:
        """Raises Refused E761."""
        with database.translated(self._session.dsn):
            self._waits.look_ahead(self._session.conn, self._session.facts.role)
        if self._waits.is_blind:
            message = f"role {self._session.facts.role} may not read how far the replicas are behind"
            hint = "pauses are twice as long instead; `grant pg_monitor`, or write `max_lag:off`"
            self._session.emit(Warned(Problem("W353", message, Severity.NOTE, hint=hint)))

    def wait(self, cursor: Cursor) -> None:
        """Return when nothing is in the way of the next page. Raises Deferred, LockNotAcquired E610."""
        since = reported = None
        while True:
            now = time.monotonic()
            if self._pacing.backfill_for is not None and now - self._began >= self._pacing.backfill_for:
                raise Deferred(f"{self._step.name} is paused{self._how_far(cursor)}")
            if since is None and now - self._looked < _LOOK_EVERY:
                return
            reason = self._waits.reason(self._session.conn)
            self._looked = time.monotonic()
            if reason is None:
                return
            since = since or now
            if now - since > self._pacing.max_wait:
                raise LockNotAcquired(
                    f"{self._step.name} has waited for {now - since:.0f} s: {reason}",
                    code="E610",
                    hint=f"continue with `dbmigrate {_command(self._step)}`; --max-wait is how long it waits",
                )
            if reported is None or now - reported >= _REPORT_EVERY:
                reported = now
                self._report(cursor, reason)
            time.sleep(_NAP)
            self.act_on_signal()

    def pause(self, pace: Pace, rows: int, seconds: float) -> None:
        end = time.monotonic() + pace.pause(rows, seconds, is_blind=self._waits.is_blind)
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _NAP))
            self.act_on_signal()

    def yielded(self, pace: Pace) -> None:
        """A lock was not granted in time."""
        self._looked = float("-inf")

    def after_page(self, cursor: Cursor, pages: Pages, limits: Limits, page: tuple[int, float]) -> None:
        """Say how far it is, and vacuum when it is time. `page` is its number of rows, and its seconds."""
        now = time.monotonic()
        self._seen.append((now, cursor.passed))
        while now - self._seen[0][0] > _WINDOW:
            self._seen.popleft()
        self._page = page
        if now - self._reported >= _PROGRESS_EVERY:
            with database.translated(self._session.dsn):
                self.left = pages.left(cursor, limits) if cursor.after else self.left
            self._report(cursor, None)
        self._vacuum(cursor)

    def _vacuum(self, cursor: Cursor) -> None:
        share = self._settings.vacuum
        rows = max(self._key.reltuples, 1000.0) * (share or 0)
        if not share or cursor.passed - self._vacuumed < rows or cursor.after is None:
            return
        self._vacuumed = cursor.passed
        conn = self._session.conn
        try:
            with database.translated(self._session.dsn):
                database.run(conn, "SET lock_timeout = '500ms'")
                conn.execute(f"VACUUM (TRUNCATE off) {self._key.qualified}".encode())
        except DatabaseError as exc:
            self._session.emit(ServerNotice("NOTICE", f"{self._key.shown} was not vacuumed: {exc.message}"))
        finally:
            if not conn.closed:
                database.run(conn, "SET lock_timeout = 0")

    def _share(self, cursor: Cursor) -> float | None:
        if self.left is None:
            return None
        return cursor.passed / max(cursor.passed + self.left, 1.0)

    def _how_far(self, cursor: Cursor) -> str:
        share = self._share(cursor)
        return f" after {cursor.passed} rows" if share is None else f" at {share:.0%}"

    def _report(self, cursor: Cursor, reason: str | None) -> None:
        self._reported = time.monotonic()
        if len(self._seen) > 1:
            (first, before), (_, now) = self._seen[0], self._seen[-1]
            self.rate = (now - before) / max(self._reported - first, 1e-3)
        share = self._share(cursor)
        total = None if self.left is None else cursor.passed + self.left
        left = None if self.left is None or not self.rate else self.left / self.rate
        self._session.emit(
            BackfillProgress(
                self._step, self._key.shown, cursor.passed, self._page, self.rate, share, total, left, reason
            )
        )


def _command(step: Step) -> str:
    return "backfill" if step.turn == "deferred" else "up"
