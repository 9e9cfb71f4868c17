"""How many rows a page has, how long it may wait for a lock, and how long the pause after it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbmigrate.backfill.options import LARGEST_BATCH

if TYPE_CHECKING:
    from dbmigrate.backfill.options import Settings

__all__ = ["Pace", "largest", "lock_timeout"]

_SLOWER, _FASTER = 0.5, 0.2  # weight of the last page in the estimate, where it was dearer or cheaper
_LEAST_SHARE = 20  # of `batch`: a page is never smaller because of its time
_SHARE_OF_TABLE = 200
_PATIENCE, _IMPATIENCE = 0.5, 0.1  # seconds for a lock; the second one after two timeouts in a row


@dataclass(slots=True)
class Pace:
    """The size of the next page, steered by the time of the statements of those before.

    Only their time counts, and there is a floor: with COMMIT in it, a slow disk or a synchronous replica (whose time
    does not depend on the rows) would lead to pages of a few rows.
    """

    settings: Settings
    rows: int
    most: int = LARGEST_BATCH
    seconds: float = 0.0  # of the last page's statements
    _cost: float | None = None  # seconds per row

    def done(self, rows: int, seconds: float) -> None:
        """A page of so many rows took so long: at most twice, at least a quarter as many come next."""
        self.seconds = seconds
        cost = max(seconds, 1e-6) / max(rows, 1)
        if self._cost is None:
            self._cost = cost
        else:
            self._cost += (_SLOWER if cost > self._cost else _FASTER) * (cost - self._cost)
        least = max(1, self.settings.batch // _LEAST_SHARE)
        wanted = max(self.settings.target / self._cost, self.rows / 4, least)
        # with a limit no page is larger than a second's rows: the rate is not kept by a large page and a long pause
        most = min(self.settings.max_rate or LARGEST_BATCH, self.most)
        self.rows = max(int(min(wanted, self.rows * 2, most)), 1)

    def halve(self) -> None:
        """A lock was not granted in time: smaller pages meet fewer locks of others."""
        self.rows = max(1, self.rows // 2)

    def pause(self, rows: int, whole: float, *, is_blind: bool) -> float:
        """The pause after a page of so many rows that took `whole` seconds; longer where no lag can be read."""
        given = self.settings.pause
        pause = given if given is not None else self.seconds if is_blind else self.seconds / 2
        rate = self.settings.max_rate
        return max(pause, rows / rate - whole) if rate else pause


def largest(settings: Settings, table_rows: float) -> int:
    """The largest page, so that of a hundred transactions that change a random row not one meets the page's locks."""
    if table_rows < 0:
        return LARGEST_BATCH
    return min(max(int(table_rows / _SHARE_OF_TABLE), settings.batch), LARGEST_BATCH)


def lock_timeout(deadlock_timeout: float, failures: int, given: float | None) -> float:
    """Seconds. Below `deadlock_timeout` it is always the backfill that yields, and no transaction of the application
    is ended as a deadlock's victim.
    """
    limit = _IMPATIENCE if failures >= 2 else min(_PATIENCE, deadlock_timeout / 2)
    return min(limit, given) if given else limit
