"""The answer of ``lint --fix``: what was rewritten, what was left and why, the locks before and after. Pure."""

from __future__ import annotations

from difflib import unified_diff
from typing import TYPE_CHECKING

from dbmigrate.model import Place, Problem, Severity
from dbmigrate.output import impact, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbmigrate.impact import Priced
    from dbmigrate.lint.fix.file import Fixed, Left
    from dbmigrate.lint.fix.run import FileResult

__all__ = ["closing_line", "diff", "lines", "problems", "value"]


def lines(results: Sequence[FileResult], *, verb: str) -> Iterator[str]:
    """A block for each file, and the closing line; `verb` says whether they were written."""
    for result in results:
        yield from map(text.one_line, _file(result, verb))
        yield ""
    yield closing_line(results, verb=verb)


def _file(result: FileResult, verb: str) -> Iterator[str]:
    if result.reason:
        yield f"{result.path}: left as it is: {result.reason}"
    elif result.is_changed:
        yield f"{result.path}: {text.count(len(result.fixed.changes), 'statement')} {verb}"
        for change in result.fixed.changes:
            yield f"   :{change.line}  {', '.join(change.codes)}"
    else:
        yield f"{result.path}: nothing is rewritten"
    for left in result.fixed.left:
        yield f"   :{left.line}  left as it is: {left.refusal.reason}"
        if left.refusal.hint:
            yield f"         {left.refusal.hint}"
    if result.is_changed:
        if result.fixed.steps > 1:
            yield f"   {_lost(result.fixed)}"
        yield from _locks("before", result.locks_before)
        yield from _locks("after", result.locks_after)


def _lost(fixed: Fixed) -> str:
    return (
        f"no longer all or nothing: {fixed.steps} steps. If one fails, those before it stay, and `dbmigrate resume`"
        " goes on there"
    )


def _locks(when: str, found: Sequence[Priced]) -> Iterator[str]:
    shown = [*impact.lines(found)][1:]
    yield f"   locks {when}:"
    yield from (f"     {line}" for line in shown if not line.endswith(".sql"))


def closing_line(results: Sequence[FileResult], *, verb: str) -> str:
    """``1 of 3 files rewritten, 2 statements left as they are``"""
    changed = sum(result.is_changed for result in results)
    left = sum(len(result.fixed.left) for result in results)
    if not results:
        return "nothing to rewrite"
    rest = f", {text.count(left, 'statement')} left as {'it is' if left == 1 else 'they are'}" if left else ""
    return f"{changed} of {text.count(len(results), 'file')} {verb}{rest}"


def diff(results: Sequence[FileResult]) -> Iterator[str]:
    """The changes as a unified diff, which ``git apply`` and ``patch -p0`` take."""
    for result in results:
        if result.is_changed:
            old, new = (each.splitlines(keepends=True) for each in (result.text, result.fixed.text))
            for line in unified_diff(old, new, result.path, result.path):
                yield line.rstrip("\n") if line.endswith("\n") else f"{line}\n\\ No newline at end of file"


def problems(results: Sequence[FileResult]) -> Iterator[Problem]:
    """What is left as it is, as notes beside a diff."""
    for result in results:
        if result.reason:
            yield Problem("W370", f"left as it is: {result.reason}", Severity.NOTE, Place(result.path, 1))
        for left in result.fixed.left:
            message, place = f"left as it is: {left.refusal.reason}", Place(result.path, left.line)
            yield Problem("W370", message, Severity.NOTE, place, left.refusal.hint or None)


def value(results: Sequence[FileResult], *, is_written: bool) -> dict[str, object]:
    """The same for JSON."""
    return {"written": is_written, "files": [_value(result) for result in results]}


def _value(result: FileResult) -> dict[str, object]:
    return {
        "path": result.path,
        "changed": result.is_changed,
        "reason": result.reason or None,
        "steps": result.fixed.steps,
        "rewritten": [{"line": each.line, "codes": list(each.codes)} for each in result.fixed.changes],
        "left": [_left(each) for each in result.fixed.left],
        "diff": "\n".join(diff([result])),
        "locks_before": impact.values(result.locks_before),
        "locks_after": impact.values(result.locks_after),
    }


def _left(left: Left) -> dict[str, object]:
    return {
        "line": left.line,
        "codes": list(left.codes),
        "reason": left.refusal.reason,
        "hint": left.refusal.hint or None,
    }
