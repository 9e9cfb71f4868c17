"""Files that are applied again after they were rolled back, though nothing in them was changed. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.model import Direction, Problem, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbmigrate.model import History, Step

__all__ = ["CODE", "problems"]

CODE = "W711"


def problems(steps: Sequence[Step], history: History) -> Iterator[Problem]:
    """W711 for every file with the bytes that were rolled back: a warning if that had a reason, otherwise a note."""
    undone = {item.version: item for item in history.undone}
    for step in steps:
        before = undone.get(step.version)
        if step.direction is not Direction.UP or not step.runs_sql or step.migration is None or before is None:
            continue
        if step.migration.checksum == before.checksum:
            when = f" on {before.applied_at:%Y-%m-%d %H:%M:%S %Z}" if before.applied_at else ""
            why = f" because {before.reason}" if before.reason else ""
            by = f" by {before.applied_by}" if before.applied_by else ""
            yield Problem(
                CODE,
                f"{step.name}: the same bytes were rolled back{when}{by}{why}",
                Severity.WARNING if before.reason else Severity.NOTE,
                hint="correct the file before it is applied again, unless the reason is gone",
            )
