"""The reasons for what a pattern does on purpose: a comment above each statement that `lint` finds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.lint.fix.pieces import cut

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dbmigrate.model import Problem

__all__ = ["with_reasons"]

_GOES = "no code uses it any more"
_SWAP = "another one takes its place in the same transaction"
_REASONS = {
    "L106": "a valid CHECK proves it, under the name that the column had before",
    "L108": "the swap is short, and has to be seen whole",
    "L109": "nothing slow follows in this transaction",
    "L116": "each table is locked for a moment only",
    "L121": _GOES,
    "L123": _SWAP,
    "L124": "a view has the old name",
    "L125": _SWAP,
    "L127": _GOES,
    "L135": "the values that were filled in stay",
    "L136": "what it kept equal goes with it",
    "squawk:ban-alter-identity": _SWAP,
    "squawk:ban-drop-constraint": _SWAP,
    "squawk:ban-drop-default": _SWAP,
    "squawk:ban-drop-not-null": "the column is not filled any more",
}


def with_reasons(text: str, problems: Iterable[Problem]) -> str:
    """The text with a comment for each finding that is meant."""
    found: dict[int, dict[str, list[str]]] = {}
    for problem in problems:
        reason = _REASONS.get(problem.code)
        start = _start(text, problem.place.line) if problem.place else None
        if reason is not None and start is not None:
            codes = found.setdefault(start, {}).setdefault(reason, [])
            codes += [] if problem.code in codes else [problem.code]
    for start in sorted(found, reverse=True):
        comments = [f"-- dbmigrate:ignore {' '.join(codes)}: {reason}\n" for reason, codes in found[start].items()]
        text = f"{text[:start]}{''.join(comments)}{text[start:]}"
    return text


def _start(text: str, line: int) -> int | None:
    """Where the statement begins that a line is part of."""
    for section in cut(text).sections:
        for piece in section.pieces:
            first = text.count("\n", 0, piece.at) + 1
            if first <= line <= first + piece.sql.count("\n"):
                return piece.at
    return None
