"""What migrations of one service need of others is run before them: ``-- migrate:depends ai:003``."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate.errors import ConfigError, Error, MigrationFileError, PlanError
from dbmigrate.frozen import frozen
from dbmigrate.migrations import find, parser, peek, variables
from dbmigrate.model import Direction, Problem, Severity
from dbmigrate.planning import dependencies, service_dependencies, service_order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.model import Migration, MigrationFile, Order
    from dbmigrate.planning.service_order import Turn
    from dbmigrate.services import Service
    from dbmigrate.variables import Variables

__all__ = ["Ordered", "Project", "ordered"]


@frozen
class Project:
    """The service that is checked (the empty name: the project itself), and the others."""

    own: str = ""
    others: tuple[Service, ...] = ()


@frozen
class Ordered:
    """Migrations with what they need of other services before them. The version of another one's has its name first."""

    migrations: tuple[Migration, ...]
    problems: tuple[Problem, ...] = ()

    @property
    def of_others(self) -> tuple[Migration, ...]:
        return tuple(each for each in self.migrations if ":" in each.version)

    @property
    def is_in_turns(self) -> bool:
        """Whether a migration of another service needs one of these."""
        kinds = [":" in each.version for each in self.migrations]
        return True in kinds[kinds.index(False) :] if False in kinds else False


def ordered(migrations: Sequence[Migration], project: Project, order: Order, values: Variables) -> Ordered:
    """`migrations` in their order. Problems are E293, and what is wrong with a file of another service."""
    if not any(True for migration in migrations for _ in service_order.named(migration)):
        return Ordered(tuple(migrations))
    files = {each.name: _files(each, order) for each in project.others}
    known = {name: None if found is None else tuple(found) for name, found in files.items()}
    faults = tuple(service_dependencies.faults(migrations, known))
    if faults:
        return Ordered(tuple(migrations), faults)
    mine = {migration.version: migration for migration in migrations}
    versions = {name: tuple(found or ()) for name, found in files.items()} | {project.own: tuple(mine)}
    said = {name: peek.mentioning((found or {}).values(), dependencies.WORD) for name, found in files.items()}
    needed = service_order.needs({**said, project.own: migrations})
    try:
        wanted = service_order.closure(project.own, versions, needed)
        turns = service_order.in_turn(wanted, needed, last=project.own)
        return Ordered(tuple(_read(turn, mine, files, values) for turn in turns))
    except (PlanError, MigrationFileError, ConfigError) as exc:
        return Ordered(tuple(migrations), (_problem(exc),))


def _files(service: Service, order: Order) -> dict[str, MigrationFile] | None:
    with suppress(PlanError, ConfigError):
        return {file.version: file for file in find.find(service.directories, order)}
    return None


def _read(
    turn: Turn,
    mine: dict[str, Migration],
    files: dict[str, dict[str, MigrationFile] | None],
    values: Variables,
) -> Migration:
    others = files.get(turn.service)
    if others is None:
        return mine[turn.version]
    migration = parser.read(others[turn.version], (Direction.UP,))
    marked = replace(migration, file=replace(migration.file, version=str(turn)))
    return variables.bound(marked, values.for_checks())


def _problem(error: Error) -> Problem:
    return Problem(error.code, error.message, Severity.ERROR, error.place, error.hint)
