"""Several services in one database: what a run of one has to know of the others, and the locks it shares with them."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from dbmigrate.connection import database
from dbmigrate.errors import ConfigError, PlanError
from dbmigrate.execution import run_lock
from dbmigrate.migrations import find, peek
from dbmigrate.model import Direction, History
from dbmigrate.planning import dependencies, service_dependencies, service_order
from dbmigrate.planning.service_dependencies import Known
from dbmigrate.services import choice
from dbmigrate.tracking import services
from dbmigrate.tracking.services import Place

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from dbmigrate.api.options import Options
    from dbmigrate.execution.session import Session
    from dbmigrate.model import Migration, MigrationFile, Order, Step
    from dbmigrate.services import Service

__all__ = ["files_in", "place_of", "present", "refuse_directories", "refuse_unmet", "share_locks"]


def refuse_directories(options: Options) -> None:
    """Raise where the service may have been forgotten.

    ConfigError E269: the directory of one service with the table of another, where all of it would run again. PlanError
    E235: there is no directory, but there are services.
    """
    if options.service is None and not any(map(os.path.exists, options.directories)):
        hint = choice(each.name for each in options.others if each.name)
        raise PlanError(f"could not find migrations directory `{options.directories[0]}`", code="E235", hint=hint)
    mine = {os.path.normpath(each) for each in options.directories}
    for other in options.others:
        shared = mine & {os.path.normpath(each) for each in other.directories}
        if shared and other.name:
            raise ConfigError(
                f"{min(shared)} has the migrations of service {other.name}",
                code="E269",
                hint=f"name the service: --service {other.name}",
            )


def place_of(session: Session) -> Place:
    """How this session finds the tables of the others."""
    return Place(session.facts, session.dsn.search_path)


def present(session: Session, options: Options) -> tuple[Service, ...]:
    """The other services that have begun their history in this database."""
    with database.translated(session.dsn):
        return services.present(session.conn, options.others, place_of(session))


def files_in(directories: Sequence[str], order: Order) -> tuple[MigrationFile, ...] | None:
    """The migration files of another service; None where they are not on this machine."""
    with suppress(PlanError, ConfigError):
        return tuple(find.find(directories, order))
    return None


def share_locks(session: Session, options: Options, pending: Iterable[Migration]) -> None:
    """From now on the lock of this run comes with those of the services that `pending` depend on, shared.

    Their own runs wait for this one, and this one for theirs: what it depends on is not rolled back meanwhile. Two runs
    that need the same service do not wait for each other. Raises Refused E703 through a transaction pooler.
    """
    needed = _services_named(pending)
    known = [each for each in options.others if each.name in needed]
    if known:
        database.refuse_shared_session(
            session.facts, "a migration that depends on another service needs the lock of that one"
        )
    places = sorted(".".join(place_of(session).of(each)) for each in known)
    session.shared = tuple(run_lock.key_for(name) for name in places)


def refuse_unmet(session: Session | None, options: Options, steps: Sequence[Step]) -> None:
    """Raise if other services do not allow these steps; see `planning.service_dependencies`.

    Without a session the database does not exist yet: nothing is applied.
    """
    own = options.service.name if options.service else ""
    files = {each.name: files_in(each.directories, options.order) for each in options.others}
    said = {name: tuple(peek.mentioning(found or (), dependencies.WORD)) for name, found in files.items()}
    wanted = _services_named(step.migration for step in steps if step.migration)
    is_down = any(step.direction is Direction.DOWN for step in steps)
    if is_down:
        wanted |= {name for name, each in said.items() if own in _services_named(each)}
    recorded = _histories(session, options, wanted)
    known = {
        name: Known(None if found is None else tuple(file.version for file in found), recorded[name], said[name])
        for name, found in files.items()
    }
    service_dependencies.refuse_unmet(own, steps, known)
    if is_down:
        service_dependencies.refuse_needed(own, steps, known)


def _services_named(migrations: Iterable[Migration]) -> set[str]:
    return {turn.service for migration in migrations for _, turn in service_order.named(migration)}


def _histories(session: Session | None, options: Options, wanted: Collection[str]) -> dict[str, History]:
    """The history of each service, empty for those that are not asked: this role may not read their tables."""
    found = {each.name: History() for each in options.others}
    if session is not None:
        there = [each for each in present(session, options) if each.name in wanted]
        with database.translated(session.dsn):
            read = services.histories(session.conn, there, place_of(session))
        found |= {name: history for name, (_, history) in read.items()}
    return found
