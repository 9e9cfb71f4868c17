"""Answers of several lines: log entries, findings of `verify`, corrections of `repair`. Pure."""

from __future__ import annotations

import json
from datetime import UTC
from typing import TYPE_CHECKING

from dbmigrate.model import Action, Direction, LogKind
from dbmigrate.output import text
from dbmigrate.output.verbosity import Verbosity
from dbmigrate.reports import Deviation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbmigrate.model import Plan, Step, Unfinished
    from dbmigrate.reports import Description, Finding, LogEntry, Status

_SHOWN_COLUMNS = 100  # of a statement
_OF_A_CURSOR = ("table", "key", "after", "until", "round", "turn", "batch", "passed", "ended", "left", "rate")
_NOT_SHOWN = frozenset(
    ("before", "tables", "schemas", "description", "tickets", "links", "replaces", "vars", *_OF_A_CURSOR)
)
_DEVIATIONS = {
    Deviation.CHANGED: "was changed after it was applied",
    Deviation.COSMETIC: "was edited after it was applied, but only in its layout",
    Deviation.OTHER_FILE: "was never applied: its version was applied from another file",
    Deviation.MISSING: "is applied, but its file is gone",
    Deviation.RENAMED: "is applied, but its file has another version now",
    Deviation.OUT_OF_ORDER: "is pending, though a higher version is applied",
    Deviation.UNFINISHED: "is unfinished",
}
_HINTS = {
    Deviation.OTHER_FILE: "give each service its own --migrations-table, or rename the file back",
    Deviation.RENAMED: "`dbmigrate repair` records the new version",
    Deviation.UNFINISHED: "`dbmigrate resume` continues it",
}


def finding_lines(finding: Finding) -> Iterator[str]:
    """A finding with both checksums, who applied the file, which commit changed it, and a hint."""
    applied, file = finding.applied, finding.file
    from_another = f" ({applied.name})" if applied and finding.deviation is Deviation.OTHER_FILE else ""
    yield f"{finding.name} {_DEVIATIONS[finding.deviation]}{from_another}"
    if applied is not None and applied.checksum:
        when = f" {applied.applied_at:%Y-%m-%d %H:%M:%S %Z}" if applied.applied_at else ""
        commit = f" (commit {applied.git_commit[:12]})" if applied.git_commit else ""
        yield f"    applied{when} by {applied.applied_by or 'unknown'}{commit}: sha256 {applied.checksum}"
    if file is not None:
        changed = f" (changed in {finding.changed_in})" if finding.changed_in else ""
        yield f"    {file.file.path} now{changed}: sha256 {file.checksum}"
    if hint := _hint(finding):
        yield f"    hint: {hint}"


def _hint(finding: Finding) -> str | None:
    if finding.deviation is Deviation.MISSING:
        restore = finding.restoring if finding.restorable_from else "restore it from version control"
        return f"{restore}, or run `dbmigrate repair --forget {finding.version} --reason TEXT`"
    if finding.deviation is not Deviation.CHANGED or finding.applied is None or finding.file is None:
        return _HINTS.get(finding.deviation)
    return f"{finding.restoring}, and write the change as a new migration; or accept the file with `dbmigrate repair`"


def status_heading(status: Status) -> Iterator[str]:
    """Which database it is, where it stands, what comes next; when it was changed last, and where the files are."""
    named = (status.service.title if status.service else None, status.environment, status.target)
    version = f"version {status.current}" if status.current else "no version is applied"
    upcoming = f", next {status.next.name}" if status.next else ""
    where = " \u00b7 ".join(filter(None, named))
    yield f"{where} \u00b7 {version} \u00b7 {len(status.pending) or 'nothing'} pending{upcoming}"
    at = status.updated_at
    updated = f"last updated {at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC \u00b7 " if at else ""
    yield f"{updated}migrations in {', '.join(status.locations)}"


