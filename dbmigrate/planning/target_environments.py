"""``-- migrate:env dev, staging``: a migration is applied only in these environments."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate.environment_name import canonical
from dbmigrate.errors import PlanError, Refused, unchanged
from dbmigrate.model import Action, Direction, Problem, Severity
from dbmigrate.planning import dependencies
from dbmigrate.reports import MigrationState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from dbmigrate.model import Migration, Step
    from dbmigrate.reports import Status, StatusRow

__all__ = [
    "WORD",
    "elsewhere",
    "faults",
    "is_elsewhere",
    "marked",
    "names",
    "only_for",
    "refuse_narrow",
    "refuse_redo",
    "refuse_unnamed",
]

WORD = "migrate:env"  # what a file holds that says so

_LISTED = 3
_NAME = "name it with -e NAME or DBMIGRATE_ENV; `env-default` in the project file names one for runs without"


def names(migration: Migration) -> tuple[str, ...]:
    """The environments that a migration is for, as they are written; none: it is for all."""
    return tuple(name.strip() for each in migration.annotated("env") for name in each.value.split(","))


def only_for(migration: Migration) -> str:
    """``only for dev, staging``"""
    return f"only for {', '.join(names(migration))}"


def is_elsewhere(migration: Migration, environment: str | None) -> bool:
    """Whether a migration is only for other environments than this one.

    Where no environment is named that is not known. What a faulty file says is not known either.
    """
    if environment is None or migration.annotation_faults:
        return False
    named = names(migration)
    return bool(named) and canonical(environment) not in map(canonical, named)


def elsewhere(pending: Iterable[Migration], environment: str | None) -> frozenset[str]:
    """The versions of those that are only for other environments. Raises as `refuse_unnamed`."""
    found = tuple(pending)
    refuse_unnamed(found, environment)
    return frozenset(migration.version for migration in found if is_elsewhere(migration, environment))


def refuse_unnamed(migrations: Iterable[Migration], environment: str | None) -> None:
    """Raise PlanError E208 if one of them is only for some environments, and it is not known which one this is."""
    if environment is not None:
        return
    for migration in migrations:
        for annotation in migration.annotated("env"):
            message = f"{migration.name} is {only_for(migration)}, and no environment is named"
            raise unchanged(PlanError(message, code="E208", place=annotation.place, hint=_NAME))


def refuse_redo(steps: Sequence[Step], environment: str | None) -> None:
    """Raise Refused E732 if `steps` apply again what is not for this environment; PlanError E208."""
    again = [step.migration for step in steps if step.direction is Direction.UP and step.action is Action.RUN]
    refuse_unnamed(filter(None, again), environment)
    for migration in filter(None, again):
        if is_elsewhere(migration, environment):
            raise unchanged(
                Refused(
                    f"{migration.name} cannot be applied again: it is {only_for(migration)}, not for {environment}",
                    code="E732",
                    place=migration.annotated("env")[0].place,
                    hint="`dbmigrate rollback` undoes it",
                )
            )


def refuse_narrow(applied: Iterable[Migration]) -> None:
    """Raise Refused E733 if one of the applied migrations is only for some environments."""
    found = [f"{migration.name} ({only_for(migration)})" for migration in applied if names(migration)]
    if found:
        listed = ", ".join(found[:_LISTED]) + (f" and {len(found) - _LISTED} more" if len(found) > _LISTED else "")
        raise unchanged(
            Refused(
                f"the schema file is for all environments, and what is applied here is not: {listed}",
                code="E733",
                hint="write it from a database without them, or name a file for this one with --schema-file PATH",
            )
        )


def faults(pending: Iterable[Migration], known: Mapping[str, Migration]) -> Iterator[Problem]:
    """E294: dependencies on a migration that is not applied wherever the dependent one is. `known` may hold others."""
    for migration in pending:
        for annotation, version in dependencies.named(migration):
            other = known.get(version)
            if other is not None and not _covers(names(other), names(migration)):
                mine = only_for(migration) if names(migration) else "for all environments"
                message = f"{migration.name} is {mine}, but depends on {other.name}, which is {only_for(other)}"
                hint = f"narrow it by `-- migrate:env {', '.join(names(other))}`, or remove the dependency"
                yield Problem("E294", message, Severity.ERROR, annotation.place, hint)


def _covers(wide: Sequence[str], narrow: Sequence[str]) -> bool:
    """Whether everything that is for the environments `narrow` may rely on what is for `wide`; none are all."""
    return not wide or (bool(narrow) and {*map(canonical, narrow)} <= {*map(canonical, wide)})


def marked(status: Status, pending: Iterable[Migration], environment: str | None) -> Status:
    """`status` with what the pending migrations say about environments, and warnings where it is not known which."""
    said = {migration.version: migration for migration in pending if names(migration)}
    rows = tuple(_row(row, said[row.version], environment) if row.version in said else row for row in status.rows)
    unnamed = (_unnamed(migration) for migration in said.values() if environment is None)
    return replace(status, rows=rows, problems=(*status.problems, *unnamed))


def _row(row: StatusRow, migration: Migration, environment: str | None) -> StatusRow:
    is_away = row.state is MigrationState.PENDING and is_elsewhere(migration, environment)
    return replace(row, env=names(migration), state=MigrationState.ELSEWHERE if is_away else row.state)


def _unnamed(migration: Migration) -> Problem:
    message = f"{migration.name} is {only_for(migration)}, and no environment is named: `up` stops there"
    return Problem("W310", message, Severity.WARNING, migration.annotated("env")[0].place, _NAME)
