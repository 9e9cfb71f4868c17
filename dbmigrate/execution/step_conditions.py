"""The conditions of a non-transactional migration: asked between its steps, each in a transaction of its own.

Before the first step a condition that is not true ends the migration before anything of it is logged. Later the steps
that ran are committed: the migration is unfinished, and `resume` asks again. It asks for nothing that belongs to steps
before the one at which the migration stopped, because the later steps may have changed that.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import psycopg

from dbmigrate.errors import Error, NeedsAttention
from dbmigrate.execution import conditions, lock_retries
from dbmigrate.execution.batches import StatementError
from dbmigrate.execution.conditions import Context
from dbmigrate.migrations.conditions import Kind, parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from dbmigrate.execution.conditions import Asker
    from dbmigrate.execution.lock_retries import AttemptWatch, Pacing
    from dbmigrate.execution.session import Session
    from dbmigrate.execution.substeps import SubStep
    from dbmigrate.migrations.conditions import Condition, Part
    from dbmigrate.model import Step

_FAILURES = (Error, StatementError, psycopg.Error)
_CODES = {Kind.PRECONDITION: "E510", Kind.POSTCONDITION: "E511"}
_ASK_AGAIN = "run `dbmigrate resume`, which asks again"
_WAY_ON = "make it true, or correct the condition in the file, then run `dbmigrate resume`, which asks again"


def around(parts: Iterable[Part], substeps: Iterable[SubStep]) -> Iterator[tuple[Part, int, int, Iterator[SubStep]]]:
    """Each part with the numbers of its first and last statement, and its steps, which have to be taken in between."""
    source, first = iter(substeps), 1
    for part in parts:
        last = first + part.count - 1
        yield part, first, last, _until(source, last) if part.count else iter(())
        first = last + 1


def _until(source: Iterator[SubStep], last: int) -> Iterator[SubStep]:
    for substep in source:
        yield substep
        if substep.last_number >= last:
            return


class StepConditions:
    """Asks the conditions of one run of one migration."""

    def __init__(self, session: Session, step: Step, pacing: Pacing, asker: Asker) -> None:
        assert step.migration is not None
        self._session = session
        self._step = step
        self._migration = step.migration
        self._pacing = pacing
        self._asker = asker
        self._parts = parts(step.migration, step.direction)
        self._last = 0  # the number of the last statement that is done

    def ask_first(self) -> None:
        """Ask what has to be true before the first step; not in a run that goes on with another one.

        Raises Refused E734, E735, MigrationFailed E405, ConnectionFailed E305.
        """
        if self._step.begun or not self._parts[0].before:
            return
        try:
            self._ask(self._parts[0].before)
        except _FAILURES as exc:
            raise self._nothing_done(exc) from exc

    def between(self, substeps: Iterable[SubStep]) -> Iterator[SubStep]:
        """The steps; when one is asked for, the steps before it are done. Raises NeedsAttention E510, E511."""
        latest = max(self._step.begun, default=0)
        for part, first, last, inside in around(self._parts, substeps):
            if part is not self._parts[0] and latest < first:
                self._ask_later(part.before)
            for substep in inside:
                yield substep
                self._last = substep.last_number
            if latest <= last:
                self._ask_later(part.after)

    def demand_after(self, substep: SubStep) -> Callable[[], None]:
        """Asks the postconditions of a backfill, which passes over its table again while they are not true.

        Raises MigrationFailed E413 for one that is not.
        """
        asked = next((part.after for part in self._parts if substep.backfill in part.sections), ())
        return lambda: self._ask(asked)

    def _ask_later(self, asked: tuple[Condition, ...]) -> None:
        for condition in asked:
            try:
                self._ask((condition,))
            except _FAILURES as exc:
                raise self._unfinished(exc, condition) from exc

    def _ask(self, asked: tuple[Condition, ...]) -> None:
        def attempt(watch: AttemptWatch) -> None:
            self._asker.ask(self._context(watch), asked)

        lock_retries.with_retries(self._session, self._step, self._pacing, attempt=attempt)

    def _context(self, watch: AttemptWatch) -> Context:
        limits = self._pacing.settings(self._session.dsn, watch.limit)
        make = partial(Context, self._session.conn, self._session.dsn, self._migration)
        return make(conditions.alone(limits), watch.pulse)

    # -- failures

    def _error(self, exc: Error | StatementError | psycopg.Error) -> Error:
        return conditions.translated(exc, Context(self._session.conn, self._session.dsn, self._migration))

    def _nothing_done(self, exc: Error | StatementError | psycopg.Error) -> Error:
        error = self._error(exc)
        error.state = f"nothing of {self._step.name} was done"
        return error

    def _unfinished(self, exc: Error | StatementError | psycopg.Error, condition: Condition) -> Error:
        """The error after a step; it is logged. Without any step nothing is unfinished."""
        cause = self._nothing_done(exc)
        self._session.abort()
        self._session.log_failure(self._session.writer.broken(self._step, cause))
        if not self._last:
            return cause
        hint = _WAY_ON if cause.code in conditions.CODES else _ASK_AGAIN
        error = cause.recast(NeedsAttention, code=_CODES[condition.kind], hint=hint)
        done = f"statements 1 to {self._last} are done" if self._last > 1 else "statement 1 is done"
        error.state = f"{self._step.name} is unfinished: {done}"
        return error
