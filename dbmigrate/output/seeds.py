"""What ``seed --dry-run`` lists. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.model import Direction
from dbmigrate.output import text
from dbmigrate.output.jsonlines import problem_value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbmigrate.model import Plan, Step

__all__ = ["lines", "value"]


def lines(plan: Plan) -> Iterator[str]:
    """A line for each seed, in the order in which they run."""
    for step in plan.steps:
        yield text.one_line(f"{step.name} · {text.count(_statements(step), 'statement')}")
    if not plan.steps:
        yield "no seeds"


def value(plan: Plan) -> dict[str, object]:
    """The same as JSON."""
    return {
        "dry_run": True,
        "seeds": [{"file": step.name, "statements": _statements(step)} for step in plan.steps],
        "problems": [problem_value(problem) for problem in plan.problems],
    }


def _statements(step: Step) -> int:
    sections = step.migration.run_order(Direction.UP) if step.migration else ()
    return sum(section.count for section in sections)
