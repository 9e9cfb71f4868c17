"""What a plan may do where migrations of several services depend on each other. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.errors import MigrationFileError, Refused, unchanged
from dbmigrate.frozen import frozen
from dbmigrate.model import Direction, Problem, Severity
from dbmigrate.planning import service_order
from dbmigrate.planning.service_order import Turn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from dbmigrate.errors import AnyError, Error
    from dbmigrate.model import Annotation, History, Migration, Step

__all__ = ["Known", "faults", "refuse_needed", "refuse_unmet"]


@frozen
class Known:
    """What is known of another service: its files in their order, None where they are not here; and its history.

    `migrations` are those of its files that depend on something.
    """

    versions: tuple[str, ...] | None
    history: History
    migrations: tuple[Migration, ...] = ()


def refuse_unmet(own: str, steps: Iterable[Step], known: Mapping[str, Known]) -> None:
    """Raise for a migration that depends on one of another service that is not applied.

    MigrationFileError E293: there is no such service or version, or it needs this migration itself; Refused E753: it
    is not applied yet, E764: its backfill is deferred.
    """
    needed = service_order.needs({name: each.migrations for name, each in known.items()})
    for step in steps:
        if step.migration is None or step.direction is not Direction.UP or not step.runs_sql:
            continue
        for annotation, turn in service_order.named(step.migration):
            if turn.service not in known:
                raise _unknown_service(step.migration, annotation, turn, known)
            problem = _unmet(step.name, turn, known[turn.service])
            if problem is not None:
                raise _placed(_circular(Turn(own, step.version), step.name, turn, known, needed) or problem, annotation)


def _unmet(name: str, turn: Turn, there: Known) -> Error | None:
    history = there.history
    if turn.version in history:
        return None
    begun = {item.version: item for item in history.deferred}
    if turn.version in begun:
        return Refused(
            f"{name} depends on {turn}, whose backfill is deferred",
            code="E764",
            hint=f"run it first: `dbmigrate --service {turn.service} backfill {turn.version}`",
        )
    if there.versions is not None and turn.version not in there.versions:
        return _no_version(name, turn, there.versions)
    return Refused(
        f"{name} depends on {turn}, which is not applied",
        code="E753",
        hint=f"apply it first: `dbmigrate --service {turn.service} up`",
    )


def _circular(
    mine: Turn, name: str, turn: Turn, known: Mapping[str, Known], needed: Mapping[Turn, Sequence[Turn]]
) -> Error | None:
    """The error for what depends on `mine` itself, and so can never come before it."""
    versions = {service: each.versions or () for service, each in known.items()}
    there = versions[turn.service]
    up_to = there[: there.index(turn.version) + 1] if turn.version in there else ()
    reach = service_order.closure(turn.service, {**versions, turn.service: up_to}, needed)
    for service, each in reach.items():
        for version in each:
            if mine in needed.get(Turn(service, version), ()):
                by = "it" if Turn(service, version) == turn else f"{Turn(service, version)} before it"
                return _fault(f"{name} depends on {turn}, but {by} depends on {mine}", "take one of them out")
    return None


def refuse_needed(own: str, steps: Iterable[Step], known: Mapping[str, Known]) -> None:
    """Raise Refused E730 if another service has applied what depends on a migration that `steps` roll back."""
    undone = {Turn(own, step.version): step.name for step in steps if step.direction is Direction.DOWN}
    for service, each in known.items():
        begun = {item.version for item in (*each.history.unfinished, *each.history.deferred)}
        for migration in each.migrations:
            if migration.version not in each.history and migration.version not in begun:
                continue
            for annotation, turn in service_order.named(migration):
                if turn in undone:
                    error = Refused(
                        f"{undone[turn]} cannot be rolled back: {migration.name} of service {service} is applied and"
                        " depends on it",
                        code="E730",
                        place=annotation.place,
                        hint=f"roll that back first: `dbmigrate --service {service} rollback`",
                    )
                    raise unchanged(error)


def faults(migrations: Iterable[Migration], known: Mapping[str, Sequence[str] | None]) -> Iterator[Problem]:
    """E293: dependencies on a service or a version that no file has. `known` are the versions of the others' files,
    None where these are not here.
    """
    for migration in migrations:
        for annotation, turn in service_order.named(migration):
            if turn.service not in known:
                error = _unknown_service(migration, annotation, turn, known)
            elif (there := known[turn.service]) is None:
                message = f"{migration.name} depends on {turn}, but the files of service {turn.service} are not here"
                error = _fault(message, "its directory is `dir` of the project file")
            elif turn.version not in there:
                error = _no_version(migration.name, turn, there)
            else:
                continue
            yield Problem("E293", error.message, Severity.ERROR, annotation.place, error.hint)


def _no_version(name: str, turn: Turn, there: Sequence[str]) -> MigrationFileError:
    near = [each for each in there if each.lstrip("0") == turn.version.lstrip("0")]
    look = f"no file of service {turn.service} has this version"
    return _fault(f"{name} depends on {turn}, which does not exist", f"did you mean {near[0]}?" if near else look)


def _unknown_service(
    migration: Migration, annotation: Annotation, turn: Turn, known: Mapping[str, object]
) -> MigrationFileError:
    names = ", ".join(sorted(filter(None, known)))
    hint = f"the other services are {names}" if names else f"add `[service.{turn.service}]` to the project file"
    message = f"{migration.name} depends on {turn}, but there is no service {turn.service}"
    return _placed(_fault(message, hint), annotation)


def _fault(message: str, hint: str) -> MigrationFileError:
    return MigrationFileError(message, code="E293", hint=hint)


def _placed(error: AnyError, annotation: Annotation) -> AnyError:
    error.place = annotation.place
    return unchanged(error)
