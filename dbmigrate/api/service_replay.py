"""What the services of a database have applied, to be run again on a scratch database in an order that works.

Whose an object is, is known by that: it belongs to the service whose migrations make it there.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from dbmigrate.api import other_services
from dbmigrate.connection import database
from dbmigrate.errors import PlanError
from dbmigrate.frozen import frozen
from dbmigrate.migrations import parser, peek, variables
from dbmigrate.model import Direction
from dbmigrate.planning import dependencies, service_order
from dbmigrate.scratch import outside_effects
from dbmigrate.tracking import read_history, services
from dbmigrate.variables import Variables

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from dbmigrate.api.options import Options
    from dbmigrate.execution.session import Session
    from dbmigrate.model import Migration, MigrationFile
    from dbmigrate.planning.service_order import Turn

__all__ = ["Replay", "of_all", "of_needed"]


@frozen
class Replay:
    """The applied migrations of several services in an order that runs; `own` is the service that it is about.

    Those of the others come first where that is possible.
    """

    own: str
    steps: tuple[tuple[Turn, Migration], ...]

    @property
    def effects(self) -> outside_effects.Effects:
        return outside_effects.of_all([migration for _, migration in self.steps])

    def groups(self) -> Iterator[tuple[bool, list[Migration]]]:
        """Migrations of `own` and of others in turn, with whether they are its own."""
        for is_own, steps in groupby(self.steps, lambda step: step[0].service == self.own):
            yield is_own, [migration for _, migration in steps]


def of_needed(session: Session, options: Options) -> Replay:
    """What this service has applied, and what of the others it depends on. Raises PlanError E261, E293."""
    return _replay(session, options, is_whole=False)


def of_all(session: Session, options: Options) -> Replay:
    """What all services have applied in this database. Raises PlanError E261, E293."""
    return _replay(session, options, is_whole=True)


def _replay(session: Session, options: Options, *, is_whole: bool) -> Replay:
    own = options.service.name if options.service else ""
    known = {each.name: each.directories for each in options.others} | {own: options.directories}
    present = {name: other_services.files_in(each, options.order) or () for name, each in known.items()}
    concerned = known.keys() if is_whole else _reach(own, present)
    applied = _applied(session, options, own, concerned)
    files = {name: {file.version: file for file in present[name]} for name in applied}
    versions = {name: [version for version in each if version in applied[name]] for name, each in files.items()}
    said = {
        name: peek.mentioning((file for file in each.values() if file.version in applied[name]), dependencies.WORD)
        for name, each in files.items()
    }
    needed = service_order.needs(said)
    wanted = versions if is_whole else service_order.closure(own, versions, needed)
    for name, each in applied.items():
        _refuse_missing(name, sorted(set(each) - set(files[name])))
    turns = service_order.in_turn(wanted, needed, last=own)
    values = options.variables() if callable(options.variables) else options.variables or Variables()
    steps = []
    for turn in turns:
        migration = parser.read(files[turn.service][turn.version], (Direction.UP,))
        steps.append((turn, variables.bound(migration, values.for_scratch())))
    return Replay(own, tuple(steps))


def _reach(own: str, files: Mapping[str, Sequence[MigrationFile]]) -> Collection[str]:
    """The services that this one depends on, directly or through others, whatever is applied."""
    said = {name: list(peek.mentioning(each, dependencies.WORD)) for name, each in files.items()}
    found, waiting = {own}, [own]
    while waiting:
        needed = service_order.needs({own: said.get(waiting.pop(), ())})
        more = {turn.service for turns in needed.values() for turn in turns} - found
        found |= more
        waiting += more
    return found


def _applied(session: Session, options: Options, own: str, concerned: Collection[str]) -> dict[str, list[str]]:
    """The applied versions by the names of the services that are concerned."""
    there = [each for each in other_services.present(session, options) if each.name in concerned]
    with database.translated(session.dsn):
        mine = read_history.versions(session.conn, session.tables)
        read = services.histories(session.conn, there, other_services.place_of(session))
    others = {name: [item.version for item in history.applied] for name, (_, history) in read.items()}
    return {**others, own: mine}


def _refuse_missing(name: str, missing: Sequence[str]) -> None:
    if missing:
        of = f" of service {name}" if name else ""
        raise PlanError(
            f"the files of applied migrations{of} are gone: {', '.join(missing)}",
            code="E261",
            hint="restore them: whose an object is, is known by the migrations that make it",
        )
