"""Whether a plan may destroy anything: a look that costs next to nothing, so that only such plans are read closely."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dbmigrate.execution.session import Session
    from dbmigrate.model import Plan, Section, Step

__all__ = ["is_worth_reading", "may_destroy", "with_losses"]

_WORDS = re.compile(r"\b(?:drop|truncate|delete|update|type)\b", re.IGNORECASE).search
# at the beginning of a line of a file whose statements are not kept; all of it is not lexed once more for this
_IN_LARGE_FILES = re.compile(rb"(?im)^[ \t]*(?:drop|truncate|delete|update|alter)\b").search


def with_losses(session: Session, planned: Plan) -> Plan:
    """The plan with warnings about what it destroys."""
    if not any(map(_may_destroy, planned.steps)):
        return planned
    from dbmigrate.losses import report

    return replace(planned, problems=(*planned.problems, *report.problems(session, planned)))


def may_destroy(sql: str) -> bool:
    """Whether it is worth while to read the statement."""
    return _WORDS(sql) is not None


def is_worth_reading(step: Step, section: Section) -> bool:
    """Whether a section may have a statement that destroys something."""
    assert step.migration is not None
    if section.statements is None:
        return _is_mentioned(step.migration.file.path)
    return any(may_destroy(statement.sql) for statement in section.statements)


def _may_destroy(step: Step) -> bool:
    if step.migration is None or not step.runs_sql:
        return False
    return any(is_worth_reading(step, section) for section in step.migration.run_order(step.direction))


def _is_mentioned(path: str) -> bool:
    import mmap

    with (
        suppress(OSError, ValueError),
        open(path, "rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
    ):
        return _IN_LARGE_FILES(mapped) is not None
    return False
