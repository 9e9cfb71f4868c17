"""The answer of ``drift``, for people and for programs. Pure."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from dbmigrate.output import text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbmigrate.api.drift import Drift
    from dbmigrate.catalog import Difference

_MARGIN = "    "


def lines(found: Drift) -> Iterator[str]:
    """A line for each difference, below it the expected and the live value; the count; the commands to run next."""
    for difference in found.differences:
        yield text.one_line(difference.headline)
        yield from _values(difference)
    yield from (f"note: {text.one_line(note)}" for note in found.notes)
    amount = text.count(len(found.differences), "difference") if found.differences else "no drift"
    yield f"{text.one_line(found.target)} · {amount} from {text.one_line(found.against)}"
    yield from (f"next: `{each.command}` {text.one_line(each.purpose)}" for each in found.remedies)


def value(found: Drift) -> dict[str, object]:
    """The same as JSON: `expected` is what the database should have, `live` what it has."""
    return {
        "drift": bool(found.differences),
        "target": found.target,
        "against": found.against,
        "differences": [_difference(difference) for difference in found.differences],
        "notes": list(found.notes),
        "next": [each._asdict() for each in found.remedies],
    }


def _difference(found: Difference) -> dict[str, object]:
    return {
        "kind": found.kind.value,
        "name": found.name,
        "change": found.change.value,
        "aspect": found.aspect,
        "message": found.sentence,
        "expected": found.before,
        "live": found.after,
        "inside": list(found.inside),
    }


def _values(found: Difference) -> Iterator[str]:
    expected, live = found.before, found.after
    if found.is_of_line_ends:
        yield from (
            f"{_MARGIN}{label} {_line_ends(text)}" for label, text in (("expected:", expected), ("live:    ", live))
        )
        return
    if expected and live and ("\n" in expected or "\n" in live):
        changes = difflib.unified_diff(
            expected.splitlines(), live.splitlines(), fromfile="expected", tofile="live", lineterm="", n=1
        )
        yield from (f"{_MARGIN}{line}" for line in changes)
        return
    is_there = found.change in ("changed", "moved")
    if expected is not None or is_there:
        yield from _labelled("expected:", expected)
    if live is not None or is_there:
        yield from _labelled("live:    ", live)


def _line_ends(shown: str | None) -> str:
    return "CRLF" if "\r\n" in (shown or "") else "LF"


def _labelled(label: str, shown: str | None) -> Iterator[str]:
    """A definition of several lines stands under its first one."""
    first, *rest = ("(not set)" if shown is None else shown).split("\n")
    yield f"{_MARGIN}{label} {first}"
    yield from (f"{_MARGIN}{' ' * len(label)} {line}" for line in rest)
