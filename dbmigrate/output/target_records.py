"""What happens on several targets as log records, for ``--log-format``: the target is a field. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.output import records, text
from dbmigrate.output.records import Record

if TYPE_CHECKING:
    from dbmigrate.model import Problem
    from dbmigrate.targets.planning import Tally
    from dbmigrate.targets.values import Result

__all__ = ["canary", "failure", "progress", "waiting", "warning"]


def failure(result: Result) -> Record:
    """A target that failed or was interrupted, with the error's code and what it says."""
    failed = result.failure
    given = {
        "target": result.name,
        "result": result.outcome.value,
        "code": failed.code if failed else None,
        "exit_code": result.exit_code,
        "place": failed.place if failed else None,
        "sqlstate": failed.sqlstate if failed else None,
        "state": failed.state if failed else None,
        "hint": failed.hint if failed else None,
        "duration_ms": _milliseconds(result.seconds),
        "waited_ms": _milliseconds(result.waited),
    }
    message = failed.message if failed else result.summary
    return Record("error", message, {name: value for name, value in given.items() if value not in (None, "")})


def warning(problem: Problem, **whose: object) -> Record:
    """A warning of the first target that has it (`target`), or of several (`targets` is their number)."""
    found = records.of_problem(problem)
    return Record(found.level, found.message, {**whose, **found.fields})


def waiting(name: str, what: str) -> Record:
    """A target that waits for a lock."""
    return Record("warning", f"Waiting for {what}", {"target": name})


def canary(tally: Tally, seconds: float) -> Record:
    """The first targets are done."""
    return Record("info", "The canary is done", {**_counts(tally), "duration_ms": _milliseconds(seconds)})


def progress(tally: Tally, running: int) -> Record:
    """How far the run is."""
    message = f"{tally.ended} of {text.count(tally.total, 'target')}"
    return Record("info", message, {**_counts(tally), "running": running})


def _counts(tally: Tally) -> dict[str, object]:
    return {"ended": tally.ended, "total": tally.total, "failed": len(tally.failures)}


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
