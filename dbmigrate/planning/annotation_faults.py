"""What stops a plan because of annotations: those that are wrong, and those that cannot be obeyed where they stand."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate.errors import MigrationFileError
from dbmigrate.migrations import conditions
from dbmigrate.model import Direction, Problem, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from dbmigrate.model import Migration, Step

__all__ = ["faults", "refuse", "refuse_unsupported", "unsupported", "without"]

_OF_REPEATABLES = frozenset(("breaking", "depends"))
_IN_FOLDER = "a file with a version is not repeatable: it runs once"
_MOVE = "move it to the folder `repeatable` of the migrations directory, and take its headers out"
_REMOVE = "remove the line, or put it into words that are not an annotation"


def faults(migration: Migration) -> Iterator[Problem]:
    """What is wrong with the annotations of a file that is to be applied."""
    yield from migration.annotation_faults
    for direction in Direction:
        yield from unsupported(migration, direction)


def unsupported(migration: Migration, direction: Direction) -> Iterator[Problem]:
    """What cannot be obeyed, E292 and E296; E275: to ignore a condition would run what must not run."""
    for each in migration.annotations:
        if each.direction is direction and each.key == "repeatable":
            yield Problem("E275", _IN_FOLDER, Severity.ERROR, each.place, _MOVE)
        elif each.direction is direction and migration.file.is_repeatable and each.key not in _OF_REPEATABLES:
            message = f"`migrate:{each.key}` is not supported in a repeatable migration"
            yield Problem("E292", message, Severity.ERROR, each.place, _REMOVE)
    yield from conditions.faults(migration, direction)


def without(migrations: Mapping[str, Migration]) -> Mapping[str, Migration]:
    """The same migrations saying nothing of themselves but what their SQL needs: applied files stop nothing."""
    return {
        version: replace(each, annotations=each.annotated("vars"), annotation_faults=())
        for version, each in migrations.items()
    }


def refuse_unsupported(steps: Iterable[Step]) -> None:
    """Raise MigrationFileError E292 for an annotation of a section that is to run."""
    for step in steps:
        if step.migration is not None and step.runs_sql:
            refuse(unsupported(step.migration, step.direction))


def refuse(found: Iterable[Problem]) -> None:
    """Raise MigrationFileError for the first fault."""
    for fault in found:
        raise MigrationFileError(
            fault.message, code=fault.code, hint=fault.hint, place=fault.place, excerpt=fault.excerpt
        )
