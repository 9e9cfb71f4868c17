"""How much a statement blocks: lock x work x size. Pure; docs/explanation/locking.md explains the thresholds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.impact.values import LockMode, Priced, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from dbmigrate.impact.values import Held, Impact, PricedTable, Relation, Size, TableImpact

# bytes; what a common server writes, or reads, in a tenth of a second or so: less is no more than a hiccup
LARGE_TO_WRITE = 16 << 20
LARGE_TO_READ = 128 << 20


def of(table: TableImpact, size: Size | None) -> Verdict:
    """The verdict on one table's part. A table of unknown size counts as large."""
    if not is_heavy(table, size):
        return Verdict.BRIEF if table.lock >= LockMode.SHARE else Verdict.HARMLESS
    return _while(table.lock)


def _while(lock: LockMode) -> Verdict:
    """What it means when a lock is held for long."""
    if lock is LockMode.ACCESS_EXCLUSIVE:
        return Verdict.BLOCKS_ALL
    return Verdict.BLOCKS_WRITES if lock >= LockMode.SHARE else Verdict.LONG


def is_heavy(table: TableImpact, size: Size | None) -> bool:
    """Whether the statement works on the table for long enough to be noticed."""
    if size is None:
        return table.takes_long
    writes = table.writes_much and size.total_bytes >= LARGE_TO_WRITE
    return writes or (table.takes_long and size.table_bytes >= LARGE_TO_READ)


def judged(
    impact: Impact, tables: Sequence[PricedTable], *, oldest: float | None = None, absent: Collection[Relation] = ()
) -> Priced:
    """A statement with its verdict: that of its worst table, or of the locks that it makes last.

    `absent` are the tables that the target does not have: a lock held on them is in nobody's way. `oldest` is the age
    of the target's oldest transaction in seconds.
    """
    worst = max((table.verdict for table in tables), key=lambda verdict: verdict.rank, default=Verdict.HARMLESS)
    held: tuple[Held, ...] = ()
    if any(table.exists and is_heavy(table.impact, table.size) for table in tables):
        own = {table.impact.table for table in tables if table.verdict.is_dangerous}
        held = tuple(each for each in impact.holding if each.table not in own and each.table not in absent)
        worst = max((worst, *(_while(each.lock) for each in held)), key=lambda verdict: verdict.rank)
    return Priced(impact, tuple(tables), worst, held, oldest if impact.waits_for else None)
