"""A deployment as text and as JSON: a line for each of its phases, and its result. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dbmigrate.events import Phase
from dbmigrate.output import text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dbmigrate.deploy.run import Deployed
    from dbmigrate.events import PhaseDone
    from dbmigrate.model import Plan
    from dbmigrate.reports import Backup, HealthOutcome

_UNITS = ("B", "kB", "MB", "GB", "TB")


def line(event: PhaseDone) -> str:
    """``backup   backups/shop-20260301-150000.dump · 12.3 MB · 1.4 s``"""
    return text.one_line(f"{event.phase:<8} {said(event)}")


def said(event: PhaseDone) -> str:
    """What came of the phase."""
    return event.result if isinstance(event.result, str) else _WRITERS[event.phase](event.result)


def result_lines(done: Deployed) -> Iterator[str]:
    """The last line of a deployment."""
    number = len(done.report.done)
    if not number:
        yield text.closing_line("deploy", done.report)
        return
    parts = [f"Deployed: {text.count(number, 'migration')} in {text.duration(done.seconds)}"]
    parts += [f"version {done.report.current}"] if done.report.current else []
    parts += ["healthy"] if done.health else []
    yield " · ".join(parts)


def value(done: Deployed) -> dict[str, object]:
    """The result for programs: durations are milliseconds, sizes bytes."""
    return {
        "verified": done.verified,
        "plan": f"sha256:{done.plan.digest}",
        "applied": [
            {"version": one.step.version, "file": one.step.name, "duration_ms": _milliseconds(one.seconds)}
            for one in done.report.done
        ],
        "version": done.report.current,
        "backup": backup_value(done.backup) if done.backup else None,
        "health": [_health_value(outcome) for outcome in done.health],
        "schema_file": done.report.schema.path if done.report.schema else None,
        "duration_ms": _milliseconds(done.seconds),
    }


def size(number: int) -> str:
    """``812 B``, ``12.3 MB``: in powers of a thousand."""
    amount = float(number)
    for unit in _UNITS:
        if round(amount, 1) < 1000 or unit == _UNITS[-1]:
            break
        amount /= 1000
    return f"{number} B" if unit == _UNITS[0] else f"{amount:.1f} {unit}"


def _verified(number: int) -> str:
    return f"{number} applied agree{'s' if number == 1 else ''} with {'its file' if number == 1 else 'their files'}"


def _planned(plan: Plan) -> str:
    return f"{len(plan.steps)} pending · sha256:{plan.digest}"


def _backed_up(backup: Backup) -> str:
    return f"{backup.path} · {size(backup.size)} · {text.duration(backup.seconds)}"


def _checked(outcome: HealthOutcome) -> str:
    return outcome.summary


_WRITERS: dict[Phase, Callable[[Any], str]] = {
    Phase.VERIFY: _verified,
    Phase.PLAN: _planned,
    Phase.BACKUP: _backed_up,
    Phase.UP: lambda report: text.closing_line("up", report),
    Phase.HEALTH: _checked,
    Phase.ROLLBACK: lambda report: text.closing_line("rollback", report),
}


def backup_value(backup: Backup) -> dict[str, object]:
    """A backup for programs."""
    return {
        "path": backup.path,
        "bytes": backup.size,
        "duration_ms": _milliseconds(backup.seconds),
        "restore": backup.restore,
    }


def _health_value(outcome: HealthOutcome) -> dict[str, object]:
    return {
        "check": outcome.name,
        "result": outcome.answer.result,
        "tries": outcome.tries,
        "duration_ms": _milliseconds(outcome.seconds),
    }


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
