"""The comment on a pull request: what would run, what it locks, what it changes, what was found. Pure.

Names, messages and SQL come from whoever opened the pull request. GitHub looks for mentions and references in the text
that Markdown has made, so that an entity does not hide an ``@``; in code it does not look.
"""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen
from dbmigrate.output import findings, impact, reports, text
from dbmigrate.planning import breaking
from dbmigrate.reporting import choice, mermaid
from dbmigrate.reporting.schema import state_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dbmigrate.impact import Priced
    from dbmigrate.model import Plan, Problem, Step
    from dbmigrate.reporting.schema import Schema

__all__ = ["LARGEST", "Change", "Target", "markdown", "marker"]

LARGEST = 60_000  # characters; GitHub takes 65536
_TABLES_DRAWN = 20
_PICTURE = 12_000  # characters of the largest picture
_PART = 12_000  # characters of each list above the findings
_MORE = 200  # what the last line says
# what GitHub makes a mention, a reference, a link or markup of; a whole word goes into code
_ACTIVE = re.compile(r"[@#<>`*_~\[\]|\\&!$^]|://|\bwww\.|\bgh-\d|\b[0-9a-f]{7,40}\b", re.IGNORECASE)
_MARKER_PART = re.compile(r"[^A-Za-z0-9/_.-]|-(?=-)|-$")


@frozen
class Target:
    """An environment that was asked: what `up` would do there, or `unknown`, which is why that is not known."""

    name: str
    plan: Plan | None = None
    unknown: str = ""


