"""A dry run for programs: the plan, and what its statements lock. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.model import Direction
from dbmigrate.output import impact
from dbmigrate.output.jsonlines import conditions_value, problem_value
from dbmigrate.planning import breaking, conditions

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbmigrate.impact.values import LockReport
    from dbmigrate.model import Plan, Step


def value(plan: Plan, locks: LockReport | None, *, hide: Callable[[str], str]) -> dict[str, object]:
    """The plan for JSON. `locks` is null where nobody asked for a lock report. `hide` masks secrets in SQL."""
    return {
        "dry_run": True,
        "plan": f"sha256:{plan.digest}",
        "steps": [_step(step, hide) for step in plan.steps],
        "problems": [problem_value(problem) for problem in plan.problems],
        "losses": [dict(problem.data) for problem in plan.problems if problem.code == "W380" and problem.data],
        "locks": None if locks is None else _locks(locks, hide),
    }


def _step(step: Step, hide: Callable[[str], str]) -> dict[str, object]:
    """`transaction`: whether all of the step runs in one transaction, and is rolled back where it fails."""
    migration = step.migration
    return {
        "version": step.version,
        "file": step.name,
        "direction": step.direction.value,
        "transaction": migration is None or migration.is_transactional(step.direction),
        "path": migration.file.path if migration else None,
        "checksum": migration.checksum if migration else None,
        "breaking": breaking.described(migration) if migration and step.direction is Direction.UP else None,
        "conditions": [] if migration is None else conditions_value(conditions.listed(migration, step.direction), hide),
        "statements_done": sorted(step.done),
        "replaces": [each.version for each in step.replaces],
    }


def _locks(report: LockReport, hide: Callable[[str], str]) -> dict[str, object]:
    """`measured` is the number of steps that ran on the scratch database; `problems` say why the others did not."""
    statements = impact.values(report.statements)
    return {
        "measured": report.measured,
        "dangerous": sum(priced.verdict.is_dangerous for priced in report.statements),
        "statements": [{**each, "sql": hide(str(each["sql"]))} for each in statements],
        "problems": [problem_value(problem) for problem in report.problems],
    }
