"""What a rehearsal with rows measured. Frozen values, pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.impact.values import Held, Impact, LockMode, Relation
    from dbmigrate.model import Problem


@frozen
class Rewritten:
    """A table that was rewritten, or an index of it that was built (`index`). `rows` is the planner's estimate."""

    table: Relation
    rows: int | None
    size: int
    index: str | None = None


@frozen
class LockHeld:
    """A lock that a statement took, and for how many seconds it was held: to the end of its transaction."""

    table: Relation
    lock: LockMode
    seconds: float


@frozen
class StatementMeasured:
    """One statement of a migration, or `impact.count` INSERT or COPY statements in a row.

    `locks` are those that it took, the strongest first, and `holding` those of earlier statements that stop others.
    `rows` is what the server counted (INSERT, UPDATE ...). `wal_bytes` is what the server wrote meanwhile, for
    whomever; `temporary_bytes` the most that was seen at once, None where the role may not look. `stall` is how long
    one query of the traffic waited for a lock of it.
    """

    migration: str
    impact: Impact
    seconds: float
    locks: tuple[LockHeld, ...] = ()
    rewritten: tuple[Rewritten, ...] = ()
    rows: int | None = None
    wal_bytes: int | None = None
    temporary_bytes: int | None = None
    stall: float | None = None

    @property
    def holding(self) -> tuple[Held, ...]:
        return self.impact.holding


@frozen
class Latencies:
    """How long queries took, in seconds."""

    count: int
    p50: float
    p99: float
    longest: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Latencies | None:
        """None without any."""
        ordered = sorted(seconds)
        if not ordered:
            return None
        return cls(len(ordered), _rank(ordered, 0.5), _rank(ordered, 0.99), ordered[-1])


def _rank(ordered: Sequence[float], share: float) -> float:
    """The nearest rank: a value that was measured."""
    return ordered[max(math.ceil(share * len(ordered)), 1) - 1]


@frozen
class Stall:
    """The longest wait of a query for a lock of a migration; `table` is what it waited for, where that was seen."""

    query: str
    seconds: float
    table: Relation | None


@frozen
class QueryFailure:
    """A query of the traffic that worked before the migrations, and failed later."""

    query: str
    message: str
    count: int


@frozen
class TrafficMeasured:
    """What the traffic felt: `alone` before the migrations, `during` them. `stall` None: no query had to wait."""

    sessions: int
    alone: Latencies | None
    during: Latencies | None
    stall: Stall | None = None
    failures: tuple[QueryFailure, ...] = ()


@frozen
class Measurement:
    """All that was measured. `temporary_bytes` is the server's sum for the whole rehearsal, traffic included."""

    statements: tuple[StatementMeasured, ...] = ()
    traffic: TrafficMeasured | None = None
    temporary_bytes: int | None = None
    problems: tuple[Problem, ...] = ()