def unfinished_lines(broken: Unfinished) -> Iterator[str]:
    """Where a migration stopped; below it the statement, and how to continue."""
    if broken.is_deferred or broken.progress is not None:
        from dbmigrate.output import backfills

        yield from backfills.unfinished_lines(broken)
        return
    stopped = broken.stopped_at
    where = f"interrupted after statement {max(broken.done, default=0)}"
    if stopped is not None:
        where = f"stopped at statement {stopped.number}: {stopped.error or 'outcome unknown'}"
    yield f"{broken.name} ({broken.direction}) {where}"
    if stopped is not None and stopped.sql:
        yield f"    {text.cut(' '.join(stopped.sql.split()), _SHOWN_COLUMNS)}"
    yield "hint: continue with `dbmigrate resume`"


def description_lines(description: Description) -> Iterator[str]:
    """What a file says that it does, with the tickets and links that the text does not name itself, and the fields."""
    if said := _said(description.text, (*description.tickets, *description.links)):
        yield said
    for name, value in description.fields:
        if value != description.text:
            yield f"{name}: {value}"


def _said(description: str, more: Sequence[str]) -> str:
    return " \u00b7 ".join(filter(None, (description, *(each for each in more if each not in description))))


def entry_lines(entries: Sequence[LogEntry], verbosity: Verbosity = Verbosity.NORMAL) -> Iterator[str]:
    """One line for each log entry, in columns; its error, reason and details below it.

    What the file said that it does is shown to those who want to know more.
    """
    kind_width = max([8, *(len(event.kind) for event in entries)])
    outcome_width = max([7, *(len(event.outcome) for event in entries)])
    for event in entries:
        step = f" statement {event.step}" if event.step is not None else ""
        took = f" in {text.duration(event.duration)}" if event.duration is not None else ""
        commit = f" at {event.git_commit[:12]}{'+' if event.git_dirty else ''}" if event.git_commit else ""
        yield (
            f"{event.started_at:%Y-%m-%d %H:%M:%S %Z}  {event.kind:<{kind_width}} {event.outcome:<{outcome_width}} "
            f"{event.file or event.version}{step}{took} by {event.os_user or '?'} as {event.db_role}{commit}"
        )
        if event.error:
            yield f"    error: {event.error}"
        if event.reason:
            yield f"    reason: {event.reason}"
        if verbosity >= Verbosity.VERBOSE and (said := _described(event)):
            yield f"    {said}"
        if details := _details(event):
            yield f"    details: {details}"


def _described(event: LogEntry) -> str:
    details = event.details or {}
    more = [each for name in ("tickets", "links") if isinstance(listed := details.get(name), list) for each in listed]
    return _said(str(details.get("description", "")), list(map(str, more)))


def _details(event: LogEntry) -> str:
    """What a person wants to know of the details; object ids and lists of tables are for programs."""
    shown = {name: value for name, value in (event.details or {}).items() if name not in _NOT_SHOWN}
    return ", ".join(
        f"{name} {value if isinstance(value, str) else json.dumps(value)}" for name, value in shown.items()
    )


def amount(plan: Plan) -> str:
    """What is about to run, for the line that names the target: ``3 pending``."""
    steps = [step for step in plan.steps if step.log_kind is not LogKind.REPEATABLE]
    repeatables = len(plan.steps) - len(steps)
    ups = sum(step.direction is Direction.UP for step in steps)
    if steps and not any(step.version for step in steps):
        return text.count(len(steps), "seed")
    if steps and not any(step.runs_sql for step in steps):
        return f"{text.count(len(plan.steps), 'record')} to change"
    if ups == len(steps):
        return f"{len(plan.steps)} pending"
    more = f", {repeatables} repeatable" if repeatables else ""
    return f"{len(steps) - ups} to {'redo' if ups else 'roll back'}{more}"


def corrected(step: Step) -> str:
    """What a correction did."""
    if step.action is Action.ACCEPT:
        return f"{step.name} is accepted as it is now"
    return f"{step.name} is {'applied' if step.direction is Direction.UP else 'pending'}{_instead(step)}"


def _instead(step: Step) -> str:
    return f", in the place of {text.count(len(step.replaces), 'migration')}" if step.replaces else ""


def correction(step: Step) -> str:
    """What a correction will do."""
    if step.action is Action.ACCEPT:
        return f"accept {step.name} as it is now"
    if step.direction is Direction.UP:
        return f"record {step.name} as applied{_instead(step)}"
    return f"record {step.name} as pending"
