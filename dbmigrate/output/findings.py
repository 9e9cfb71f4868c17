"""Findings for people and programs, of every command that has findings. Pure; `reports` has the formats of CI."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from dbmigrate.model import Severity
from dbmigrate.output import text
from dbmigrate.output.colour import OF_SEVERITY, Line, Style

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbmigrate.model import Problem

__all__ = ["closing_line", "counts", "human", "is_bad", "numbers", "of_history", "value", "worst_first"]

_ORDER = (Severity.ERROR, Severity.WARNING, Severity.NOTE)


def is_bad(problems: Sequence[Problem], threshold: Severity) -> bool:
    """Whether any of them is as bad as `threshold`, or worse."""
    return any(_ORDER.index(problem.severity) <= _ORDER.index(threshold) for problem in problems)


def worst_first(problems: Sequence[Problem]) -> list[Problem]:
    """Errors before warnings before notes, else in their order."""
    return sorted(problems, key=lambda problem: _ORDER.index(problem.severity))


def human(problems: Sequence[Problem], *, files: int) -> Iterator[Line | str]:
    """A block for each finding, and the closing line."""
    for problem in problems:
        yield from _block(problem)
        yield ""
    yield closing_line(problems, files=files)


def _block(problem: Problem) -> Iterator[Line]:
    label = f"{problem.severity}[{text.one_line(problem.code)}]:"
    yield text.labelled(OF_SEVERITY[problem.severity], label, text.one_line(problem.message))
    if problem.place is not None:
        yield text.labelled(Style.LABEL, "  -->", text.one_line(str(problem.place)))
    if problem.excerpt is not None:
        yield from text.excerpt_lines(problem.excerpt)
    if problem.hint:
        yield text.labelled(Style.LABEL, "hint:", text.one_line(problem.hint))


def counts(problems: Sequence[Problem]) -> str:
    """``2 errors, 1 warning``; empty if there is nothing to count."""
    number = Counter(problem.severity for problem in problems)
    return ", ".join(text.count(number[severity], severity.value) for severity in _ORDER if number[severity])


def closing_line(problems: Sequence[Problem], *, files: int) -> str:
    """``2 errors, 1 warning in 1 of 6 files · explain one: dbmigrate explain L101``"""
    if not problems:
        return f"no findings in {text.count(files, 'file')}"
    paths = {problem.place.path for problem in problems if problem.place}
    # a schema file or a query is not among the migration files that were looked at
    amount = f"{len(paths)} of {text.count(files, 'file')}" if len(paths) <= files else text.count(len(paths), "file")
    where = f" in {amount}" if paths else ""
    return f"{counts(problems)}{where} · explain one: dbmigrate explain {worst_first(problems)[0].code}"


def of_history(problems: Sequence[Problem]) -> Iterator[str]:
    """``not counted: 7 warnings in 3 older files · show them: `dbmigrate lint --all```; nothing where there is none."""
    if problems:
        files = text.count(len({problem.place.path for problem in problems if problem.place}), "older file")
        yield f"not counted: {counts(problems)} in {files} · show them: `dbmigrate lint --all`"


def numbers(problems: Sequence[Problem]) -> dict[str, int]:
    """How many there are, for a JSON object."""
    number = Counter(problem.severity for problem in problems)
    return {
        "errors": number[Severity.ERROR],
        "warnings": number[Severity.WARNING],
        "notes": number[Severity.NOTE],
    }


def value(problems: Sequence[Problem], *, files: int) -> dict[str, object]:
    """The findings for a JSON object. Lines and columns count from 1."""
    return {"files": files, **numbers(problems), "findings": [_finding(problem) for problem in problems]}


def _finding(problem: Problem) -> dict[str, object]:
    place = problem.place
    return {
        "code": problem.code,
        "severity": problem.severity.value,
        "message": problem.message,
        "hint": problem.hint,
        "path": place.path if place else None,
        "line": place.line if place else None,
        "column": place.column if place else None,
    }
