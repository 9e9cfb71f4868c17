"""Findings for CI: GitHub's annotations, GitLab's code quality report, a summary in Markdown. Pure.

File names, messages and SQL come from whoever opened the pull request. Nothing in them may start a command of the
runner, leave its table cell or code block, or reach a terminal as an escape sequence.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate.model import Severity
from dbmigrate.output import text
from dbmigrate.output.findings import closing_line, counts, worst_first

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbmigrate.model import Place, Problem

__all__ = ["LARGEST_SUMMARY", "fence", "fingerprints", "github", "gitlab", "inline", "summary"]

# https://docs.github.com/actions/reference/workflow-commands-for-github-actions: more of a kind are not shown
_MOST_ANNOTATIONS = 10
LARGEST_SUMMARY = 900_000  # bytes; GitHub drops a summary of more than 1 MiB whole
_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}
# https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
_GITLAB = {Severity.ERROR: "major", Severity.WARNING: "minor", Severity.NOTE: "info"}
# punctuation that Markdown or GitHub might act on: mentions, references and HTML too
_ACTIVE = re.compile(r"[^\w .,;:()/=+?%\"'-]|_")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_FENCE = re.compile("`{3,}")
_MORE = 60  # bytes: what the last line says


def below(prefix: str, problems: Sequence[Problem]) -> tuple[Problem, ...]:
    """The problems with paths as they are in the repository, where `prefix` is the directory that the files are in."""
    return tuple(
        replace(problem, place=replace(problem.place, path=posixpath.join(prefix, problem.place.path)))
        if problem.place
        else problem
        for problem in problems
    )


def github(problems: Sequence[Problem], *, files: int) -> Iterator[str]:
    """Workflow commands, the worst first, as many as GitHub shows; then one line that counts all."""
    shown: Counter[Severity] = Counter()
    for problem in worst_first(problems):
        shown[problem.severity] += 1
        if shown[problem.severity] <= _MOST_ANNOTATIONS:
            yield _annotation(problem)
    more = sum(max(count - _MOST_ANNOTATIONS, 0) for count in shown.values())
    if more:
        yield f"and {more} more in the summary"
    yield closing_line(problems, files=files)


def _annotation(problem: Problem) -> str:
    properties = {"title": problem.code}
    if problem.place is not None:
        place = problem.place
        properties = {"file": _path(place), "line": str(place.line), "col": str(place.column), **properties}
    joined = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    hint = f"\n{problem.hint}" if problem.hint else ""
    return f"::{_COMMANDS[problem.severity]} {joined}::{_data(problem.message + hint)}"


def _path(place: Place) -> str:
    """As both want it: a file that begins with ``./`` is not found in the repository."""
    return posixpath.normpath(place.path)


def _data(value: str) -> str:
    return text.safe(value).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")


def gitlab(problems: Sequence[Problem]) -> str:
    """A code quality report: JSON in ASCII. A fingerprint stays the same while a finding only moves to another line."""
    entries = []
    for problem, fingerprint in zip(problems, fingerprints(problems), strict=True):
        entries.append(
            {
                "description": text.one_line(f"{problem.code}: {problem.message}"),
                "check_name": problem.code,
                "fingerprint": fingerprint,
                "severity": _GITLAB[problem.severity],
                "location": {
                    "path": _path(problem.place) if problem.place else ".",
                    "lines": {"begin": problem.place.line if problem.place else 1},
                },
            }
        )
    return json.dumps(entries, indent=2)


def fingerprints(problems: Sequence[Problem]) -> Iterator[str]:
    """Of each finding what stays the same while it moves to another line: its code, file and line of SQL, and which of
    several with these it is. White space does not count, nor do the numbers in a message, such as a duration.
    """
    seen: Counter[str] = Counter()
    for problem in problems:
        is_shown = problem.excerpt is not None and problem.excerpt.lines
        line = problem.excerpt.lines[-1][1] if problem.excerpt and is_shown else _NUMBER.sub("0", problem.message)
        path = _path(problem.place) if problem.place else "."
        key = "\0".join((problem.code, path, " ".join(line.split())))
        seen[key] += 1
        yield hashlib.sha256(f"{key}\0{seen[key]}".encode(errors="surrogatepass")).hexdigest()


def summary(problems: Sequence[Problem], *, title: str, files: int) -> str:
    """A summary in Markdown: a table, then each finding with its line. At most `LARGEST_SUMMARY` bytes."""
    result = counts(problems) or "no findings"
    head = [f"## {title}: {result}", "", f"{text.count(files, 'file')} looked at.", ""]
    if not problems:
        return "\n".join(head)
    table = ["| severity | code | place | finding |", "|---|---|---|---|"]
    ordered = worst_first(problems)
    pieces = [*head, *table, *map(_row, ordered), "", *(line for problem in ordered for line in _detail(problem))]
    return _cut(pieces)


def _cut(lines: Sequence[str]) -> str:
    kept, size = [], 0
    for line in lines:
        size += len(line.encode(errors="replace")) + 1
        if size > LARGEST_SUMMARY - _MORE:
            kept += ["", "... and more: the rest is in the log."]
            break
        kept.append(line)
    return "\n".join(kept) + "\n"


def _row(problem: Problem) -> str:
    place = inline(str(problem.place)) if problem.place else ""
    return f"| {problem.severity} | {inline(problem.code)} | {place} | {inline(problem.message)} |"


def _detail(problem: Problem) -> Iterator[str]:
    place = f" · {inline(str(problem.place))}" if problem.place else ""
    block = [f"<details><summary>{inline(problem.code)}{place}</summary>", "", inline(problem.message), ""]
    if problem.excerpt is not None:
        shown = [text.one_line(line) for _, line in problem.excerpt.lines]
        mark = fence(shown)
        block += [f"{mark}sql", *shown, mark, ""]
    if problem.hint:
        block += [f"Hint: {inline(problem.hint)}", ""]
    # one piece: a summary that is cut must not end inside of it
    yield "\n".join((*block, "</details>", ""))


def fence(lines: Sequence[str]) -> str:
    """What begins and ends a block of code: longer than any in it."""
    return "`" * max([3, *(len(found) + 1 for line in lines for found in _FENCE.findall(line))])


def inline(shown: str) -> str:
    """Text that is nothing but text to Markdown: what might be markup becomes an entity."""
    return _ACTIVE.sub(lambda found: f"&#{ord(found[0])};", text.one_line(shown))
