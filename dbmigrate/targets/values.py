"""What a run on several targets is about: the targets, how it goes about them, what became of each. Frozen values."""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.model import Problem

__all__ = ["Failure", "Outcome", "Place", "Result", "Rollout", "Selection", "Target", "Totals"]

Place = tuple[str | None, ...]  # what a server says that a target is; equal for two names of one


@frozen
class Target:
    """A database or schema. `name` is the line that names it, without a password: a report can be a list again."""

    name: str
    dsn: Dsn = field(repr=False)


@frozen
class Selection:
    """The targets of a list, and those that it names a second time, with the name of the first."""

    targets: tuple[Target, ...]
    repeated: tuple[tuple[str, str], ...] = ()


@frozen
class Rollout:
    """How a run goes about its targets: `parallel` at a time, the first `canary` alone, no more after `max_failures`.

    `shard` is this machine's number, from 1, and how many there are.
    """

    parallel: int = 4
    canary: int = 0
    max_failures: int | None = None
    shard: tuple[int, int] | None = None


class Outcome(StrEnum):
    """What became of a target."""

    DONE = "done"
    NO = "no"  # the question was answered no: pending, drift, a disagreement
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    NOT_STARTED = "not-started"


@frozen
class Failure:
    """Why a target failed, in short. `is_of_files`: a file or the configuration is wrong, which all targets share."""

    code: str
    message: str
    place: str = ""
    state: str = ""
    hint: str = ""
    sqlstate: str | None = None
    is_of_files: bool = False


@frozen
class Result:
    """What became of a target. `summary` is for people, `value` is the command's object for programs.

    `seconds` is how long it took, `waited` how much of that it waited for locks, `problems` are its warnings.
    """

    name: str
    outcome: Outcome
    exit_code: int = 0
    summary: str = ""
    failure: Failure | None = None
    seconds: float = 0.0
    waited: float = 0.0
    value: Mapping[str, object] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


@frozen
class Totals:
    """The whole run at its end. `left` are the names of targets that were not started, `stopped` says why.

    `slowest` is the result that took longest; `failures` and `interrupted` are in the order in which they ended.
    """

    counts: Mapping[Outcome, int]
    failures: Sequence[Result]
    interrupted: Sequence[str]
    left: Sequence[str]
    slowest: Result | None
    seconds: float
    stopped: str = ""
    exit_code: int = 0
