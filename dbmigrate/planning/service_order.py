"""In which order migrations of several services can run: each service's in its own order, behind what they need.

``-- migrate:depends ai:003`` names the version of another service. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dbmigrate.errors import PlanError
from dbmigrate.planning import dependencies

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from dbmigrate.model import Annotation, Migration

__all__ = ["Turn", "closure", "in_turn", "named", "needs"]


class Turn(NamedTuple):
    """A migration of one of several services."""

    service: str
    version: str

    def __str__(self) -> str:
        return f"{self.service}:{self.version}"


def named(migration: Migration) -> Iterator[tuple[Annotation, Turn]]:
    """What a migration depends on in other services, with the annotation that says so."""
    for annotation, version in dependencies.named(migration):
        service, colon, number = version.partition(":")
        if colon:
            yield annotation, Turn(service, number)


def needs(migrations: Mapping[str, Iterable[Migration]]) -> dict[Turn, tuple[Turn, ...]]:
    """What the migrations of each service need of others."""
    found = {
        Turn(service, migration.version): tuple(turn for _, turn in named(migration))
        for service, each in migrations.items()
        for migration in each
    }
    return {turn: needed for turn, needed in found.items() if needed}


def closure(
    service: str, versions: Mapping[str, Sequence[str]], needed: Mapping[Turn, Sequence[Turn]]
) -> dict[str, Sequence[str]]:
    """Of each service as much as the versions of `service` need, from its first one on. `versions` are in order."""
    reach = {service: len(versions[service])}
    waiting = [(service, version) for version in versions[service]]
    while waiting:
        for turn in needed.get(Turn(*waiting.pop()), ()):
            known = list(versions.get(turn.service, ()))
            if turn.version in known:
                before, end = reach.get(turn.service, 0), known.index(turn.version) + 1
                waiting += [(turn.service, version) for version in known[before:end]]
                reach[turn.service] = max(before, end)
    return {name: tuple(versions[name])[:end] for name, end in reach.items()}


def in_turn(
    versions: Mapping[str, Sequence[str]], needed: Mapping[Turn, Sequence[Turn]], *, last: str
) -> tuple[Turn, ...]:
    """All of `versions` in an order that runs; those of the service `last` as late as can be.

    What is needed and not among them does not count. Raises PlanError E293 where there is no such order.
    """
    waiting = {name: list(reversed(each)) for name, each in versions.items()}
    known = {Turn(name, version) for name, each in versions.items() for version in each}
    done: set[Turn] = set()
    found: list[Turn] = []
    names = [*sorted(name for name in versions if name != last), last]
    while any(waiting.values()):
        turn = next(_ready(names, waiting, needed, known - done), None)
        if turn is None:
            raise _circle(waiting, needed, known - done)
        waiting[turn.service].pop()
        done.add(turn)
        found.append(turn)
    return tuple(found)


def _ready(
    names: Iterable[str],
    waiting: Mapping[str, Sequence[str]],
    needed: Mapping[Turn, Sequence[Turn]],
    missing: Iterable[Turn],
) -> Iterator[Turn]:
    """The first one of each service, if nothing that it needs is missing."""
    open_ = frozenset(missing)
    for name in names:
        if waiting.get(name):
            turn = Turn(name, waiting[name][-1])
            if open_.isdisjoint(needed.get(turn, ())):
                yield turn


def _circle(
    waiting: Mapping[str, Sequence[str]], needed: Mapping[Turn, Sequence[Turn]], missing: Iterable[Turn]
) -> PlanError:
    first = [Turn(name, each[-1]) for name, each in sorted(waiting.items()) if each]
    open_ = frozenset(missing)
    said = [f"{turn} needs {need}" for turn in first for need in needed.get(turn, ()) if need in open_]
    return PlanError(
        f"services depend on each other in a circle: {', '.join(said)}",
        code="E293",
        hint="take one of these dependencies out",
    )
