"""Run one command on several targets: hand them out, listen, stop when the plan says so."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Protocol

from dbmigrate.targets import planning
from dbmigrate.targets.values import Outcome, Result
from dbmigrate.targets.workers import Claimed, Crew, Waits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from dbmigrate.targets.planning import Tally
    from dbmigrate.targets.values import Place, Rollout, Target, Totals
    from dbmigrate.targets.workers import Channel

__all__ = ["Listener", "Run"]

_TURN = 0.25  # seconds after which a signal is acted on, and the live line is drawn again


class Listener(Protocol):
    """Shows a run while it goes on."""

    def ended(self, result: Result, tally: Tally) -> None:
        """A target is done with."""

    def waits(self, name: str, text: str) -> None:
        """A target waits for something."""

    def turn(self, running: int, tally: Tally) -> None:
        """Time goes by."""

    def canary_done(self, tally: Tally, seconds: float) -> None:
        """The first targets are done, and all is well."""


class Run:
    """A run: `work` is done in other processes.

    `hold` keeps signals back; what it yields raises for one that came. So none comes in the middle of a message.
    """

    def __init__(
        self,
        work: Callable[[Target, Channel], Result],
        listener: Listener,
        rollout: Rollout,
        hold: Callable[[], AbstractContextManager[Callable[[], None]]],
    ) -> None:
        self._work = work
        self._listener = listener
        self._rollout = rollout
        self._hold = hold
        self._places: dict[Place, str] = {}
        self._started = time.monotonic()
        self.tally = planning.Tally(0)

    def run(self, targets: Sequence[Target], confirm: Callable[[int], None]) -> None:
        """Do it; `confirm` is asked after the canary. Raises what it raises to stop there, KeyboardInterrupt.

        `totals` says afterwards what became of the targets.
        """
        self.tally = planning.Tally(len(targets))
        first, others = planning.split(targets, self._rollout)
        waiting = deque(first or others)
        with Crew(min(self._rollout.parallel, len(targets)), self._work) as crew:
            try:
                self._hand_out(crew, waiting)
                if first:
                    waiting.extend(others)
                    self._after_canary(len(others), confirm)
                    self._hand_out(crew, waiting)
            finally:
                self.tally.leave(waiting, self.tally.reason_to_stop(self._rollout) or "the run was ended")

    def totals(self) -> Totals:
        """What became of the targets."""
        return self.tally.totals(time.monotonic() - self._started)

    def _after_canary(self, others: int, confirm: Callable[[int], None]) -> None:
        """Ask whether the others may follow. With a failure nobody is asked: `_hand_out` starts nothing then."""
        if self.tally.failures or self.tally.counts[Outcome.DONE] < self.tally.ended:
            self.tally.stopped = "the canary failed"
            return
        self._listener.canary_done(self.tally, time.monotonic() - self._started)
        self.tally.stopped = "the canary was not confirmed"
        confirm(others)
        self.tally.stopped = ""

    def _hand_out(self, crew: Crew, waiting: deque[Target]) -> None:
        with self._hold() as check:
            try:
                while self._goes_on(crew, waiting):
                    self._listen(crew)
                    check()
            except KeyboardInterrupt:
                crew.end()
                while crew.busy:
                    self._listen(crew)
                raise

    def _goes_on(self, crew: Crew, waiting: deque[Target]) -> bool:
        """Give every worker something to do; whether one has."""
        while waiting and crew.has_room and not self._is_over():
            crew.give(waiting.popleft())
        return crew.busy > 0

    def _is_over(self) -> bool:
        return bool(self.tally.stopped or self.tally.reason_to_stop(self._rollout))

    def _listen(self, crew: Crew) -> None:
        for message in crew.messages(_TURN):
            if isinstance(message, Result):
                self.tally.add(message)
                self._listener.ended(message, self.tally)
            elif isinstance(message, Claimed):
                crew.answer(message.name, self._other_at(message))
            elif isinstance(message, Waits):
                self._listener.waits(message.name, message.text)
        self._listener.turn(crew.busy, self.tally)

    def _other_at(self, claim: Claimed) -> str | None:
        """The target that has claimed a place before, if it is another one."""
        first = self._places.setdefault(claim.place, claim.name)
        return None if first == claim.name else first
