"""What statements do to tables, and a lock report of it. Frozen values, pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from dbmigrate.model import Place, Problem

OLD_TRANSACTION = 5.0  # seconds: a lock request that queues behind a longer one is worth a warning
_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_]*")


class LockMode(IntEnum):
    """PostgreSQL's table locks, the weakest first.

    What conflicts with what: https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES
    """

    ACCESS_SHARE = 1
    ROW_SHARE = 2
    ROW_EXCLUSIVE = 3
    SHARE_UPDATE_EXCLUSIVE = 4
    SHARE = 5
    SHARE_ROW_EXCLUSIVE = 6
    EXCLUSIVE = 7
    ACCESS_EXCLUSIVE = 8

    @property
    def sql(self) -> str:
        """As ``LOCK TABLE`` and the documentation write it: ``ACCESS EXCLUSIVE``."""
        return self.name.replace("_", " ")

    @property
    def blocks(self) -> str:
        """What others cannot do meanwhile, in words; empty for what ordinary queries take themselves."""
        if self is LockMode.ACCESS_EXCLUSIVE:
            return "reads and writes"
        if self >= LockMode.SHARE:
            return "writes"
        return "schema changes and VACUUM" if self is LockMode.SHARE_UPDATE_EXCLUSIVE else ""

    @classmethod
    def of_server(cls, mode: str) -> LockMode:
        """``AccessExclusiveLock``, as ``pg_locks.mode`` has it."""
        return _BY_SERVER_NAME[mode]


_BY_SERVER_NAME = {mode.name.title().replace("_", "") + "Lock": mode for mode in LockMode}


@dataclass(frozen=True, slots=True, order=True)
class Relation:
    """A table, view or the like, by its names as the catalog has them."""

    schema: str
    name: str

    def __str__(self) -> str:
        """For people: quoted where it has to be, without the schema ``public``."""
        parts = (self.name,) if self.schema == "public" else (self.schema, self.name)
        return ".".join(part if _PLAIN_NAME.fullmatch(part) else quoted(part) for part in parts)


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


@frozen
class TableImpact:
    """What one statement did to one table that was there before its transaction began.

    `lock` is the strongest lock that it took, or the strongest one held already if it took none (`is_held`). It may be
    on something that belongs to the table, an index or a sequence: `through` names that. `partitions` are those of the
    table that are affected too; the lock and the rest are the sums over them.
    """

    table: Relation
    lock: LockMode
    is_held: bool = False
    through: str | None = None
    is_rewritten: bool = False
    is_emptied: bool = False
    is_scanned: bool = False
    is_dropped: bool = False
    new_indexes: tuple[str, ...] = ()
    rebuilt_indexes: tuple[str, ...] = ()
    partitions: tuple[Relation, ...] = ()

    @property
    def writes_much(self) -> bool:
        """Whether a copy of the table or of an index of it is written."""
        return self.is_rewritten or bool(self.new_indexes or self.rebuilt_indexes)

    @property
    def takes_long(self) -> bool:
        """Whether the time that it takes grows with the table."""
        return self.is_scanned or self.writes_much

    @property
    def matters(self) -> bool:
        """Whether it is more than ordinary queries do all day."""
        return self.takes_long or self.is_emptied or self.lock >= LockMode.SHARE_UPDATE_EXCLUSIVE


@frozen
class Held:
    """A lock that an earlier statement of the same transaction took, and that is still there."""

    table: Relation
    lock: LockMode


@frozen
class Impact:
    """What one statement did. `count` > 1: so many INSERT or COPY statements in a row, reported as one.

    `holding` are the locks of earlier statements of the same transaction that stop others, still held while it ran.
    `waits_for` says whom it waits for before it can end, and `note` why it was not measured or not run.
    """

    version: str
    place: Place
    sql: str
    tables: tuple[TableImpact, ...] = ()
    holding: tuple[Held, ...] = ()
    count: int = 1
    is_measured: bool = True
    waits_for: str | None = None
    note: str | None = None


# ------------------------------------------------------------------------------------------------------------- priced


@frozen
class Size:
    """How large a table is on the target, partitions included. `rows` is the planner's estimate, None: never analysed.

    `table_bytes` is the table without its indexes, `total_bytes` with them and with what is stored out of line.
    """

    rows: int | None
    table_bytes: int
    total_bytes: int


@frozen
class Usage:
    """Who uses a table on the target now: other sessions that hold a lock on it. Times are in seconds.

    What a role without ``pg_read_all_stats`` cannot see of other roles' sessions is None.
    """

    sessions: int = 0
    oldest_transaction: float | None = None
    longest_query: float | None = None
    user: str | None = None
    application: str | None = None


class Verdict(StrEnum):
    """How much a statement disturbs others, the least first."""

    HARMLESS = "harmless"
    LONG = "takes long, blocks no reads or writes"
    BRIEF = "blocks briefly"
    BLOCKS_WRITES = "blocks writes"
    BLOCKS_ALL = "blocks reads and writes"

    @property
    def rank(self) -> int:
        return list(Verdict).index(self)

    @property
    def is_dangerous(self) -> bool:
        return self in (Verdict.BLOCKS_WRITES, Verdict.BLOCKS_ALL)


@frozen
class PricedTable:
    """A table's part of a statement, with what the target says about the table.

    `exists` is False where the target has no such table, so that nobody can use it. `size` and `usage` are None
    where they were not asked for or cannot be read.
    """

    impact: TableImpact
    verdict: Verdict
    size: Size | None = None
    usage: Usage | None = None
    exists: bool = True

    @property
    def queues_behind(self) -> float | None:
        """The age of a transaction that the lock will have to wait for, with everybody else behind it."""
        age = self.usage.oldest_transaction if self.usage else None
        if age is None or age < OLD_TRANSACTION or self.impact.is_held or self.impact.lock < LockMode.SHARE:
            return None
        return age


@frozen
class Priced:
    """A statement with its verdict. `held` are the locks of `Impact.holding` that the verdict blames, if any.

    `oldest_transaction` is the age in seconds of the target's oldest open transaction, for those who wait for it.
    """

    impact: Impact
    tables: tuple[PricedTable, ...]
    verdict: Verdict
    held: tuple[Held, ...] = ()
    oldest_transaction: float | None = None


@frozen
class LockReport:
    """What the pending migrations do to the target's tables; `problems` say what is missing in it, and why.

    `measured` is the number of migrations that were run on the scratch database.
    """

    statements: tuple[Priced, ...] = ()
    problems: tuple[Problem, ...] = ()
    measured: int = 0
