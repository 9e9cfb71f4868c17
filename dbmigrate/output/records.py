"""What happens during a run as log records: a level, a message, fields. Pure.

The messages are those that operators know from other engines: Starting, Found N pending, Successfully applied, All
completed.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from dbmigrate.events import (
    PhaseDone,
    Retrying,
    RunStarted,
    ServerNotice,
    StepDone,
    StepFailed,
    StepStarted,
    Waiting,
    Warned,
)
from dbmigrate.frozen import frozen
from dbmigrate.model import Direction, Severity
from dbmigrate.output import text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from dbmigrate.errors import Error
    from dbmigrate.events import Event
    from dbmigrate.model import Plan, Problem, Step
    from dbmigrate.reports import Report

__all__ = ["COMPLETED", "Record", "of_error", "of_event", "of_problem", "of_report"]

COMPLETED = "All migrations completed successfully"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "info"}
_DOING = {Direction.UP: "Applying", Direction.DOWN: "Rolling back"}
_DID = {Direction.UP: "applied", Direction.DOWN: "rolled back"}


@frozen
class Record:
    """`level` is debug, info, warning or error."""

    level: str
    message: str
    fields: Mapping[str, object] = field(default_factory=dict)


def of_event(event: Event) -> tuple[Record, ...] | None:
    """The records of an event; None for one that has no record of its own."""
    make = _MAKERS.get(type(event))
    return tuple(make(event)) if make is not None else None


def of_report(report: Report) -> Record:
    """The last record of a run that succeeded."""
    done = {"done": len(report.done), "current": report.current, "duration_ms": _milliseconds(report.seconds)}
    return Record("info", COMPLETED if report.done else "Nothing to do", done)


def of_error(error: Error) -> Record:
    """The last record of a command that failed."""
    place = error.place
    given = {
        "code": error.code,
        "exit_code": error.exit_code,
        "path": place.path if place else None,
        "line": place.line if place else None,
        "column": place.column if place else None,
        "sqlstate": error.sqlstate,
        **{label.lower().replace(" ", "_"): text_ for label, text_ in error.details},
        "state": error.state,
        "hint": error.hint,
    }
    return Record("error", error.message, {name: value for name, value in given.items() if value is not None})


def of_problem(found: Problem) -> Record:
    """The record of a warning or note."""
    given = {"code": found.code, "place": str(found.place) if found.place else None, "hint": found.hint}
    fields = {name: value for name, value in given.items() if value is not None}
    return Record(_LEVELS[found.severity], found.message, fields)


def _run_started(event: RunStarted) -> Iterator[Record]:
    yield Record("info", f"Starting: {event.where}", {"target": event.where})
    yield _found(event.plan)
    for problem in event.plan.problems:
        yield of_problem(problem)


def _found(plan: Plan) -> Record:
    undone = sum(step.direction is Direction.DOWN for step in plan.steps if step.runs_sql)
    pending = sum(step.direction is Direction.UP for step in plan.steps if step.runs_sql)
    if undone and not pending:
        return Record("info", f"Found {text.count(undone, 'migration')} to roll back", {"to_roll_back": undone})
    more = {"to_roll_back": undone} if undone else {}
    message = f"Found {text.count(pending, 'pending migration')}"
    return Record("info", message, {"pending": pending, **more})


def _step_started(event: StepStarted) -> Iterator[Record]:
    if event.step.runs_sql:
        doing = _DOING[event.step.direction]
        yield Record("info", f"{doing} migration {_name(event.step)}", _step(event.step))


def _step_done(event: StepDone) -> Iterator[Record]:
    step = event.outcome.step
    did = _DID[step.direction] if step.runs_sql else "recorded"
    fields = {**_step(step), "duration_ms": _milliseconds(event.outcome.seconds)}
    yield Record("info", f"Successfully {did} migration {_name(step)}", fields)


def _step_failed(event: StepFailed) -> Iterator[Record]:
    fields = {**_step(event.step), "duration_ms": _milliseconds(event.seconds)}
    yield Record("error", f"Failed migration {_name(event.step)}", fields)


def _warned(event: Warned) -> Iterator[Record]:
    yield of_problem(event.problem)


def _notice(event: ServerNotice) -> Iterator[Record]:
    given = {"severity": event.severity, "detail": event.detail, "hint": event.hint}
    level = "warning" if event.severity == "WARNING" else "info"
    yield Record(level, event.message, {name: value for name, value in given.items() if value is not None})


def _waiting(event: Waiting) -> Iterator[Record]:
    yield Record("info", f"Waiting for {event.what}", {"waited_ms": _milliseconds(event.seconds)})


def _retrying(event: Retrying) -> Iterator[Record]:
    fields = {**_step(event.step), "attempt": event.attempt, "blockers": "; ".join(event.blockers) or None}
    message = f"A lock was not granted in time, trying migration {_name(event.step)} again"
    yield Record("warning", message, {name: value for name, value in fields.items() if value is not None})


def _phase_done(event: PhaseDone) -> Iterator[Record]:
    from dbmigrate.output import deploying

    yield Record("info", f"{event.phase.value}: {deploying.said(event)}", {"phase": event.phase.value})


_MAKERS: Mapping[type, Callable[..., Iterator[Record]]] = {
    RunStarted: _run_started,
    StepStarted: _step_started,
    StepDone: _step_done,
    StepFailed: _step_failed,
    Warned: _warned,
    ServerNotice: _notice,
    Waiting: _waiting,
    Retrying: _retrying,
    PhaseDone: _phase_done,
}


def _name(step: Step) -> str:
    return step.name.removesuffix(".sql")


def _step(step: Step) -> dict[str, object]:
    return {"version": step.version, "file": step.name, "direction": step.direction.value}


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
