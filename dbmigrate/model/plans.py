"""Plans: steps, how far a run goes, what it may do. Frozen, without I/O."""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen
from dbmigrate.model.files import Direction, Migration, Order

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dbmigrate.model.files import MigrationFile
    from dbmigrate.model.places import Problem
    from dbmigrate.model.recorded import History


class Action(StrEnum):
    """What a step does. All but RUN and UNDO change only the records; the direction says which way."""

    RUN = "run"  # run the SQL of the direction, and record it
    UNDO = "undo"  # run the down SQL of a migration that was never recorded
    RECORD = "record"  # insert or delete the version row, running nothing
    ACCEPT = "accept"  # log the file as it is now as what was applied


class LogKind(StrEnum):
    """What a log entry is about: its column ``direction``."""

    UP = "up"
    DOWN = "down"
    MARK = "mark"
    BASELINE = "baseline"
    REPAIR = "repair"
    ADOPT = "adopt"  # recorded as applied, because the history of another tool has it
    REPLACE = "replace"  # recorded in the place of others, which are forgotten
    REPEATABLE = "repeatable"  # a file that runs again whenever it changed; it has no row in the tracking table


class Turn(StrEnum):
    """When the backfills of a migration run."""

    NOW = "now"
    LATER = "later"  # they are recorded as deferred
    DEFERRED = "deferred"  # now, after they were deferred: where they stop, they stay deferred


@frozen
class Step:
    """One migration in one direction. `done` are the statement numbers that an earlier, interrupted run completed,
    `begun` those that it began. `kind` is how the log calls it, `replaces` what is forgotten in the same transaction.
    """

    version: str
    name: str
    direction: Direction
    action: Action = Action.RUN
    migration: Migration | None = None
    done: frozenset[int] = frozenset()
    kind: LogKind | None = None
    begun: frozenset[int] = frozenset()
    replaces: tuple[Step, ...] = ()
    turn: Turn = Turn.NOW

    @property
    def log_kind(self) -> LogKind:
        return self.kind or LogKind(self.direction.value)

    @property
    def has_backfill(self) -> bool:
        return self.migration is not None and any(section.is_backfill for section in self.migration.sections)

    @property
    def runs_sql(self) -> bool:
        return self.action in (Action.RUN, Action.UNDO)


@frozen
class Plan:
    """What a command will do, in order, with warnings about it; `digest` is made by `plan_hash`."""

    steps: tuple[Step, ...] = ()
    problems: tuple[Problem, ...] = ()
    digest: str = ""


@frozen
class Goal:
    """How far to go: everything, a number of migrations, up to a version, `only` one, or what the last run applied."""

    steps: int | None = None
    version: str | None = None
    only: str | None = None
    last_run: bool = False


ALL = Goal()
LAST = Goal(steps=1)


@frozen
class Policy:
    """Rules that a plan keeps: `strict` refuses what is pending at or below the highest applied version in `order`;
    `environment` is the target's, by which files with ``env`` are chosen; `defers_backfills` records them for later."""

    strict: bool = False
    order: Order = Order.NAME
    environment: str | None = None
    defers_backfills: bool = False


@frozen
class View:
    """What a plan is made from: the files, the history, and the parsed migrations of the wanted versions."""

    files: Sequence[MigrationFile]
    history: History
    migrations: Mapping[str, Migration] = field(default_factory=dict)
