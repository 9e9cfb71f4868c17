"""How long the page of `report` takes to write, by the number of tables, in CPU time.

What it is made from (the catalogs, the lock report, the logs) takes what `up --dry-run` and `history` take.
"""

from __future__ import annotations

import statistics
import time

from bench.report import Chapter, Verdict, table
from dbmigrate.reporting import page
from tests.support import reports

MOST_SECONDS, MOST_BYTES = 2.0, 2_000_000
_ROUNDS = 5
_SIZES = (15, 60, 300, 1000)
_LARGE = 300


def seconds(tables: int) -> tuple[float, int]:
    """The median of some rounds, and the bytes of the page."""
    found, size = [], 0
    for _ in range(_ROUNDS):
        begin = time.process_time()
        size = len(page.write(reports.report(tables)).encode())
        found.append(time.process_time() - begin)
    return statistics.median(found), size


def chapter() -> Chapter:
    """The table, with the targets for 300 tables."""
    measured = {tables: seconds(tables) for tables in _SIZES}
    took, size = measured[_LARGE]
    verdicts = (
        Verdict(f"`report`, {_LARGE} tables", f"< {MOST_SECONDS:.0f} s", f"{took:.2f} s", took < MOST_SECONDS),
        Verdict(f"`report`, {_LARGE} tables", "< 2 MB", f"{size / 1_000_000:.2f} MB", size < MOST_BYTES),
    )
    rows = [
        (str(tables), f"{took * 1000:.0f} ms", f"{size / 1000:.0f} kB") for tables, (took, size) in measured.items()
    ]
    return Chapter("The page of `report`, in CPU time", table(("tables", "CPU", "size"), rows), verdicts)
