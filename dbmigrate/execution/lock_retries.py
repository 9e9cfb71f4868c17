"""How long a migration may wait for locks and run, when it is retried, and which events it emits meanwhile."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING, TypeVar

import psycopg

from dbmigrate.errors import DatabaseError, Error
from dbmigrate.events import Progress, Retrying
from dbmigrate.execution.batches import StatementError
from dbmigrate.execution.monitor import BlocksTooLongError
from dbmigrate.frozen import frozen
from dbmigrate.settings import durations

if TYPE_CHECKING:
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.execution.breaker import Cancellations
    from dbmigrate.execution.run_lock import Blocker
    from dbmigrate.execution.session import Session
    from dbmigrate.model import Batch, Step

Result = TypeVar("Result")

# Short at first, because all other sessions queue behind a waiting ACCESS EXCLUSIVE; not below deadlock_timeout (1 s)
# at the end, because autovacuum gives way only after that
_ESCALATION = (0.5, 1.0, 2.0)
_LOOK_AFTER = 0.4  # share of the lock timeout after which, and at which interval, the blockers are looked up
_LOOK_AT_LEAST = 0.1
# the pause after the first try where no blocker is known; it doubles each time
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0
_REPORT_AFTER, _REPORT_EVERY = 0.3, 0.25
_SILENT_AFTER = 10.0  # seconds


@frozen
class Pacing:
    """Limits of a run, in seconds. `lock_timeout` None escalates by itself, 0 waits without limit.

    `timeout` limits each statement, `budget` all tries of a transaction together, `patience` the wait for the blockers
    of one try. `max_blocked` is how long others may wait for a statement before it is cancelled; None: for ever.
    `backfill_for` is the time after which a backfill is paused, `max_wait` how long one waits for others. `origins`
    says where `lock_timeout` and `timeout` were set.
    """

    lock_timeout: float | None = None
    timeout: float | None = None
    budget: float = 300.0
    patience: float = 30.0
    max_blocked: float | None = None
    backfill_for: float | None = None
    max_wait: float = 1800.0
    origins: Mapping[str, str] = field(default_factory=dict)

    def of(self, step: Step) -> Pacing:
        """The limits of one step: the options of its file (``lock_timeout:2s timeout:10min``) win over the run's.

        Where several sections run in one direction, the first one that has the option speaks for all.
        """
        if step.migration is None or not step.runs_sql:
            return self
        found: dict[str, float | None] = {}
        origins: dict[str, str] = {}
        for section in step.migration.run_order(step.direction):
            for name in ("lock_timeout", "timeout"):
                if name in section.options and name not in found:
                    found[name] = durations.seconds(section.options[name])
                    origins[name] = f"{name}:{section.options[name]} in line {section.line} of the file"
        return replace(self, **found, origins={**self.origins, **origins}) if found else self  # type: ignore[arg-type]

    @property
    def given(self) -> dict[str, str]:
        """The limits that the user set, as settings of the server."""
        limits = {"lock_timeout": self.lock_timeout, "statement_timeout": self.timeout}
        return {name: milliseconds(limit) for name, limit in limits.items() if limit is not None}

    def limit(self, setting: str) -> tuple[float, str] | None:
        """A limit of the server's setting, and where it was set; None where nobody has set one.

        Of the lock timeouts that escalate it is the longest.
        """
        name = {"lock_timeout": "lock_timeout", "statement_timeout": "timeout"}.get(setting)
        value = None if name is None else {"lock_timeout": self.lock_timeout, "timeout": self.timeout}[name]
        if name is not None and value is not None:
            return value, self.origins.get(name, "this run")
        longest = min(_ESCALATION[-1], self.max_blocked or _ESCALATION[-1])
        return (longest, "dbmigrate, which tries again") if name == "lock_timeout" else None

    def attempts(self) -> Attempts:
        return Attempts(self)

    def settings(self, dsn: Dsn, lock_timeout: float | None) -> str:
        """SET LOCAL commands for one transaction; settings of the URL win."""
        wanted = {"idle_in_transaction_session_timeout": "'60s'"}
        if lock_timeout is not None:
            wanted["lock_timeout"] = milliseconds(lock_timeout)
        if self.timeout is not None:
            wanted["statement_timeout"] = milliseconds(self.timeout)
        return "".join(f"SET LOCAL {name} = {value};\n" for name, value in wanted.items() if name not in dsn.settings)


def milliseconds(seconds: float) -> str:
    """A time-out as PostgreSQL reads it; a limit below a millisecond must not become 0, which means none."""
    return str(max(round(seconds * 1000), 1) if seconds else 0)


class Attempts(Iterator[float]):
    """The lock timeouts of successive tries, until the budget is spent."""

    def __init__(self, pacing: Pacing) -> None:
        self._pacing = pacing
        self._started = time.monotonic()
        self._steps = iter(_ESCALATION)

    def __next__(self) -> float:
        if self._pacing.lock_timeout is not None:
            return self._pacing.lock_timeout
        # who waits behind a queued lock request waits for us as well
        return min(next(self._steps, _ESCALATION[-1]), self._pacing.max_blocked or _ESCALATION[-1])

    def skip_to_longest(self, limit: float) -> bool:
        """Continue with the longest lock timeout; False if `limit` is that already, or is set by the user."""
        if self._pacing.lock_timeout is not None or limit >= _ESCALATION[-1]:
            return False
        self._steps = iter(())
        return True

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self._started

    @property
    def left(self) -> float:
        """The rest of the budget, in seconds; not positive when it is spent."""
        return self._pacing.budget - self.elapsed


def with_retries(
    session: Session,
    step: Step,
    pacing: Pacing,
    *,
    attempt: Callable[[AttemptWatch], Result],
    can_repeat: Callable[[], bool] = lambda: True,
) -> Result:
    """Run a whole transaction; retry it after a lock timeout, a deadlock or a serialization failure.

    Between two tries it waits for the blockers; all other sessions get through meanwhile. Raises MigrationFailed E405,
    which names the blockers, when the budget is spent, E417 when others had to wait for too long twice; other failures
    of `attempt` at once.
    """
    attempts, cancellations = pacing.attempts(), _cancellations(session, step, pacing)
    known: tuple[Blocker, ...] = ()
    for number, limit in enumerate(attempts, 1):
        watch = AttemptWatch(session, step, limit, cancellations.watch() if cancellations else None)
        try:
            return attempt(watch)
        except BlocksTooLongError as exc:
            session.abort()
            assert cancellations is not None
            cancellations.add(exc, can_repeat=can_repeat())
            continue
        except (StatementError, psycopg.Error, DatabaseError) as exc:
            from dbmigrate.execution import server_errors

            if not server_errors.is_lock_failure(exc):
                raise
            session.abort()
            if session.observer is not None:
                session.observer.undone()
            known = watch.blockers or known
            if attempts.left <= 0 or not can_repeat():
                assert step.migration is not None
                error = server_errors.lock_failure(exc, step.migration, session.dsn)
                named = tuple(map(str, known)) or session.monitor.holders(session.tables)
                named = tuple(map(session.dsn.quoted, named))
                raise _gave_up(error, named, tries=number, seconds=attempts.elapsed) from exc
        named = tuple(map(str, watch.blockers)) or session.monitor.holders(session.tables)
        session.emit(Retrying(step, number, named))
        if not (
            watch.blockers and all(each.is_autovacuum for each in watch.blockers) and attempts.skip_to_longest(limit)
        ):
            _pause(session, pacing, watch, number=number, most=attempts.left)
    raise AssertionError("attempts never end by themselves")


def _cancellations(session: Session, step: Step, pacing: Pacing) -> Cancellations | None:
    if pacing.max_blocked is None:
        return None
    from dbmigrate.execution.breaker import Cancellations

    return Cancellations(session, step, pacing.max_blocked)


def _pause(session: Session, pacing: Pacing, watch: AttemptWatch, *, number: int, most: float) -> None:
    """Wait for the blockers; where none is known (no second connection), longer each time."""
    if watch.blockers:
        session.monitor.wait_until_gone(watch.blockers, seconds=min(pacing.patience, most))
        time.sleep(random.uniform(0.05, 0.25))
    else:
        longest = min(_FIRST_PAUSE * 2 ** (number - 1), _LONGEST_PAUSE)
        time.sleep(min(random.uniform(0.5, 1.0) * longest, max(most, 0.05)))


def _gave_up(error: Error, known: tuple[str, ...], *, tries: int, seconds: float) -> Error:
    error.details += tuple(("BLOCKED BY", blocker) for blocker in known)
    error.hint = f"gave up after {tries} tries in {seconds:.0f} s; end the blocker, or run it at a quieter time"
    return error


class AttemptWatch:
    """Watches one try of one step while its statements run: looks up blockers, and emits Progress.

    `breaker` is called with the batch and the number of its first statement; it raises to end the try.
    """

    def __init__(
        self, session: Session, step: Step, limit: float | None, breaker: Callable[[Batch, int], None] | None
    ) -> None:
        self.limit = limit
        self._breaker = breaker
        self.blockers: tuple[Blocker, ...] = ()
        self._session = session
        self._step = step
        self._number = 1
        self._since = time.monotonic()
        self._reported = self._looked = 0.0
        self._silence = session.monitor.watch(session.conn)
        if session.observer is not None:
            session.observer.begin(session.conn, step)

    def begin_at(self, number: int) -> None:
        """Count statements from here on, in a migration that runs in several steps."""
        self._number = number

    def completed(self, batch: Batch, tags: Sequence[bytes]) -> None:
        if self._session.observer is not None:
            self._session.observer.completed(batch, tags)
        self._number += batch.count
        self._since, self._reported = time.monotonic(), 0.0
        self._silence = self._session.monitor.watch(self._session.conn)

    def pulse(self, batch: Batch) -> None:
        """Called some times a second while `batch` runs on the server."""
        now = time.monotonic()
        elapsed = now - self._since
        self._silence()
        if self._breaker:
            self._breaker(batch, self._number)
        if self.limit and min(elapsed, now - self._looked) >= max(self.limit * _LOOK_AFTER, _LOOK_AT_LEAST):
            self._looked = now
            self.blockers = self._session.monitor.blockers() or self.blockers
        if elapsed >= _REPORT_AFTER and now - self._reported >= _REPORT_EVERY:
            self._reported = now
            self._report(batch, elapsed)

    def _report(self, batch: Batch, elapsed: float) -> None:
        monitor = self._session.monitor
        detail = monitor.detail() if elapsed >= 1.0 else None
        if monitor.is_refused and elapsed >= _SILENT_AFTER:
            detail = self._silence.text
        last = self._number + batch.count - 1
        title = batch.title if batch.count == 1 else ""
        self._session.emit(Progress(self._step, self._number, last, title, elapsed, detail))
