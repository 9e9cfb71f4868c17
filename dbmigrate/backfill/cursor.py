"""How far a backfill is: what its log entry keeps in `details`, moved in the transaction of each page."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from dbmigrate.backfill.key import Values

__all__ = ["Cursor", "from_json"]


@frozen
class Cursor:
    """`after` is the last key of the pages that are done, None before the first one and behind the last one.

    `until` is the highest key of the table as it was at the beginning of this `round`: the first one ends when a page
    reaches it, the second one at it, so that rows that are added faster than pages are done do not keep a backfill
    running for ever. `rows` were changed, `passed` were met; `batch` is the size of the next page. `turn` counts the
    passes over the table, and this one has `ended`. `left` is the estimate of the rows behind it, `rate` how many a
    second are met. `sql` is the checksum of the statements of the first page.
    """

    table: str
    key: tuple[str, ...]
    after: Values | None = None
    until: Values | None = None
    round: int = 1
    rows: int = 0
    passed: int = 0
    pages: int = 0
    batch: int = 1000
    turn: int = 1
    ended: bool = False
    left: float | None = None
    rate: float = 0.0
    sql: str | None = None

    def to_json(self) -> str:
        values = {name: getattr(self, name) for name in _FIELDS}
        return json.dumps({name: list(value) if isinstance(value, tuple) else value for name, value in values.items()})

    def moved(self, upto: Values | None, *, rows: int, passed: int) -> Cursor:
        """After one more page, which ended at `upto`."""
        return replace(
            self,
            after=upto,
            ended=upto is None,
            rows=self.rows + rows,
            passed=self.passed + passed,
            pages=self.pages + 1,
        )

    def again(self, until: Values | None) -> Cursor:
        """At the beginning of another pass over the table."""
        return replace(self, after=None, until=until, round=1, turn=self.turn + 1, ended=False, passed=0)


_FIELDS = (
    "table",
    "key",
    "after",
    "until",
    "round",
    "rows",
    "passed",
    "pages",
    "batch",
    "turn",
    "ended",
    "left",
    "rate",
    "sql",
)


def from_json(text: str) -> Cursor:
    """What `Cursor.to_json` made."""
    found: dict[str, Any] = json.loads(text)
    kept: dict[str, Any] = {
        name: tuple(found[name]) if isinstance(found[name], list) else found[name] for name in _FIELDS if name in found
    }
    return Cursor(**kept)
