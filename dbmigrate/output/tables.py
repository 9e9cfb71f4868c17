"""Answers of several lines: events of the log, findings of a verification, corrections of the records. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from dbmigrate.model import Action, Direction
from dbmigrate.output import text
from dbmigrate.reports import Deviation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbmigrate.model import LogEvent, Step, Unfinished
    from dbmigrate.reports import Finding

_SHOWN_COLUMNS = 100  # of a statement
_DEVIATIONS = {
    Deviation.CHANGED: "was changed after it was applied",
    Deviation.COSMETIC: "was edited after it was applied, but only in its layout",
    Deviation.OTHER_FILE: "was never applied: its version was, from another file",
    Deviation.MISSING: "is applied, but its file is gone",
    Deviation.RENAMED: "is applied, but its file has another version now",
    Deviation.OUT_OF_ORDER: "is pending, though a higher version is applied",
    Deviation.UNFINISHED: "is unfinished",
}
_WAYS_OUT = {
    Deviation.MISSING: "restore it from version control, or `dbmigrate repair --forget-missing`",
    Deviation.OTHER_FILE: "give another service a table of its own with --migrations-table, or rename the file back",
    Deviation.RENAMED: "`dbmigrate repair` follows it",
    Deviation.UNFINISHED: "`dbmigrate resume` goes on with it",
}


def finding_lines(finding: Finding) -> Iterator[str]:
    """A disagreement, with both checksums, who applied it, which commit changed it, and the way out."""
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
    if way := _way_out(finding):
        yield f"    hint: {way}"


def _way_out(finding: Finding) -> str | None:
    if finding.deviation is not Deviation.CHANGED or finding.applied is None or finding.file is None:
        return _WAYS_OUT.get(finding.deviation)
    commit = finding.applied.git_commit
    restore = f"git checkout {commit[:12]} -- {finding.file.file.path}" if commit else "restore the file"
    return f"{restore}, and write the change as a new migration; or accept the file with `dbmigrate repair`"


def unfinished_lines(broken: Unfinished) -> Iterator[str]:
    """Where a migration stopped and how it goes on; below it the statement."""
    stopped = broken.stopped_at
    where = f"interrupted after statement {max(broken.done, default=0)}"
    if stopped is not None:
        where = f"stopped at statement {stopped.number}: {stopped.error or 'outcome unknown'}"
    yield f"{broken.name} ({broken.direction}) {where}; continue with dbmigrate resume"
    if stopped is not None and stopped.sql:
        yield f"    {text.cut(' '.join(stopped.sql.split()), _SHOWN_COLUMNS)}"


def event_lines(events: Sequence[LogEvent]) -> Iterator[str]:
    """One line for each log entry, in columns; its error, reason and details below it."""
    kind_width = max([8, *(len(event.kind) for event in events)])
    outcome_width = max([7, *(len(event.outcome) for event in events)])
    for event in events:
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
        if details := _details(event):
            yield f"    details: {details}"


def _details(event: LogEvent) -> str:
    """What a person wants to know of the details. `before` is for `resume`: the ids of objects."""
    shown = {name: value for name, value in (event.details or {}).items() if name != "before"}
    return ", ".join(
        f"{name} {value if isinstance(value, str) else json.dumps(value)}" for name, value in shown.items()
    )


def corrected(step: Step) -> str:
    """What a correction did, in a few words."""
    if step.action is Action.ACCEPT:
        return f"{step.name} is accepted as it is"
    return f"{step.name} is {'applied' if step.direction is Direction.UP else 'pending'}"


def correction(step: Step) -> str:
    """What a correction will do, in one line."""
    if step.action is Action.ACCEPT:
        return f"accept {step.name} as it is now"
    if step.direction is Direction.UP:
        return f"record {step.name} as applied"
    return f"forget that {step.name} is applied"
