"""The circuit breaker (``--max-blocked``): ends what other sessions have waited for too long, and tries it again later.

How long somebody waits is seen from the second connection (`monitor`). `pg_locks` shows waiting sessions to every role;
the columns of `pg_stat_activity` that say so are hidden from roles without ``pg_read_all_stats``.
https://www.postgresql.org/docs/current/view-pg-locks.html
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from dbmigrate.errors import MigrationFailed
from dbmigrate.events import Warned
from dbmigrate.execution import server_errors
from dbmigrate.execution.monitor import BlocksTooLongError
from dbmigrate.model import Problem, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dbmigrate.execution.monitor import Waiter
    from dbmigrate.execution.session import Session
    from dbmigrate.model import Batch, Step
    from dbmigrate.reports import Outcome

_MOST_CANCELLATIONS = 2
_LOOK_SHARE, _SHORTEST_LOOK, _LONGEST_LOOK = 0.1, 0.1, 0.5  # of the limit; seconds
# those who waited have to get through, and what they kept waiting in turn
_PAUSES, _LONGEST_PAUSE = 4, 60.0  # of the limit; seconds


class Breaker:
    """Notices who has waited for one try of a step for longer than `limit` seconds; None: nobody is looked for."""

    def __init__(self, session: Session, limit: float | None) -> None:
        self._session = session
        self._limit = limit
        self._looked = time.monotonic()
        self._since: dict[int, float] = {}

    def waiters(self) -> tuple[Waiter, ...]:
        """Those who have waited too long. Asks the server a few times a second at most.

        A wait is counted from the last look that did not show it, so that nobody waits for longer than the limit.
        """
        limit, now = self._limit, time.monotonic()
        if limit is None or now - self._looked < min(max(limit * _LOOK_SHARE, _SHORTEST_LOOK), _LONGEST_LOOK):
            return ()
        found = self._session.monitor.waiters()
        if self._session.monitor.is_refused:
            self._report_refusal()
        self._since = {each.pid: self._since.get(each.pid, self._looked) for each in found}
        self._looked = now
        late = tuple(each.after(now - self._since[each.pid]) for each in found)
        return tuple(each for each in late if each.seconds >= limit)

    def _report_refusal(self) -> None:
        self._limit = None
        if self._session.monitor.has_reported_refusal:
            return
        self._session.monitor.has_reported_refusal = True
        message = "max-blocked has no effect: the second connection, which sees who waits, was refused"
        hint = "let the role open two connections (CONNECTION LIMIT, max_connections, the pooler's limits)"
        self._session.emit(Warned(Problem("W385", message, hint=hint)))


def warns(session: Session, step: Step, limit: float | None) -> Callable[[Batch, int], None]:
    """What looks while a statement runs outside a transaction: to cancel it would leave something half done."""
    breaker, reported = Breaker(session, limit), set[int]()

    def look(batch: Batch, number: int) -> None:
        late = breaker.waiters()
        if late and number not in reported:
            reported.add(number)
            message = f"{step.name}: other sessions wait for statement {number}, {_described(late)}"
            hint = "it runs outside a transaction, and is not cancelled"
            session.emit(Warned(Problem("W386", message, hint=hint)))

    return look


def of_page(session: Session, limit: float | None) -> Callable[[Batch], None]:
    """What looks while a page of a backfill runs. Raises BlocksTooLongError."""
    breaker = Breaker(session, limit)

    def look(batch: Batch) -> None:
        if late := breaker.waiters():
            raise BlocksTooLongError(batch, 1, late)

    return look


def page_cancelled(session: Session, step: Step, exc: BlocksTooLongError, rows: int, limit: float) -> None:
    """Say that a page of so many rows was rolled back for others. Raises MigrationFailed E417 for a single row."""
    if rows <= 1:
        raise MigrationFailed(
            f"{step.name}: other sessions waited for a page of one row for longer than {limit:g} s (max-blocked)",
            code="E417",
            hint="see what makes the row slow (a trigger?), or raise --max-blocked",
            place=server_errors.place_of(step.migration.file.path, exc.batch.split()[0]) if step.migration else None,
            details=_waited(exc),
        ) from exc
    message = f"{step.name}: a page of {rows} rows was cancelled: others waited for it, {_described(exc.waiters)}"
    session.emit(Warned(Problem("W387", message, Severity.WARNING, hint="it is tried again with half as many")))


def _waited(exc: BlocksTooLongError) -> tuple[tuple[str, str], ...]:
    return tuple(("WAITED", f"{each.seconds:.1f} s: {each}") for each in exc.waiters)


class Cancellations:
    """Cancels a step for others who wait for it, twice at most, and waits until it may be tried again."""

    def __init__(self, session: Session, step: Step, limit: float) -> None:
        self._session = session
        self._step = step
        self._limit = limit
        self._count = 0

    def watch(self) -> Callable[[Batch, int], None]:
        """What looks while a statement of one try runs. Raises BlocksTooLongError."""
        breaker = Breaker(self._session, self._limit)

        def look(batch: Batch, number: int) -> None:
            if late := breaker.waiters():
                raise BlocksTooLongError(batch, number, late)

        return look

    def add(self, exc: BlocksTooLongError, *, can_repeat: bool) -> None:
        """Pause after a cancellation. Raises MigrationFailed E417 after the last one, with those who waited."""
        self._count += 1
        if self._count >= _MOST_CANCELLATIONS or not can_repeat:
            raise self._gave_up(exc) from exc
        pause = min(self._limit * _PAUSES, _LONGEST_PAUSE)
        message = f"{self._step.name} was cancelled and rolled back: others waited for it, {_described(exc.waiters)}"
        hint = f"it is tried again in {pause:.3g} s"
        self._session.emit(Warned(Problem("W387", message, Severity.WARNING, hint=hint)))
        time.sleep(pause)

    def _gave_up(self, exc: BlocksTooLongError) -> MigrationFailed:
        last = exc.number + exc.batch.count - 1
        which = f"statement {last}" if last == exc.number else f"one of the statements {exc.number} to {last}"
        path = self._step.migration.file.path if self._step.migration else ""
        times = "twice" if self._count > 1 else "once"
        return MigrationFailed(
            f"{self._step.name}: other sessions waited for {which} for longer than {self._limit:g} s (max-blocked)",
            code="E417",
            hint=f"it was cancelled {times}; run it at a quieter time, split it, or raise --max-blocked",
            place=server_errors.place_of(path, exc.batch.split()[0]) if last == exc.number else None,
            details=_waited(exc),
        )


def _described(waiters: Iterable[Waiter]) -> str:
    first, *others = sorted(waiters, key=lambda each: -each.seconds)
    more = f", and {len(others)} more" if others else ""
    return f"{first} for {first.seconds:.1f} s{more}"


def slow_steps(outcomes: Iterable[Outcome], limit: float | None) -> tuple[Problem, ...]:
    """Notes about steps that took longer in a rehearsal than others may have to wait."""
    return tuple(
        Problem(
            "W388",
            f"{outcome.step.name} took {outcome.seconds:.1f} s, longer than max-blocked ({limit:g} s):"
            " a run is cancelled if others wait for it for so long",
            hint="split it, or run it at a quieter time",
        )
        for outcome in outcomes
        if limit is not None and outcome.seconds > limit
    )
