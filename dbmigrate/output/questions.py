"""What a person sees before confirming a change. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.model import Direction
from dbmigrate.output import tables, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbmigrate.model import Plan, Step

_LONGEST = 20
_VERBS = {Direction.UP: "apply", Direction.DOWN: "undo"}


def of_plan(plan: Plan, word: str, *, heading: str = "") -> str:
    """The question before a plan runs: what it does, step by step, and what to type."""
    return "".join(f"{line}\n" for line in (*([heading] if heading else []), *_steps(plan))) + to_type(word)


def to_type(word: str) -> str:
    """The last line of a question."""
    return f"Type {text.one_line(word)} to continue: "


def _steps(plan: Plan) -> Iterator[str]:
    for step in plan.steps[:_LONGEST]:
        yield f"  {text.one_line(_intention(step))}"
    if len(plan.steps) > _LONGEST:
        yield f"  ... and {len(plan.steps) - _LONGEST} more"


def _intention(step: Step) -> str:
    return f"{_VERBS[step.direction]} {step.name}" if step.runs_sql else tables.correction(step)
