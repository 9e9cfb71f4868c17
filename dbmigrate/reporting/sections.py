"""The parts of the page that are words and tables: where the environments stand, what is pending, the history. Pure."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from dbmigrate.catalog import Change
from dbmigrate.output import environments as shown
from dbmigrate.output import findings, impact, text
from dbmigrate.planning.environments import CellState
from dbmigrate.reporting import timeline
from dbmigrate.reporting.picture import CLASSES, object_id
from dbmigrate.reporting.schema import key_of, state_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbmigrate.catalog import Difference
    from dbmigrate.impact.values import Priced
    from dbmigrate.model import Problem
    from dbmigrate.planning.environments import Cell, Column
    from dbmigrate.reporting.markup import Pen
    from dbmigrate.reporting.values import Lane, Pending, Report
    from dbmigrate.reports import LogEntry

_LOG_ROWS = 200
_LONGEST_SQL = 50_000  # characters of one file
_CELLS = {CellState.UNFINISHED: "del", CellState.CHANGED: "chg", CellState.MISSING: "chg", CellState.PENDING: "chg"}
_VERBS = {Change.EXTRA: "added", Change.MISSING: "removed", Change.CHANGED: "changed", Change.MOVED: "changed"}


def lead(report: Report, pen: Pen) -> str:
    """One sentence for each question: who is behind, does anything block for long, is anything failed or unfinished."""
    columns = report.environments.columns
    behind = "; ".join(f"<b>{pen.text(column.name)}</b> {pen.text(shown.summary(column))}" for column in columns)
    sentences = [behind or "No environment is configured", *(pen.text(each) for each in _answers(report))]
    return f'<p class="lead">{". ".join(sentences)}.</p>'


def _answers(report: Report) -> Iterator[str]:
    if report.refusal is not None:
        yield "up would be refused"
    dangerous = sum(priced.verdict.is_dangerous for each in report.pending for priced in each.locks)
    if dangerous:
        yield f"{text.count(dangerous, 'pending statement')} would block others for long"
    elif report.pending and report.untried == 0:
        yield "No pending statement blocks others for long"
    destroying = sum(bool(each.losses) for each in report.pending)
    if destroying:
        yield f"{text.count(destroying, 'pending migration')} would destroy data"
    failed = [lane.name for lane in report.lanes if _is_failed(lane)]
    if failed:
        yield f"The last run failed in {', '.join(failed)}"


def _is_failed(lane: Lane) -> bool:
    entries = timeline.listed(lane)
    return bool(entries) and timeline.sign(entries[0]) == "✕"


# -------------------------------------------------------------------------------------------------------- environments


def environments(report: Report, pen: Pen) -> str:
    """The migrations side by side, those that are applied everywhere in one row."""
    table = report.environments
    if not table.columns:
        return "<p>No environment is configured.</p>"
    head = "".join(f'<th scope="col">{pen.text(column.name)}{_where(column, pen)}</th>' for column in table.columns)
    rows = [f'<tr><th scope="col">migration</th>{head}</tr>']
    if table.folded:
        signs = "".join(f"<td>{'?' if column.failure is not None else '✓'}</td>" for column in table.columns)
        rows.append(f'<tr><td class="dim">{table.folded} older</td>{signs}</tr>')
    for row in table.rows[table.folded :]:
        rows.append(f"<tr><td>{pen.code(row.name)}</td>{''.join(_cell(cell, pen) for cell in row.cells)}</tr>")
    if not table.rows:
        rows.append(f'<tr><td class="dim" colspan="{len(table.columns) + 1}">there is no migration</td></tr>')
    notes = "".join(f"<li>{pen.text(note)}</li>" for note in shown.notes(table))
    return _box("".join(rows), "environments side by side", "table") + (f"<ul>{notes}</ul>" if notes else "")


def _where(column: Column, pen: Pen) -> str:
    return f'<br><small class="dim">{pen.text(column.where)}</small>' if column.where else ""


def _cell(cell: Cell, pen: Pen) -> str:
    kind = _CELLS.get(cell.state)
    return f"<td{f' class={chr(34)}{kind}{chr(34)}' if kind else ''}>{pen.text(shown.shown(cell))}</td>"


def _box(content: str, label: str, inner: str = "") -> str:
    """Something that may be wider than the page: it scrolls on its own, by keyboard too."""
    body = f"<{inner}>{content}</{inner}>" if inner else content
    plain = " plain" if inner else ""
    return f'<div class="pic{plain}" tabindex="0" role="region" aria-label="{label}">{body}</div>'


# ------------------------------------------------------------------------------------------------------------- pending


def pending(report: Report, pen: Pen) -> str:
    """What `up` would do, the worst first; the numbers say in which order it runs."""
    parts = []
    if report.refusal is not None:
        parts.append(f'<p><b class="del">✕ up would be refused</b>: {pen.text(report.refusal)}</p>')
    if report.digest:
        parts.append(f'<p class="dim">plan {pen.code(report.digest)}; the worst first</p>')
    elif report.refusal is None and not report.pending:
        parts.append("<p>Nothing is pending.</p>")
    parts += (_migration(each, pen) for each in sorted(report.pending, key=lambda each: (-each.rank, each.number)))
    if report.notes:
        parts.append(f"<ul>{''.join(_problem(each, pen) for each in report.notes)}</ul>")
    return "".join(parts)


def _migration(each: Pending, pen: Pen) -> str:
    parts = [f'<article id="migration-{each.number}"><h3>{each.number}. {pen.code(each.file)}</h3>', _said(each, pen)]
    if each.breaking is not None:
        parts.append(f'<p><b class="del">✕ breaking change</b>: {pen.text(each.breaking)}</p>')
    if not each.is_transactional:
        parts.append('<p class="dim">not in a transaction: a failure leaves what ran before it</p>')
    for kind, query in each.conditions:
        parts.append(f'<p class="dim">{pen.text(kind)}: {pen.code(query)}</p>')
    problems = findings.worst_first((*each.losses, *each.findings))
    if problems:
        parts.append(f"<ul>{''.join(_problem(problem, pen) for problem in problems)}</ul>")
    parts.append(_locks(each.locks, each.file, pen))
    parts.append(_sql(each, pen))
    return "".join((*parts, "</article>"))


def _sql(each: Pending, pen: Pen) -> str:
    if not each.is_run:
        return '<p class="dim">It is only recorded: nothing runs.</p>'
    if each.sql is None:
        return '<p class="dim">The file is too large to be shown.</p>'
    left_out = len(each.sql) - _LONGEST_SQL
    more = f"\n… {left_out} more characters" if left_out > 0 else ""
    shown = f"{pen.text(each.sql[:_LONGEST_SQL])}{more}"
    box = f'<pre class="pic" tabindex="0" role="region" aria-label="SQL of {pen.text(each.file)}">{shown}</pre>'
    return f"<details><summary>SQL</summary>{box}</details>"


def _said(each: Pending, pen: Pen) -> str:
    found = each.description
    if found is None:
        return ""
    more = (each for each in (*found.tickets, *found.links) if each not in found.text)
    said = pen.text(" · ".join(filter(None, (found.text, *more))))
    fields = "".join(f"<br>{pen.text(name)}: {pen.text(value)}" for name, value in found.fields if value != found.text)
    return f"<p>{said}{fields}</p>" if said or fields else ""


def _problem(problem: Problem, pen: Pen) -> str:
    signs = {"error": ("✕", "del"), "warning": ("!", "chg"), "note": ("·", "dim")}
    sign, kind = signs[problem.severity]
    place = f' <span class="dim">({pen.text(str(problem.place))})</span>' if problem.place else ""
    hint = f'<br><span class="dim">{pen.text(problem.hint)}</span>' if problem.hint else ""
    label = f"{sign} {problem.severity} {problem.code}"
    return f'<li><b class="{kind}">{pen.text(label)}</b> {pen.text(problem.message)}{place}{hint}</li>'


def _locks(locks: Sequence[Priced], file: str, pen: Pen) -> str:
    rows = [row for priced in locks for row in _lock_rows(priced, pen)]
    if not rows:
        return ""
    head = "".join(f'<th scope="col">{name}</th>' for name in ("", "statement", "table", "lock", "what it means"))
    return _box(f"<tr>{head}</tr>{''.join(rows)}", f"locks of {pen.text(file)}", "table")


def _lock_rows(priced: Priced, pen: Pen) -> Iterator[str]:
    """The cells of the lock report in Markdown, as a table here."""
    for mark, statement, table, lock, meaning in impact.rows(priced):
        sign = '<b class="del">✕ blocks</b>' if mark else ""
        cells = (sign, pen.code(statement), pen.code(table) if table else "", pen.text(lock), pen.text(meaning))
        yield f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


# -------------------------------------------------------------------------------------------------------- what changes


def changes(report: Report, pen: Pen) -> str:
    """Everything that differs, in words."""
    differences = report.schema.differences if report.schema else ()
    return f"<ul>{''.join(_difference(each, pen) for each in differences)}</ul>" if differences else ""


def _difference(each: Difference, pen: Pen) -> str:
    state = state_of(each)
    kind = CLASSES[state].strip()
    identity = object_id(f"words/{each.aspect}" if each.aspect else "words", key_of(each))
    label = f"{state} {_VERBS[each.change]}"
    said = each.sentence if each.change is Change.CHANGED else f"{each.subject}{_with(each)}"
    return f'<li id="{pen.text(identity)}"><b class="{kind}">{label}</b> {pen.code(said)}</li>'


def _with(each: Difference) -> str:
    return f", with {', '.join(each.inside)}" if each.inside else ""


# ------------------------------------------------------------------------------------------------------------- history


def history(report: Report, pen: Pen) -> str:
    """The timeline, and the newest entries as a table."""
    parts = []
    for lane in report.lanes:
        if lane.failure is not None:
            parts.append(f'<p><b class="chg">! {pen.text(lane.name)}</b>: {pen.text(lane.failure)}</p>')
    drawn = timeline.draw([lane for lane in report.lanes if lane.failure is None], pen)
    if not drawn:
        return "".join((*parts, "<p>No run is logged.</p>"))
    parts.append(_box(drawn, "history as a timeline"))
    signs = "● applied (size: duration) · ◆ rolled back · ✕ failed · ◌ not finished · ■ only recorded"
    days = f"; the last {timeline.DAYS} days with events" if timeline.is_cut(report.lanes) else ""
    parts.append(f'<p class="dim">{signs}; times are UTC{days}</p>')
    return "".join((*parts, _log(report, pen)))


def _log(report: Report, pen: Pen) -> str:
    entries = sorted(
        (
            (entry.started_at, entry.event_id, lane.name, entry)
            for lane in report.lanes
            for entry in timeline.listed(lane)
        ),
        key=lambda item: item[:3],
        reverse=True,
    )
    names = ("when", "environment", "", "migration", "took", "who", "commit", "why")
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    rows = "".join(_log_row(name, entry, pen) for _, _, name, entry in entries[:_LOG_ROWS])
    more = f'<p class="dim">{len(entries) - _LOG_ROWS} older entries are not listed.</p>' if entries[_LOG_ROWS:] else ""
    listed = _box(f"<tr>{head}</tr>{rows}", "the log", "table")
    return f"<details><summary>The log in words</summary>{listed}{more}</details>"


_KINDS = {"✕": "del", "◆": "chg", "◌": "chg"}


def _log_row(environment: str, entry: LogEntry, pen: Pen) -> str:
    sign = timeline.sign(entry)
    kind = _KINDS.get(sign, "add" if sign == "●" else "dim")
    step = f" statement {entry.step}" if entry.step is not None else ""
    commit = f"{entry.git_commit[:12]}{'+' if entry.git_dirty else ''}" if entry.git_commit else ""
    cells = (
        f"{entry.started_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
        pen.text(environment),
        f'<b class="{kind}">{sign} {pen.text(timeline.words(entry))}</b>',
        pen.code(f"{entry.file or entry.version}{step}"),
        text.duration(entry.duration) if entry.duration is not None else "",
        pen.text(f"{entry.os_user or '?'} as {entry.db_role}"),
        pen.code(commit) if commit else "",
        pen.text(" · ".join(filter(None, (entry.reason, entry.error)))),
    )
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
