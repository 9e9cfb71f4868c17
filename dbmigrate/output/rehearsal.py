"""The answer of a rehearsal: what would have been done, and what it cannot show. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.model import Direction
from dbmigrate.output import measured, reports, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dbmigrate.scratch.rehearsal import Rehearsed

_WOULD = {Direction.UP: "Would apply", Direction.DOWN: "Would roll back"}


def lines(found: Rehearsed) -> Iterator[str]:
    """A line for each migration, one for all, and then what a rehearsal cannot show."""
    for outcome in found.done:
        step = outcome.step
        yield f"{_WOULD[step.direction]}: {text.one_line(step.name)} ({text.duration(outcome.seconds)})"
    if found.done and found.measurement is not None:
        yield from measured.lines(found.measurement)
    if not found.done:
        yield "Nothing to rehearse"
        return
    number = text.count(len(found.done), "migration")
    yield f"{number} rehearsed on {found.where}, in {text.duration(found.seconds)}; the database is as it was"
    yield "What this cannot show:"
    yield from (f"  - {thing}" for thing in found.blind_to)
    if found.leaves:
        yield "What it does not undo:"
        yield from (f"  - {thing}" for thing in found.leaves)


def markdown(found: Rehearsed) -> Iterator[str]:
    """The report of a rehearsal with rows, for a summary."""
    yield from ("## Rehearsal", "")
    number = text.count(len(found.done), "migration")
    yield f"{number} rehearsed on {reports.inline(found.where)}, in {text.duration(found.seconds)}."
    if found.measurement is not None:
        yield from measured.markdown(found.measurement)


def value(found: Rehearsed, *, hide: Callable[[str], str] = str) -> dict[str, object]:
    """The same for JSON; durations in milliseconds. `hide` masks the secrets that SQL may hold."""
    return {
        **({} if found.measurement is None else measured.value(found.measurement, hide=hide)),
        "migrations": [
            {
                "version": outcome.step.version,
                "file": outcome.step.name,
                "direction": outcome.step.direction.value,
                "duration_ms": round(outcome.seconds * 1000, 3),
            }
            for outcome in found.done
        ],
        "rehearsed_on": found.where,
        "duration_ms": round(found.seconds * 1000, 3),
        "cannot_show": list(found.blind_to),
        "leaves": list(found.leaves),
    }
