"""Breaking changes: migrations that say that the application of before cannot work with the schema of after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.errors import Refused, unchanged
from dbmigrate.model import Direction, Problem, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dbmigrate.model import Migration, Place, Step

__all__ = ["WORDS", "described", "problems", "refuse"]

WORDS = ("migrate:breaking", "BREAKING CHANGE")  # what a file holds that says so
_NO_TEXT = "no reason given"


def described(migration: Migration) -> str | None:
    """What breaks, in one line; None if nothing is said to."""
    texts = [" ".join(each.value.split()) or _NO_TEXT for each in migration.annotated("breaking")]
    return "; ".join(dict.fromkeys(texts)) or None


def problems(steps: Iterable[Step]) -> tuple[Problem, ...]:
    """A warning for each step that breaks something."""
    return tuple(
        Problem("W700", f"{step.name} is a breaking change: {text}", Severity.WARNING, _place(step))
        for step, text in _found(steps)
    )


def refuse(steps: Sequence[Step]) -> None:
    """Raise Refused E731 if one of the steps, which are to be applied in a protected environment, breaks something."""
    found = list(_found(steps))
    if not found:
        return
    error = Refused(
        "; ".join(f"{step.name} is a breaking change: {text}" for step, text in found),
        code="E731",
        place=_place(found[0][0]),
        hint="deploy the application that no longer needs what goes, then run the command again with --allow-breaking",
    )
    raise unchanged(error)


def _found(steps: Iterable[Step]) -> list[tuple[Step, str]]:
    ups = [step for step in steps if step.direction is Direction.UP and step.runs_sql and step.migration]
    return [(step, text) for step in ups if step.migration and (text := described(step.migration))]


def _place(step: Step) -> Place | None:
    return next((each.place for each in step.migration.annotated("breaking")), None) if step.migration else None
