"""How long a migration may wait for locks and run, and what is told while it does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbmigrate.model import Progress

if TYPE_CHECKING:
    from dbmigrate.dsn import Dsn
    from dbmigrate.locks import Blocker
    from dbmigrate.model import Step
    from dbmigrate.session import Session
    from dbmigrate.wire import Batch

# Short at first, because everybody queues behind a waiting ACCESS EXCLUSIVE; never below deadlock_timeout (1 s) at the
# end, because autovacuum gives way only after that
_ESCALATION = (0.5, 1.0, 2.0)
_LOOK_AFTER = 0.6  # share of the lock timeout after which the blockers are looked up, while they still block
_LOOK_AT_LEAST = 0.15
_REPORT_AFTER, _REPORT_EVERY = 0.3, 0.25


@dataclass(frozen=True, slots=True)
class Pacing:
    """Limits of a run, in seconds. `lock_timeout` None escalates by itself, 0 waits without limit."""

    lock_timeout: float | None = None
    timeout: float | None = None
    budget: float = 300.0
    patience: float = 30.0

    def attempts(self) -> Attempts:
        return Attempts(self)

    def settings(self, dsn: Dsn, lock_timeout: float | None) -> str:
        """SET LOCAL commands for one transaction; what the URL sets itself wins."""
        wanted = {"idle_in_transaction_session_timeout": "'60s'"}
        if lock_timeout is not None:
            wanted["lock_timeout"] = str(round(lock_timeout * 1000))
        if self.timeout is not None:
            wanted["statement_timeout"] = str(round(self.timeout * 1000))
        return "".join(f"SET LOCAL {name} = {value};\n" for name, value in wanted.items() if name not in dsn.settings)


class Attempts(Iterator[float]):
    """The lock timeouts of successive tries, until the budget is spent."""

    def __init__(self, pacing: Pacing) -> None:
        self._pacing = pacing
        self._deadline = time.monotonic() + pacing.budget
        self._steps = iter(_ESCALATION)

    def __next__(self) -> float:
        if self._pacing.lock_timeout is not None:
            return self._pacing.lock_timeout
        return next(self._steps, _ESCALATION[-1])

    def is_spent(self) -> bool:
        return time.monotonic() >= self._deadline


class Watch:
    """Looks after one attempt at one step while its statements run: who blocks it, and what to tell."""

    def __init__(self, session: Session, step: Step, limit: float | None) -> None:
        self.limit = limit
        self.blockers: tuple[Blocker, ...] = ()
        self._session = session
        self._step = step
        self._number = 1
        self._batch: Batch | None = None
        self._since = time.monotonic()
        self._reported = 0.0

    def completed(self, batch: Batch) -> None:
        self._number += len(batch.statements)
        self._batch = None

    def pulse(self, batch: Batch) -> None:
        """Called some times a second while `batch` runs on the server."""
        now = time.monotonic()
        if batch is not self._batch:
            self._batch, self._since, self._reported = batch, now, 0.0
        elapsed = now - self._since
        if self.limit and elapsed >= max(self.limit * _LOOK_AFTER, _LOOK_AT_LEAST):
            self.blockers = self._session.monitor.blockers() or self.blockers
        if elapsed >= _REPORT_AFTER and now - self._reported >= _REPORT_EVERY:
            self._reported = now
            self._report(batch, elapsed)

    def _report(self, batch: Batch, elapsed: float) -> None:
        detail = self._session.monitor.detail() if elapsed >= 1.0 else None
        total = self._number + len(batch.statements) - 1
        text = " ".join(batch.statements[0].sql.split())[:60]
        self._session.emit(Progress(self._step, self._number, total, text, elapsed, detail))
