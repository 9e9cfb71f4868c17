"""The renderer for programs: one JSON object per command on stdout; messages stay text on stderr."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from datetime import UTC
from typing import TYPE_CHECKING

from dbmigrate.output.human import Human
from dbmigrate.output.verbosity import Verbosity
from dbmigrate.reports import Description, MigrationState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from dbmigrate.errors import Error
    from dbmigrate.events import Event
    from dbmigrate.impact.values import LockReport
    from dbmigrate.model import Plan, Problem, Unfinished
    from dbmigrate.output.colour import Line
    from dbmigrate.output.renderer import Streams
    from dbmigrate.reports import Finding, LogEntry, Outcome, Report, Status, StatusRow

# the shape of the objects; a change that breaks readers raises the number
FORMAT = "dbmigrate/1"
_RUNNER_COMMAND = re.compile(r"#(?=#\w*\[)")


class Json:
    """Times are ISO 8601 in UTC, durations milliseconds."""

    def __init__(
        self,
        streams: Streams,
        *,
        verbosity: Verbosity = Verbosity.NORMAL,
        hide: Callable[[str], str] = str,
        messages: Human | None = None,
    ) -> None:
        self._streams = streams
        self._hide = hide
        # what a person would read on stdout (`Applied: ...`) must not stand between the JSON there
        self._messages = messages or Human(streams.without_stdout(), verbosity=verbosity, hide=hide)

    def on_event(self, event: Event) -> None:
        self._messages.on_event(event)

    def report(self, command: str, report: Report) -> None:
        self._print({"command": command, "ok": True, **_report(report)})

    def status(self, status: Status) -> None:
        self._answer(
            {
                "command": "status",
                "ok": True,
                "environment": status.environment,
                "database": status.target,
                "current": status.current,
                "next": _next(status.next),
                "last_updated": status.updated_at.astimezone(UTC).isoformat() if status.updated_at else None,
                "location": list(status.locations),
                **_service(status),
                "applied": len(status.applied),
                "pending": len(status.pending),
                "elsewhere": status.count(MigrationState.ELSEWHERE),
                "missing": status.count(MigrationState.MISSING),
                "migrations": [_row(row, self._hide) for row in status.rows],
                "repeatables": [_row(row, self._hide) for row in status.repeatables],
                "problems": [problem_value(problem) for problem in status.problems],
            }
        )

    def findings(self, findings: Sequence[Finding]) -> None:
        self._answer({"command": "verify", "ok": True, "findings": [_finding(finding) for finding in findings]})

    def log_entries(self, entries: Sequence[LogEntry]) -> None:
        self._answer({"command": "history", "ok": True, "entries": [_entry(entry) for entry in entries]})

    def answer(self, command: str, lines: Iterable[Line | str], value: Mapping[str, object]) -> None:
        self._answer({"command": command, "ok": True, **value})

    def outcome(self, command: str, lines: Iterable[Line | str], value: Mapping[str, object]) -> None:
        self._print({"command": command, "ok": True, **value})

    def plan(self, plan: Plan) -> None:
        self._messages.plan(plan)

    def locks(self, report: LockReport) -> None:
        self._messages.locks(report)

    def notes(self, lines: Iterable[str]) -> None:
        self._messages.notes(lines)

    def ask(self, question: str) -> str:
        return self._messages.ask(question)

    def finished(self, command: str) -> None:
        self._print({"command": command, "ok": True})

    def created_file(self, path: str) -> None:
        self._print({"command": "new", "ok": True, "path": path})

    def script(self, pieces: Iterable[str]) -> None:
        """A script is for psql: it stays text."""
        self._streams.raw(pieces)

    def suggestions(self, program: str) -> None:
        self._messages.suggestions(program)

    def error(self, error: Error) -> None:
        self._print(
            {
                "ok": False,
                "exit_code": error.exit_code,
                "error": {
                    "code": error.code,
                    "message": error.message,
                    "hint": error.hint,
                    "state": error.state,
                    "sqlstate": error.sqlstate,
                    "path": error.place.path if error.place else None,
                    "line": error.place.line if error.place else None,
                    "column": error.place.column if error.place else None,
                    "details": dict(error.details),
                },
                **(_report(error.report) if error.report else {}),
            }
        )
        self._messages.error(error)

    def _print(self, value: Mapping[str, object]) -> None:
        self._streams.result(line(value, self._streams.complete))

    def _answer(self, value: Mapping[str, object]) -> None:
        """Print an answer: without it the command has failed."""
        self._streams.answer(line(value, self._streams.complete))


def line(value: Mapping[str, object], complete: Callable[[str], str] = str) -> str:
    """In ASCII: a stream that cannot encode a character would write an escape that JSON does not have.

    A ``##[``, which GitHub's runner takes for a command wherever it stands, is written as JSON allows to. `complete`
    is for the commands that hints name.
    """
    shown = json.dumps({"format": FORMAT, **value})
    if "`dbmigrate " in shown:
        from dbmigrate.output import commands

        shown = json.dumps({"format": FORMAT, **commands.in_value(value, complete)})
    return _RUNNER_COMMAND.sub(r"\\u0023", shown)


def _report(report: Report) -> dict[str, object]:
    return {
        "done": [_outcome(outcome) for outcome in report.done],
        "deferred": [step.version for step in report.deferred],
        "version": report.current,
        "schema_file": report.schema.path if report.schema else None,
        "duration_ms": round(report.seconds * 1000, 3),
        "problems": [problem_value(problem) for problem in report.problems],
    }


def _outcome(outcome: Outcome) -> dict[str, object]:
    return {
        "version": outcome.step.version,
        "file": outcome.step.name,
        "direction": outcome.step.direction.value,
        "statements": outcome.statements,
        "duration_ms": round(outcome.seconds * 1000, 3),
    }


def _next(row: StatusRow | None) -> dict[str, str] | None:
    return {"version": row.version, "file": row.name} if row else None


def _service(status: Status) -> dict[str, object]:
    if status.service is None:
        return {}
    from dbmigrate.output import services

    return {"service": services.identity(status.service)}


def _row(row: StatusRow, hide: Callable[[str], str]) -> dict[str, object]:
    return {
        "version": row.version,
        "file": row.name,
        "state": row.state.value,
        "applied_at": row.applied_at.astimezone(UTC).isoformat() if row.applied_at else None,
        "applied_by": row.applied_by,
        "edited": row.edited,
        "breaking": row.breaking,
        "conditions": conditions_value(row.conditions, hide),
        "replaces": row.replaces,
        **_description(row.description),
        "env": list(row.env),
        "unfinished": _unfinished(row.unfinished, hide) if row.unfinished else None,
    }


def conditions_value(found: Iterable[tuple[str, str]], hide: Callable[[str], str]) -> list[dict[str, str]]:
    """What has to be true. `hide` masks secrets in queries."""
    return [{"condition": kind, "query": hide(query)} for kind, query in found]


def _description(description: Description | None) -> dict[str, object]:
    said = description or Description()
    return {
        "description": said.text or None,
        "tickets": list(said.tickets),
        "links": list(said.links),
        "header": dict(said.fields),
    }


def _unfinished(broken: Unfinished, hide: Callable[[str], str]) -> dict[str, object]:
    """`statement` is the one at which it stopped, null if it stopped between two."""
    stopped = broken.stopped_at
    return {
        "direction": broken.direction.value,
        "done": sorted(broken.done),
        "statement": stopped.number if stopped else None,
        "sql": hide(stopped.sql) if stopped and stopped.sql else None,
        "error": (stopped.error if stopped else None) or broken.error,
        "deferred": broken.is_deferred,
        "backfill": dict(broken.progress) if broken.progress else None,
    }


def _finding(finding: Finding) -> dict[str, object]:
    applied, file = finding.applied, finding.file
    return {
        "deviation": finding.deviation.value,
        "serious": finding.is_serious,
        "version": finding.version,
        "file": finding.name,
        "applied_checksum": applied.checksum if applied else None,
        "applied_at": applied.applied_at.isoformat() if applied and applied.applied_at else None,
        "applied_by": applied.applied_by if applied else None,
        "path": file.file.path if file else None,
        "checksum": file.checksum if file else None,
        "changed_in": finding.changed_in,
    }


def _entry(entry: LogEntry) -> dict[str, object]:
    values = asdict(entry)
    seconds = values.pop("duration")
    return {
        **values,
        "state": entry.outcome,
        "started_at": entry.started_at.isoformat(),
        "duration_ms": None if seconds is None else round(seconds * 1000, 3),
    }


def problem_value(problem: Problem) -> dict[str, object]:
    """A warning or note for JSON."""
    return {
        "code": problem.code,
        "severity": problem.severity.value,
        "message": problem.message,
        "place": str(problem.place) if problem.place else None,
        "hint": problem.hint,
    }
