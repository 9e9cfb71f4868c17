"""The rollback of migrations that a run has applied: its steps, and what makes it impossible."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.errors import PlanError
from dbmigrate.model import Direction, LogKind, Step
from dbmigrate.planning import variables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.model import Migration
    from dbmigrate.reports import Outcome


def rollback_steps(done: Sequence[Outcome]) -> tuple[Step, ...]:
    """The steps of the rollback, last first, from the files that were applied.

    What was only recorded stays, and repeatable migrations have no down section.
    """
    return tuple(
        Step(one.step.version, one.step.name, Direction.DOWN, migration=one.step.migration)
        for one in reversed(done)
        if one.step.runs_sql and one.step.log_kind is not LogKind.REPEATABLE
    )


def refuse_obstacles(steps: Sequence[Step]) -> None:
    """Raise PlanError E233 if a step cannot be undone."""
    for step in steps:
        if why := obstacle(step.migration):
            raise PlanError(f"{step.name} {why}", code="E233")


def obstacle(migration: Migration | None) -> str | None:
    """Why a migration cannot be undone. An empty down section would forget the version, and leave what it made."""
    if migration is None or migration.file.is_repeatable:
        return None
    if migration.is_irreversible:
        return "is irreversible"
    if any(section.fault for section in migration.run_order(Direction.DOWN)):
        return "has a down section that cannot run"
    does_something = any(section.count for section in migration.run_order(Direction.UP))
    if names := variables.missing(migration, Direction.DOWN):
        return f"has no value for the variable {names[0]}"
    undoes_something = any(section.count for section in migration.run_order(Direction.DOWN))
    return "has an empty down section" if does_something and not undoes_something else None
