"""Conditions in the script of a dry run: queries that stop psql (22P02) where a run would stop.

The scalar subquery has the same limits as a run: one column, at most one row, no changes; CASE takes booleans alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.execution import conditions, psql_text
from dbmigrate.tracking import write_log

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dbmigrate.execution.conditions import Frame
    from dbmigrate.migrations.conditions import Condition


def inside(asked: Iterable[Condition]) -> Iterator[str]:
    """Conditions that are asked in the migration's transaction."""
    return _pieces(asked, conditions.INSIDE)


def alone(asked: Iterable[Condition], limits: str) -> Iterator[str]:
    """Conditions that are asked between two steps; `limits` are SET LOCAL commands."""
    return _pieces(asked, conditions.alone(limits))


def _pieces(asked: Iterable[Condition], frame: Frame) -> Iterator[str]:
    for condition in asked:
        failure = write_log.literal(f"{condition.title} (line {condition.place.line}) is not true")
        before, after = "SELECT CASE WHEN (\n", f"\n) THEN '1' ELSE {failure} END::int AS {condition.kind};"
        if condition.filled is None:
            query = psql_text.statement(f"{before}{condition.query}{after}")
        else:
            query = psql_text.filled_statement(condition.filled.between(before, after))
        yield f"\n-- the {condition.kind} of line {condition.place.line}\n:dbmigrate_unchanged\n{frame.opening}"
        yield f"{query}\n{frame.closing}"
