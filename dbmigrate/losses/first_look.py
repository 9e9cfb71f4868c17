"""Warnings about what a plan destroys, for plans that may destroy something."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate.losses import is_worth_reading

if TYPE_CHECKING:
    from dbmigrate.execution.session import Session
    from dbmigrate.model import Plan, Step

__all__ = ["with_losses"]


def with_losses(session: Session, planned: Plan) -> Plan:
    """The plan with warnings about what it destroys."""
    if not any(map(_may_destroy, planned.steps)):
        return planned
    from dbmigrate.losses import report

    return replace(planned, problems=(*planned.problems, *report.problems(session, planned)))


def _may_destroy(step: Step) -> bool:
    if step.migration is None or not step.runs_sql:
        return False
    return any(is_worth_reading(step, section) for section in step.migration.run_order(step.direction))