@frozen
class Change:
    """What a check found. `headline` says what it did, `files` are the migrations that were looked at.

    `schema` has what they change; None where the migrations could not be run.
    """

    problems: Sequence[Problem]
    headline: str
    files: Sequence[str] = ()
    locks: Sequence[Priced] = ()
    target: Target | None = None
    schema: Schema | None = None
    run: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing that somebody has to know."""
        return not self.problems and not self.files


def marker(service: str, directory: str, environment: str) -> str:
    """The first line, by which the comment is found again. It cannot end the HTML comment that it is."""
    parts = (service, directory, environment) if environment else (service, directory)
    return f"<!-- dbmigrate:check:{':'.join(_MARKER_PART.sub(_escaped, part) for part in parts)} -->"


def _escaped(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "surrogateescape"))


def markdown(change: Change) -> str:
    """The text below the marker, at most `LARGEST` characters. It is cut between two findings, never inside of one."""
    head = [
        f"## dbmigrate: {findings.counts(change.problems) or 'no findings'}",
        *_runs(change),
        *_locks(change),
        *_changes(change.schema),
    ]
    foot = f"\n<sub>{_prose(change.headline)}{_link(change.run)}</sub>\n"
    begun = _valid("\n".join(head))
    ordered = findings.worst_first(change.problems)
    blocks = [_valid(_block(problem)) for problem in ordered]
    if blocks:
        begun = f"{begun}\n\n### Findings\n"
    kept = _fitting(blocks, LARGEST - len(begun) - len(foot) - _MORE)
    left = len(blocks) - len(kept)
    more = [f"\n... and {text.count(left, 'more finding')}: all are in the log of the job.\n"] if left else []
    return "\n".join((begun, *kept, *more, _valid(foot)))


def _link(run: str) -> str:
    return f" · [the run]({run})" if run else ""


# ----------------------------------------------------------------------------------------------------- the parts of it


def _runs(change: Change) -> Iterator[str]:
    target = change.target
    if target is not None and target.plan is not None:
        steps = target.plan.steps
        where = impact.code(target.name)
        if not steps:
            yield from ("", f"### What runs\n\nNothing is pending on {where}.")
            return
        yield from ("", "### What runs", "", f"On {where}, in this order:", "")
        yield from _cut([_step(number, step) for number, step in enumerate(steps, 1)], "migration")
        yield from ("", f"Plan {impact.code(f'sha256:{target.plan.digest}')}, for `up --expect-plan`.")
    elif change.files:
        yield from ("", "### What runs", "")
        yield from _cut([f"{number}. {impact.code(name)}" for number, name in enumerate(change.files, 1)], "migration")
        yield from ("", _no_plan(target))


def _no_plan(target: Target | None) -> str:
    if target is None:
        return "What is pending in production, and the plan's hash, are shown where the check is given `-e production`."
    return f"What is pending on {impact.code(target.name)} is not known: {_prose(target.unknown)}."


def _step(number: int, step: Step) -> str:
    migration = step.migration
    parts = [f"{number}. {impact.code(step.name)}"]
    if migration is not None:
        parts.append("in a transaction" if migration.is_transactional(step.direction) else "statement by statement")
        if why := breaking.described(migration):
            parts.append(f"⚠️ breaking: {_prose(why)}")
    return " · ".join(parts)


def _locks(change: Change) -> Iterator[str]:
    rows = [
        impact.row(mark, impact.code(sql), impact.code(table), lock, _prose(meaning))
        for priced in change.locks
        for mark, sql, table, lock, meaning in impact.rows(priced)
        if lock or meaning
    ]
    if not rows:
        return
    is_priced = any(table.usage is not None for priced in change.locks for table in priced.tables)
    measured = "sizes and sessions are those of the target now" if is_priced else "of tables without rows"
    yield from ("", "### Locks", "", f"Measured on a scratch database; {measured}.", "")
    yield from ("|  | statement | table | lock | what it means |", "|---|---|---|---|---|")
    yield from _cut(rows, "statement")


def _changes(schema: Schema | None) -> Iterator[str]:
    if schema is None or not schema.differences:
        return
    yield from ("", "### What changes", "")
    drawn, left = _picture(schema)
    if drawn:
        yield from ("```mermaid", *drawn, "```", "")
    if left:
        yield from (f"Not drawn: {text.count(left, 'more table')}.", "")
    words = [f"- {state_of(each)} {each.kind} {impact.code(each.name)}" for each in schema.differences]
    yield from ("<details><summary>In words</summary>", "")
    yield from _cut(list(dict.fromkeys(words)), "object")
    yield from ("", "</details>")


def _picture(schema: Schema) -> tuple[Sequence[str], int]:
    """As much of the picture as fits, and how many changed tables are not in it."""
    near = choice.around_changes(schema).tables
    for most in (_TABLES_DRAWN, _TABLES_DRAWN // 2, _TABLES_DRAWN // 4, 1):
        tables = near[:most]
        lines = list(mermaid.er_diagram(schema, tables)) if tables else []
        if sum(len(line) + 1 for line in lines) <= _PICTURE:
            return lines, len(set(schema.changed) - set(tables))
    return (), len(schema.changed)


def _block(problem: Problem) -> str:
    place = f" · {impact.code(str(problem.place))}" if problem.place else ""
    lines = [f"**{problem.severity}** {impact.code(problem.code)}{place}", "", _prose(problem.message), ""]
    if problem.excerpt is not None:
        shown = [text.one_line(line) for _, line in problem.excerpt.lines]
        fence = reports.fence(shown)
        lines += [f"{fence}sql", *shown, fence, ""]
    if problem.hint:
        lines += [f"Hint: {_prose(problem.hint)}", ""]
    return "\n".join(lines)


# -------------------------------------------------------------------------------------------------------------- details


def _prose(given: str) -> str:
    """Text in which nothing is a mention, a reference or markup: such words are code."""
    return " ".join(impact.code(word) if _ACTIVE.search(word) else escape(word, quote=False) for word in _words(given))


def _words(given: str) -> Iterable[str]:
    return text.one_line(given).split()


def _valid(given: str) -> str:
    """Bytes of a file name that are not UTF-8 cannot be sent as JSON."""
    return given.encode("utf-8", "backslashreplace").decode()


def _fitting(pieces: Sequence[str], room: int) -> Sequence[str]:
    """As many of the first pieces as fit, each with its line end."""
    kept = 0
    for piece in pieces:
        room -= len(piece) + 1
        if room < 0:
            break
        kept += 1
    return pieces[:kept]


def _cut(lines: Sequence[str], what: str) -> Iterator[str]:
    """As many lines as belong above the findings."""
    kept = _fitting(lines, _PART)
    yield from kept
    if len(kept) < len(lines):
        yield from ("", f"... and {text.count(len(lines) - len(kept), f'more {what}')}.")
