"""Decisions about a run on several targets: whose they are, what runs first, when to stop, how it ends. Pure."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate.targets.values import Outcome, Rollout, Totals

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dbmigrate.targets.values import Result, Target

__all__ = ["Tally", "exit_code", "of_shard", "split"]

# half done, failed, refused, not reached, a wait that ran out; a command line or file that is wrong changed nothing
_GRAVEST = (5, 4, 7, 3, 6, 2)


def of_shard(targets: Iterable[Target], shard: tuple[int, int] | None) -> tuple[Target, ...]:
    """The targets of one machine. Each depends on its name alone: machines whose lists differ miss none of them."""
    if shard is None:
        return tuple(targets)
    number, count = shard
    return tuple(target for target in targets if _number(target.name) % count == number - 1)


def _number(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")


def split(targets: Sequence[Target], rollout: Rollout) -> tuple[Sequence[Target], Sequence[Target]]:
    """The canary, and the others. Without others there is no canary: nothing could come of it."""
    if rollout.canary >= len(targets):
        return (), targets
    return targets[: rollout.canary], targets[rollout.canary :]


def exit_code(codes: Iterable[int]) -> int:
    """The gravest of the codes of several targets; 1 if a question was answered no and nothing failed."""
    found = set(codes)
    return next((code for code in _GRAVEST if code in found), max(found, default=0))


class Tally:
    """What became of the targets so far: counts, and the results of what is not done, without their objects."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.counts: Counter[Outcome] = Counter()
        self.failures: list[Result] = []
        self.interrupted: list[str] = []
        self.left: list[str] = []
        self.stopped = ""
        self._codes: set[int] = set()
        self._slowest: Result | None = None

    @property
    def ended(self) -> int:
        """How many are done with, one way or another."""
        return self.counts.total()

    def add(self, result: Result) -> None:
        """Count a result."""
        if result.outcome is Outcome.NOT_STARTED:
            self.left.append(result.name)
            return
        kept = replace(result, value={}, problems=())
        self.counts[kept.outcome] += 1
        self._codes.add(kept.exit_code)
        if kept.outcome is Outcome.FAILED:
            self.failures.append(kept)
        if kept.outcome is Outcome.INTERRUPTED:
            self.interrupted.append(kept.name)
        if self._slowest is None or kept.seconds > self._slowest.seconds:
            self._slowest = kept

    def reason_to_stop(self, rollout: Rollout) -> str:
        """Why no further target may start; empty if it may."""
        if any(result.failure and result.failure.is_of_files for result in self.failures):
            return "a file or a setting is wrong, which is the same for all"
        if rollout.max_failures is not None and len(self.failures) >= rollout.max_failures:
            return f"{len(self.failures)} failed, and --max-failures is {rollout.max_failures}"
        return ""

    def leave(self, targets: Iterable[Target], reason: str) -> None:
        """Note that these do not start."""
        names = [target.name for target in targets]
        if names:
            self.left += names
            self.stopped = self.stopped or reason

    def totals(self, seconds: float) -> Totals:
        """The end of the run."""
        return Totals(
            counts={**self.counts, **({Outcome.NOT_STARTED: len(self.left)} if self.left else {})},
            failures=tuple(self.failures),
            interrupted=tuple(self.interrupted),
            left=tuple(self.left),
            slowest=self._slowest,
            seconds=seconds,
            stopped=self.stopped,
            exit_code=exit_code(self._codes),
        )
