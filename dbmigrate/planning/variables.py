"""``-- migrate:vars NAME``: whether the variables of what is to run have values, and those that it was applied with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.errors import MigrationFileError, Refused, unchanged
from dbmigrate.model import Direction, Problem, Severity
from dbmigrate.variables import environment_name

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from dbmigrate.model import Migration, Place, Step
    from dbmigrate.variables import Bound, Use

__all__ = ["missing", "problems", "refuse_other", "refuse_unusable", "to_compare", "unused"]

_LONGEST_NAME = 63  # bytes; NAMEDATALEN - 1: the server would cut a longer name, and mean another object


def refuse_unusable(steps: Iterable[Step]) -> None:
    """Raise MigrationFileError E298 or E299 for a variable of what is to run that has no value, or a wrong one."""
    for step, bound in _bound(steps):
        assert step.migration is not None
        for use in sorted(bound.uses[step.direction]):
            place = _place(step.migration, use.name)
            if use.name not in bound.values:
                message = f"the variable {use.name} of {step.name} has no value"
                raise unchanged(MigrationFileError(message, code="E298", place=place, hint=_how(use.name)))
            given = bound.values[use.name]
            if fault := _fault(given.text, use):
                message = f"the value of the variable {use.name} of {step.name} {fault}"
                hint = f"it is from {given.origin}" if given.origin else None
                raise unchanged(MigrationFileError(message, code="E299", place=place, hint=hint))


def missing(migration: Migration, direction: Direction) -> tuple[str, ...]:
    """The variables of one direction that have no value."""
    bound = migration.bound
    return () if bound is None else tuple(sorted(bound.used(direction) - bound.values.keys()))


def problems(steps: Iterable[Step]) -> tuple[Problem, ...]:
    """A warning for each variable that is declared and not used."""
    found: list[Problem] = []
    for step, bound in _bound(steps):
        assert step.migration is not None
        if step.direction is Direction.UP:
            found += unused(step.migration, bound)
    return tuple(found)


def unused(migration: Migration, bound: Bound) -> Iterator[Problem]:
    """W330: what a file declares and does not use."""
    used = bound.used(Direction.UP) | bound.used(Direction.DOWN)
    for name in bound.names:
        if name not in used:
            message = f"{migration.name} declares the variable {name} and does not use it"
            hint = f"write :'{name}' for a literal, or :\"{name}\" for a name; in strings and bodies it is text"
            yield Problem("W330", message, Severity.WARNING, _place(migration, name), hint)


def to_compare(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps that need the values with which their migrations were applied: those of versions that are undone."""
    undone = {step.version for step in steps if step.direction is Direction.DOWN}
    return tuple(step for step, bound in _bound(steps) if step.version in undone and bound.uses[step.direction])


def refuse_other(step: Step, recorded: Collection[str], is_same: Callable[[str, str], bool]) -> None:
    """Raise Refused E740 if a variable has another value than the one of which the log has a hash.

    `recorded` are the variables with a hash; `is_same` compares a value with that of a name.
    """
    migration = step.migration
    if migration is None or migration.bound is None:
        return
    bound = migration.bound
    for name in sorted(bound.used(step.direction)):
        if name in recorded and name in bound.values and not is_same(name, bound.values[name].text):
            error = Refused(
                f"the variable {name} of {step.name} had another value when it was applied",
                code="E740",
                place=_place(migration, name),
                hint=f"give {environment_name(name)} the value that it had then, to undo what was made with it",
            )
            raise unchanged(error)


def _bound(steps: Iterable[Step]) -> Iterator[tuple[Step, Bound]]:
    for step in steps:
        if step.runs_sql and step.migration is not None and step.migration.bound is not None:
            yield step, step.migration.bound


def _place(migration: Migration, name: str) -> Place | None:
    return next((each.place for each in migration.annotated("vars")), None)


def _how(name: str) -> str:
    return (
        f"set {environment_name(name)} in the environment or in an env file,"
        f' or {name} = "..." below [vars] in the project file'
    )


def _fault(text: str, use: Use) -> str | None:
    """Why PostgreSQL cannot have this text as a literal, or as a name."""
    if "\0" in text:
        return "contains a NUL character, which PostgreSQL does not have"
    try:
        length = len(text.encode())
    except UnicodeEncodeError:
        return "is not valid UTF-8"
    if use.is_identifier and not text:
        return "is empty: a name has a letter at least"
    if use.is_identifier and length > _LONGEST_NAME:
        return f"has {length} bytes: a name has at most {_LONGEST_NAME}"
    return None
