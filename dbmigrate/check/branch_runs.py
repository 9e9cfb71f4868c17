"""Migrations of two branches in one order after the other, each in a scratch database of its own."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from dbmigrate import catalog
from dbmigrate.catalog import Kind, Scope
from dbmigrate.check import row_digests, scratch_session
from dbmigrate.check.row_digests import RowDigests
from dbmigrate.connection import database
from dbmigrate.errors import DatabaseError
from dbmigrate.execution import conditions
from dbmigrate.frozen import frozen
from dbmigrate.scratch import choose, outside_effects, with_rows

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from dbmigrate.catalog import Difference
    from dbmigrate.check.scratch_session import ScratchSession
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.model import Migration, Problem
    from dbmigrate.scratch.choose import Choice, ScratchServer

Arrangement = tuple["Migration", ...]
# both databases are of one role: another owner was given by a migration
SCOPE = Scope.COMMENTS | Scope.GRANTS | Scope.OWNERS


@frozen
class Failure:
    """The migration that failed in an order, and why."""

    migration: Migration
    error: DatabaseError


@frozen
class Outcome:
    """What an order left: a catalog and rows, or a failure."""

    failure: Failure | None = None
    catalog: catalog.Catalog | None = None
    rows: RowDigests = RowDigests({})

    def differences(self, other: Outcome) -> tuple[Difference, ...]:
        """How the other one's catalog differs from this one; none if one of them failed."""
        if self.catalog is None or other.catalog is None:
            return ()
        return catalog.compare(self.catalog, other.catalog, scope=SCOPE)

    def is_like(self, other: Outcome) -> bool:
        """Whether they are the same, the order of columns apart; two failures are if one migration failed."""
        if self.failure is not None or other.failure is not None:
            failed = [each.failure and each.failure.migration.version for each in (self, other)]
            return failed[0] == failed[1]
        real = [each for each in self.differences(other) if each.kind is not Kind.COLUMN_ORDER]
        return not real and not self.rows.differing(other.rows)


@frozen
class GivenRows:
    """Where rows come from: `seeds` run after the last of the `base` versions; `dump` is restored at the beginning."""

    seeds: tuple[Migration, ...] = ()
    base: frozenset[str] = frozenset()
    dump: str | None = None

    @property
    def are_given(self) -> bool:
        return bool(self.seeds) or self.dump is not None

    def with_seeds(self, order: Arrangement) -> Iterator[Migration]:
        """The order, with the seeds after the last migration that both branches have."""
        last = max((number for number, each in enumerate(order, 1) if each.version in self.base), default=0)
        return iter((*order[:last], *self.seeds, *order[last:]))


class Runs:
    """Runs orders. What may change the whole server, such as a role, gets a server of its own for each run."""

    def __init__(self, choice: Choice, table: str, rows: GivenRows, repeatables: Sequence[Migration]) -> None:
        self.choice = choice
        self.rows = rows
        self.count = 0
        self.server = "?"
        self.where = ""
        self.notes: tuple[str, ...] = ()
        self._table = table
        self._repeatables = tuple(repeatables)
        self._shared: ScratchServer | None = None
        self._volatile: Collection[tuple[str, str]] = row_digests.NOTHING

    @property
    def is_alone(self) -> bool:
        """Whether each run needs a server of its own."""
        return bool(self.choice.effects & outside_effects.BEYOND_DATABASE)

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Keep one server open for all runs, where they can share it."""
        if self.is_alone:
            yield
            return
        with choose.open_server(self.choice) as self._shared:
            try:
                yield
            finally:
                self._shared = None

    def run(self, order: Arrangement) -> Outcome:
        """Apply the migrations in this order to a new database. Raises Refused E722, and what loading a dump raises."""
        self.count += 1
        with self._server() as server:
            self.notes = (server.note,) if server.note else ()
            self.where = server.where
            fill = partial(self._fill, server)
            with scratch_session.prepared(server, self._table, conditions.Note(), fill=fill) as scratch:
                self.server = scratch.session.conn.info.parameter_status("server_version") or "?"
                return self._applied(scratch, order)

    def settle(self, order: Arrangement, first: Outcome) -> Outcome:
        """`first` is the outcome of `order`: the same without what no second run has again, such as the time of day."""
        if first.failure is not None or not first.rows.digests:
            return first
        again = self.run(order)
        self._volatile = frozenset(first.rows.differing(again.rows))
        return self.run(order) if self._volatile else first

    @contextmanager
    def _server(self) -> Iterator[ScratchServer]:
        if self._shared is not None:
            yield self._shared
            return
        with choose.open_server(self.choice) as server:
            yield server

    def _fill(self, server: ScratchServer, dsn: Dsn) -> tuple[Problem, ...]:
        if self.rows.dump is None:
            return ()
        return with_rows.load(self.rows.dump, server, dsn, self.choice.search)

    def _applied(self, scratch: ScratchSession, order: Arrangement) -> Outcome:
        applied = {item.version for item in scratch.session.read_history().applied}
        for migration in (*self.rows.with_seeds(order), *self._repeatables):
            if migration.version and migration.version in applied:
                continue
            try:
                scratch.run(migration)
            except DatabaseError as exc:
                return Outcome(Failure(migration, exc))
        own = scratch_session.own_tables(scratch.session)
        with database.translated(scratch.dsn):
            held = row_digests.read(scratch.rehearsal, own, without=self._volatile)
        return Outcome(catalog=scratch.read_catalog(), rows=held)


@frozen
class Tried:
    """An order, and what it left."""

    order: Arrangement
    outcome: Outcome


def turning_point(runs: Runs, one: Tried, other: Tried) -> tuple[Migration, Migration, Outcome]:
    """The two migrations whose order is why `other` has another outcome than `one`; the outcome in its order.

    From one order to the other the migrations are exchanged two by two; the step at which the outcome changes is found
    by halving.
    """
    swaps = _swaps(one.order, other.order)
    low, high, found = 0, len(swaps), other.outcome
    while high - low > 1:
        middle = (low + high) // 2
        outcome = runs.run(_after(one.order, swaps[:middle]))
        if outcome.is_like(one.outcome):
            low = middle
        else:
            high, found = middle, outcome
    before = _after(one.order, swaps[:low])
    place = swaps[low]
    return before[place], before[place + 1], found


def _swaps(one: Arrangement, other: Arrangement) -> list[int]:
    """The places at which neighbours are exchanged, one after the other, to make `other` of `one`."""
    current, swaps = list(one), []
    for goal, migration in enumerate(other):
        for place in range(current.index(migration) - 1, goal - 1, -1):
            current[place], current[place + 1] = current[place + 1], current[place]
            swaps.append(place)
    return swaps


def _after(order: Arrangement, swaps: Sequence[int]) -> Arrangement:
    current = list(order)
    for place in swaps:
        current[place], current[place + 1] = current[place + 1], current[place]
    return tuple(current)
