"""Whose an object is, where several services share a database: that of the service whose migrations make it.

What nobody's migrations make belongs to the object that it is a part of, otherwise to nobody: then every service hears
of it.
"""

from __future__ import annotations

from dataclasses import field
from functools import partial
from typing import TYPE_CHECKING

from dbmigrate.api import other_services, service_replay
from dbmigrate.catalog import Kind
from dbmigrate.catalog.values import Key
from dbmigrate.errors import PlanError
from dbmigrate.frozen import frozen
from dbmigrate.planning import target_environments
from dbmigrate.scratch import outside_effects, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from dbmigrate.api.options import Options
    from dbmigrate.api.service_replay import Replay
    from dbmigrate.catalog import Catalog, Difference
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.execution.session import Session
    from dbmigrate.scratch.server import ScratchServer

__all__ = ["Owners", "Services", "of_others"]


@frozen
class Owners:
    """What a service and the others have made, as it was seen on scratch databases."""

    own: set[Key] = field(default_factory=set)
    others: set[Key] = field(default_factory=set)

    def without_others(self, found: Iterable[Difference], catalogs: Sequence[Catalog]) -> tuple[Difference, ...]:
        """The differences of what is the service's, and of what is nobody's."""
        return tuple(each for each in found if not self._is_of_others(_key(each), catalogs))

    def with_own(self, before: Catalog, after: Catalog) -> Owners:
        """With what the service has made between these two."""
        self.own.update(_keys(after) - _keys(before))
        return self

    def joined(self, other: Owners | None) -> Owners:
        """What both know."""
        return self if other is None else Owners(self.own | other.own, self.others | other.others)

    def _is_of_others(self, key: Key | None, catalogs: Sequence[Catalog]) -> bool:
        while key is not None:
            if key in self.own or key in self.others:
                return key not in self.own
            items = (catalog.find(key) for catalog in catalogs)
            key = next((item.parent for item in items if item is not None), None)
        return False


def _key(difference: Difference) -> Key:
    if difference.kind is not Kind.COLUMN_ORDER:
        return Key(difference.kind, difference.name)
    kind, _, name = difference.name.partition(" ")
    return Key(Kind(kind), name)


def _keys(catalog: Catalog) -> set[Key]:
    return {Key(kind, name) for kind, items in catalog.items.items() for name in items}


@frozen
class Services:
    """The services of a database for a comparison: everything that they have applied, in an order that runs.

    `before` are those migrations of others that the service needs.
    """

    whole: Replay
    before: Replay

    @property
    def effects(self) -> outside_effects.Effects:
        return self.whole.effects

    def run(self, server: ScratchServer, copy: Dsn, look: Callable[[], Catalog]) -> Owners:
        """Run all of it on the scratch database `copy`, but for what the service has only for some environments."""
        owners, seen = Owners(), _keys(look())
        for is_own, migrations in self.whole.groups():
            chosen = [each for each in migrations if not (is_own and target_environments.names(each))]
            running.run_all(server, copy, chosen)
            now = _keys(look())
            (owners.own if is_own else owners.others).update(now - seen)
            seen = now
        return owners

    def run_around(
        self, server: ScratchServer, copy: Dsn, look: Callable[[], Catalog], make: Callable[[], None]
    ) -> Owners:
        """The same with `make` in the place of what the service has applied. PlanError E260: it is in several parts."""
        groups = list(self.before.groups())
        first = [migration for is_own, each in groups if not is_own for migration in each]
        if sum(is_own for is_own, _ in groups) > 1:
            raise PlanError(
                "the schema file cannot be loaded in one piece: services depend on each other in turns",
                code="E260",
                hint="compare with the migrations: --against migrations",
            )
        known = {turn for turn, _ in self.before.steps}
        rest = [each for turn, each in self.whole.steps if turn.service != self.whole.own and turn not in known]
        owners, seen = Owners(), _keys(look())
        parts: tuple[tuple[set[Key], Callable[[], None]], ...] = (
            (owners.others, partial(running.run_all, server, copy, first)),
            (owners.own, make),
            (owners.others, partial(running.run_all, server, copy, rest)),
        )
        for into, work in parts:
            work()
            now = _keys(look())
            into.update(now - seen)
            seen = now
        return owners


def of_others(session: Session, options: Options) -> Services | None:
    """The services of this database; None where there is only the one. Raises PlanError E261, E293."""
    if not options.others or not other_services.present(session, options):
        return None
    return Services(service_replay.of_all(session, options), service_replay.of_needed(session, options))
