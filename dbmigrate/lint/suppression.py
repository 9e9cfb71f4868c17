"""Comments that suppress a finding and give the reason: ``-- dbmigrate:ignore L101 L105: the table has a hundred rows``

A comment before a statement, in it, or behind it on its last line applies to that statement; ``dbmigrate:ignore-file``
applies to the whole file, on any line. squawk's own comments (``-- squawk-ignore ban-drop-column``) apply to squawk's
rules, and to dbmigrate's rules that replace them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen
from dbmigrate.lint.registry import RULES
from dbmigrate.model import Place, Problem, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from dbmigrate.lint.document import Comment

__all__ = ["Ignores", "Span", "ignores"]

_OURS = re.compile(
    r"dbmigrate:ignore(?P<file>-file)?(?![\w-])(?P<codes>(?:squawk:|[^:])*)(?::(?P<reason>.*))?"
).fullmatch
_MEANT = re.compile(r"dbmigrate:\s*ignore|dbmigrate[ -]ignore|migrate:ignore", re.IGNORECASE).match
_SQUAWKS = re.compile(r"squawk-ignore(?P<file>-file)?(?![\w-])(?P<names>.*)").fullmatch
_SEPARATORS = re.compile(r"[\s,]+")
_EXAMPLE = "-- dbmigrate:ignore L101: the table has a hundred rows"


@frozen
class Span:
    """The lines of a statement, or the line of a section's header."""

    first: int
    last: int


@dataclass(slots=True)
class _Ignore:
    """One comment. `span` None means the whole file; no `codes` mean all."""

    place: Place
    codes: frozenset[str]
    reason: str
    span: Span | None
    is_foreign: bool = False
    used: set[str] = field(default_factory=set)

    def covers(self, code: str, line: int) -> bool:
        is_near = self.span is None or self.span.first <= line <= self.span.last
        return is_near and (code in self.codes or (self.is_foreign and not self.codes and _is_of_squawk(code)))


class Ignores:
    """The ignore comments of a file."""

    def __init__(self, found: Sequence[_Ignore], problems: Sequence[Problem]) -> None:
        self._found = found
        self._problems = problems

    def suppress(self, code: str, line: int) -> bool:
        """Whether a comment suppresses a finding."""
        covering = [ignore for ignore in self._found if ignore.covers(code, line)]
        for ignore in covering:
            ignore.used.add(code)
        return bool(covering)

    def problems(self, can_occur: Callable[[str], bool]) -> Iterator[Problem]:
        """What is wrong with the comments themselves, after all rules were run. `can_occur`: whether a rule was run."""
        yield from self._problems
        for ignore in self._found:
            if ignore.is_foreign:
                continue
            if not ignore.reason:
                yield Problem(
                    "W652", "this ignore comment gives no reason", place=ignore.place, hint=f"as in `{_EXAMPLE}`"
                )
            for code in sorted(ignore.codes - ignore.used):
                if can_occur(code):
                    yield Problem(
                        "W653",
                        f"the ignore comment for {code} suppresses nothing",
                        Severity.NOTE,
                        ignore.place,
                        "remove it",
                    )


def ignores(
    path: str, comments: Iterable[Comment], spans: Sequence[Span], *, is_known: Callable[[str], bool]
) -> Ignores:
    """The ignore comments among all comments of a file; `spans` are in the order of their lines."""
    found: list[_Ignore] = []
    problems: list[Problem] = []
    for comment in comments:
        place = Place(path, comment.line, comment.column)
        if ours := _OURS(comment.text):
            codes = frozenset(code for code in _SEPARATORS.split(ours["codes"]) if code)
            unknown = sorted(code for code in codes if not is_known(code))
            problems += [_unknown(code, place) for code in unknown] or ([] if codes else [_no_code(place)])
            span = None if ours["file"] else _span_of(comment, spans)
            found.append(_Ignore(place, codes - set(unknown), (ours["reason"] or "").strip(), span))
        elif foreign := _SQUAWKS(comment.text):
            names = [name for name in _SEPARATORS.split(foreign["names"]) if name]
            span = None if foreign["file"] else _span_of(comment, spans)
            found.append(_Ignore(place, _codes_of(names), "", span, is_foreign=True))
        elif _MEANT(comment.text):
            problems.append(_no_code(place))
    return Ignores(found, problems)


def _span_of(comment: Comment, spans: Sequence[Span]) -> Span:
    """The statement that the comment is in or behind; otherwise the next one."""
    for span in spans:
        if span.first <= comment.line <= span.last and not _is_before(comment, span):
            return span
    nothing = Span(comment.line, comment.line)
    return next((span for span in spans if span.first >= comment.line), spans[-1] if spans else nothing)


def _is_before(comment: Comment, span: Span) -> bool:
    """A line comment ends its line, so what begins on its line began before it."""
    return span.first > comment.line


def _codes_of(names: Iterable[str]) -> frozenset[str]:
    """squawk's codes, and the codes of the rules that replace them."""
    wanted = set(names)
    ours = {rule.code for rule in RULES.values() if not wanted.isdisjoint(rule.squawk)}
    return frozenset({f"squawk:{name}" for name in wanted} | ours)


def _is_of_squawk(code: str) -> bool:
    return code.startswith("squawk:") or (code in RULES and bool(RULES[code].squawk))


def _unknown(code: str, place: Place) -> Problem:
    return Problem("W654", f"unknown rule {code} in an ignore comment", place=place, hint="see `dbmigrate explain`")


def _no_code(place: Place) -> Problem:
    return Problem("W654", "this ignore comment names no rule", place=place, hint=f"as in `{_EXAMPLE}`")
