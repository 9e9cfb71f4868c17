"""Several environments side by side: all asked at once, their answers merged into one table."""

from __future__ import annotations

import time
from dataclasses import field
from enum import StrEnum
from threading import BoundedSemaphore, Thread
from typing import TYPE_CHECKING

from dbmigrate.errors import Error
from dbmigrate.frozen import frozen
from dbmigrate.model import Order
from dbmigrate.reports import MigrationState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from dbmigrate.reports import Status, StatusRow

__all__ = ["Cell", "CellState", "Column", "Look", "Reading", "Row", "Table", "gather", "in_order", "merge"]

_AT_ONCE = 8
_SHOWN = 3  # the newest migrations stay, even if they are applied everywhere
_USUAL = ("dev", "development", "staging", "production", "prod", "live")


@frozen
class Look:
    """How one environment is asked. `patience` bounds it, in seconds; `where` names its server for people."""

    name: str
    ask: Callable[[], Status]
    where: str = ""
    patience: float = 60.0


@frozen
class Reading:
    """What one environment answered: its status, or why there is none."""

    name: str
    status: Status | None = None
    failure: str | None = None
    where: str = ""


class CellState(StrEnum):
    """What a migration is in an environment."""

    APPLIED = "applied"
    CHANGED = "changed"  # applied, but the file is another one now
    PENDING = "pending"
    ELSEWHERE = "elsewhere"  # not applied, and only for other environments
    UNFINISHED = "unfinished"
    MISSING = "missing"  # applied, but there is no file
    ABSENT = "absent"  # there is no file, and it was never applied here either
    UNKNOWN = "unknown"  # the environment could not be asked


@frozen
class Cell:
    """One migration in one environment. `step` is the statement at which it stopped, of so many in `total`."""

    state: CellState
    applied_at: datetime | None = None
    applied_by: str | None = None
    step: int | None = None
    total: int | None = None


@frozen
class Row:
    """One migration; a cell for each column."""

    version: str
    name: str
    cells: tuple[Cell, ...]


@frozen
class Column:
    """One environment, with what is to be said of it as a whole; `failure` is why it could not be asked."""

    name: str
    where: str = ""
    failure: str | None = None
    counts: Mapping[CellState, int] = field(default_factory=dict)

    def count(self, state: CellState) -> int:
        return self.counts.get(state, 0)

    @property
    def is_current(self) -> bool:
        """Whether it was asked, and nothing is pending, unfinished or without its file there."""
        waiting = sum(map(self.count, (CellState.PENDING, CellState.UNFINISHED, CellState.MISSING)))
        return self.failure is None and not waiting


@frozen
class Table:
    """All environments. `folded` is how many of the first rows are applied everywhere and need not be shown."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    folded: int = 0


# ------------------------------------------------------------------------------------------------------------- reading


def in_order(names: Sequence[str], order: Sequence[str] = ()) -> tuple[str, ...]:
    """`names` as `order` has them, then the usual ones from dev to production, then the others by the alphabet."""
    ranks = {name: rank for rank, name in enumerate(dict.fromkeys((*order, *_USUAL)))}
    return tuple(sorted(names, key=lambda name: (ranks.get(name, len(ranks)), name)))


def gather(looks: Sequence[Look]) -> tuple[Reading, ...]:
    """Ask all environments, some of them at the same time; one that fails or stays silent does not stop the others."""
    gate = BoundedSemaphore(_AT_ONCE)
    answers: dict[int, Reading] = {}

    def ask(number: int, look: Look) -> None:
        with gate:
            answers[number] = _reading(look)

    # a thread that hangs must not keep the program from ending
    threads = [Thread(target=ask, args=item, daemon=True) for item in enumerate(looks)]
    for thread in threads:
        thread.start()
    turns = -(-len(looks) // _AT_ONCE)
    deadline = time.monotonic() + turns * max((look.patience for look in looks), default=0)
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0))
    return tuple(
        answers.get(number) or Reading(look.name, failure="it did not answer in time", where=look.where)
        for number, look in enumerate(looks)
    )


def _reading(look: Look) -> Reading:
    try:
        return Reading(look.name, look.ask(), where=look.where)
    except Error as exc:
        return Reading(look.name, failure=exc.message, where=look.where)


# ------------------------------------------------------------------------------------------------------------- merging


def merge(readings: Sequence[Reading], *, totals: Mapping[str, int] | None = None, order: Order = Order.NAME) -> Table:
    """One table of all statuses, in `order`. `totals` are the numbers of statements of unfinished versions."""
    by_version = [_rows(reading.status) for reading in readings]
    names = {version: row.name for rows in reversed(by_version) for version, row in rows.items()}
    rows = tuple(
        Row(
            version,
            names[version],
            tuple(
                _cell(reading, rows.get(version), (totals or {}).get(version))
                for reading, rows in zip(readings, by_version, strict=True)
            ),
        )
        for version in sorted(names, key=lambda version: ("/" in names[version], order.key(names[version]), version))
    )
    columns = tuple(_column(reading, [row.cells[number] for row in rows]) for number, reading in enumerate(readings))
    return Table(columns, rows, _folded(rows))


def _rows(status: Status | None) -> dict[str, StatusRow]:
    """The migrations, and the repeatable ones behind them: these have a folder in their names."""
    return {row.version: row for row in (*status.rows, *status.repeatables)} if status else {}


def _cell(reading: Reading, row: StatusRow | None, total: int | None) -> Cell:
    if reading.status is None:
        return Cell(CellState.UNKNOWN)
    if row is None:
        return Cell(CellState.ABSENT)
    if row.unfinished is not None:
        stopped = row.unfinished.stopped_at
        step = stopped.number if stopped else max(row.unfinished.done, default=None)
        return Cell(CellState.UNFINISHED, step=step, total=total)
    state = CellState.CHANGED if row.edited and row.state is MigrationState.APPLIED else CellState(row.state.value)
    return Cell(state, row.applied_at, row.applied_by)


def _column(reading: Reading, cells: Sequence[Cell]) -> Column:
    states = [cell.state for cell in cells]
    counts = {state: states.count(state) for state in CellState if state in states}
    return Column(reading.name, reading.where, reading.failure, counts)


def _folded(rows: Sequence[Row]) -> int:
    """How many of the oldest migrations are applied wherever they belong and could be asked for; a single one stays."""
    quiet = (CellState.APPLIED, CellState.ELSEWHERE, CellState.UNKNOWN)
    first = next((number for number, row in enumerate(rows) if any(c.state not in quiet for c in row.cells)), len(rows))
    folded = min(first, len(rows) - _SHOWN)
    return folded if folded > 1 else 0
