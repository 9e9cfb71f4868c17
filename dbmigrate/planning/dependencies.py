"""``-- migrate:depends 001, 003``: a migration is applied after others, and rolled back before them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.errors import Refused, unchanged
from dbmigrate.model import Direction, Problem, Severity
from dbmigrate.planning import replaces

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from dbmigrate.model import Annotation, History, Migration, MigrationFile, Step

__all__ = ["WORD", "faults", "named", "refuse_needed", "versions"]

WORD = "migrate:depends"  # what a file holds that says so


def versions(annotation: Annotation) -> tuple[str, ...]:
    """The versions that a ``depends`` names."""
    return tuple(word.strip() for word in annotation.value.split(","))


def faults(
    pending: Sequence[Migration],
    files: Sequence[MigrationFile],
    history: History,
    replaced: Mapping[str, str] | None = None,
) -> Iterator[Problem]:
    """The dependencies that cannot have been applied before the pending migrations. `files` are in their order.

    A version without a file counts if it is applied. A later one never does, applied or not: the next database that is
    made from the files would stop there. In the place of a `replaced` version is the one of the file that replaces it.
    """
    wanted = [(migration, *each) for migration in pending for each in named(migration)]
    places = {file.version: number for number, file in enumerate(files if wanted else ())}
    for migration, annotation, given in wanted:
        version = (replaced or {}).get(given, given)
        if ":" in version:
            continue  # of another service: `service_dependencies`
        if version not in places and version not in history:
            near = [each for each in places if each.lstrip("0") == version.lstrip("0")]
            hint = f"did you mean {near[0]}?" if near else "no file has this version: see `dbmigrate status`"
            yield _fault(annotation, f"{migration.name} depends on {version}, which does not exist", hint)
        elif version == migration.version:
            yield _fault(annotation, f"{migration.name} depends on itself", "remove it")
        elif places.get(version, -1) > places[migration.version]:
            hint = "give this file a newer version if it is applied nowhere"
            yield _fault(annotation, f"{migration.name} depends on {version}, which comes later", hint)


def _fault(annotation: Annotation, message: str, hint: str) -> Problem:
    return Problem("E293", message, Severity.ERROR, annotation.place, hint)


def refuse_needed(steps: Sequence[Step], others: Iterable[Migration]) -> None:
    """Raise Refused E730 if a migration that stays applied depends on one that `steps` roll back.

    `others` are the applied migrations; those that are rolled back by `steps` too do not count.
    """
    undone = {version: step.name for step in steps if step.direction is Direction.DOWN for version in _of(step)}
    for migration in others:
        if migration.version in undone:
            continue
        for annotation, version in named(migration):
            if version in undone:
                error = Refused(
                    f"{undone[version]} cannot be rolled back alone: {migration.name} is applied and depends on it",
                    code="E730",
                    place=annotation.place,
                    hint=f"roll back {migration.name} too, with --to or --steps, or remove the dependency",
                )
                raise unchanged(error)


def _of(step: Step) -> Iterator[str]:
    """The version of a step, and those that its file replaces."""
    yield step.version
    for annotation in step.migration.annotated("replaces") if step.migration else ():
        yield from replaces.versions(annotation)


def named(migration: Migration) -> Iterator[tuple[Annotation, str]]:
    """Every version that a migration depends on, with the annotation that says so."""
    for annotation in migration.annotated("depends"):
        for version in versions(annotation):
            yield annotation, version
