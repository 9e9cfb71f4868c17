"""Apply all migrations to a scratch database, one by one; each selected one is tried down and up again."""

from __future__ import annotations

import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate.check import roundtrip, scratch_session
from dbmigrate.check.roundtrip import Need, Snapshot, Snapshots
from dbmigrate.check.values import MigrationResult, failed, found
from dbmigrate.errors import DatabaseError, Refused
from dbmigrate.execution import conditions
from dbmigrate.model import Direction, Place, Severity
from dbmigrate.scratch import choose, outside_effects
from dbmigrate.variables import MADE_UP

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from types import TracebackType

    from dbmigrate.catalog import Catalog
    from dbmigrate.check.roundtrip import RoundTrip
    from dbmigrate.check.scratch_session import ScratchSession
    from dbmigrate.model import Migration, Problem
    from dbmigrate.scratch.choose import ScratchServer


class Applier:
    """Applies migrations to a scratch database. Use as a context manager: leaving it drops the database.

    `scratch` is the database after the last migration.
    """

    def __init__(self, server: ScratchServer, table: str) -> None:
        self._server = server
        self._table = table
        self._stack = ExitStack()
        self._note = conditions.Note()
        self.scratch = self._stack.enter_context(scratch_session.prepared(server, table, self._note))
        self._needs: list[Need] = []

    @property
    def notes(self) -> tuple[Problem, ...]:
        """The conditions that are not true on a database without rows."""
        return self._note.problems

    def __enter__(self) -> Applier:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def apply(
        self,
        migrations: Sequence[Migration],
        *,
        selected: Collection[str],
        each: Callable[[ScratchSession, Migration], None] | None = None,
    ) -> Iterator[MigrationResult]:
        """Apply all of them, and try those whose versions are in `selected` down and up again.

        `each` is called after each migration. Ends at the first one that fails (C101 in its result) or is stuck.
        """
        self._needs = _needs(migrations, selected)
        before = self._snapshot(Snapshot(), self._needs[0])
        for number, migration in enumerate(migrations):
            result = self._applied(migration)
            if result.problems:
                yield result
                return
            # a fingerprint is enough for the next one; it is taken when this one has been tried
            is_read = Need.CATALOG in self._needs[number : number + 2]
            after = self._snapshot(Snapshot(), Need.CATALOG if is_read else Need.NOTHING)
            if migration.version in selected:
                result, after = self._try(result, migrations[: number + 1], Snapshots(before, after))
            if each is not None and not result.is_stuck:
                each(self.scratch, migration)
            yield result
            if result.is_stuck:
                return
            before = self._snapshot(after, self._needs[number + 1])

    def _snapshot(self, known: Snapshot, need: Need) -> Snapshot:
        """The snapshot of the schema now that `need` asks for; `known` if that is enough."""
        if need is Need.CATALOG and known.catalog is None:
            return Snapshot(catalog=self.scratch.read_catalog())
        if need is Need.FINGERPRINT:
            return Snapshot(known.fingerprint or self.scratch.fingerprint())
        return known

    def _try(
        self, result: MigrationResult, migrations: Sequence[Migration], snapshots: Snapshots
    ) -> tuple[MigrationResult, Snapshot]:
        """Try the last of `migrations` down and up again; afterwards `scratch` is as its up section left it.

        Returns what is known of the schema afterwards, too.
        """
        earlier = self.scratch
        round_trip = self._round_trip(migrations, snapshots)
        result = replace(result, problems=round_trip.problems)
        if round_trip.is_dirty:
            try:
                self._start_over(migrations)
            except (DatabaseError, Refused) as exc:
                stuck = roundtrip.stuck(migrations[-1], exc)
                return replace(result, problems=(*round_trip.problems, stuck), is_stuck=True), Snapshot()
        if self.scratch is not earlier:
            return result, Snapshot()  # it is another database: its name and time may differ in the catalog
        return result, replace(snapshots.after, fingerprint=round_trip.fingerprint)

    def _round_trip(self, migrations: Sequence[Migration], snapshots: Snapshots) -> RoundTrip:
        """Try the last of `migrations`; if fingerprints are not enough, again with catalogs, in a new database.

        That applies all of them once more. The same number of later ones is then compared by catalogs at once, so that
        altogether no more is run than all migrations twice.
        """
        with suppress(roundtrip.NotReadError):
            return roundtrip.run(self.scratch, migrations[-1], snapshots)
        for number in range(len(migrations), min(2 * len(migrations), len(self._needs))):
            if self._needs[number] is Need.FINGERPRINT:
                self._needs[number] = Need.CATALOG
        try:
            before = self._start_over(migrations)
        except (DatabaseError, Refused) as exc:
            return roundtrip.uncompared(migrations[-1], exc)
        return roundtrip.run(
            self.scratch,
            migrations[-1],
            Snapshots(Snapshot(catalog=before), Snapshot(catalog=self.scratch.read_catalog())),
        )

    def _applied(self, migration: Migration) -> MigrationResult:
        began, undone = time.monotonic(), self.scratch.committed.undone_seconds
        result = self._run(migration)
        lost = self.scratch.committed.undone_seconds - undone
        return replace(result, seconds=time.monotonic() - began - lost)

    def _run(self, migration: Migration) -> MigrationResult:
        try:
            return MigrationResult(migration, 0.0, self.scratch.run(migration))
        except Refused as exc:
            unknown = found("C114", exc.message, exc.place, severity=Severity.WARNING, hint=exc.hint)
            return MigrationResult(migration, 0.0, problems=(unknown,))
        except DatabaseError as exc:
            place = Place(migration.file.path, migration.run_order(Direction.UP)[0].line)
            hint = choose.hint_for(exc, self._server) or _about_values(migration)
            what = f"{migration.name} fails on an empty database"
            return MigrationResult(migration, 0.0, problems=(failed("C101", what, exc, place=place, hint=hint),))

    def _start_over(self, migrations: Sequence[Migration]) -> Catalog:
        """Apply the up sections to a new database, which replaces `scratch`; returns the catalog before the last one.

        Both databases exist meanwhile. Raises DatabaseError if a migration fails the second time; `scratch` is then
        unchanged.
        """
        *earlier, last = migrations
        self.scratch.beside.close()  # a role may not have many connections
        with ExitStack() as stack:
            new = stack.enter_context(scratch_session.prepared(self._server, self._table, self._note))
            for migration in earlier:
                new.run(migration)
            before = new.read_catalog()
            new.run(last)
            self._stack.close()
            self._stack, self.scratch = stack.pop_all(), new
        return before


def _about_values(migration: Migration) -> str | None:
    values = migration.bound.values if migration.bound else {}
    made_up = [name for name, given in values.items() if given.origin == MADE_UP]
    return (
        f'{made_up[0]} is made up here: `[vars.{made_up[0]}]` with `check = "..."` gives a value' if made_up else None
    )


def _needs(migrations: Sequence[Migration], selected: Collection[str]) -> list[Need]:
    """What to know of the schema before each of them, and at the end.

    Fingerprints are not used if it may be impossible to run the migrations again for their catalogs.
    """
    needs = [roundtrip.need(each) if each.version in selected else Need.NOTHING for each in migrations]
    if outside_effects.of_all(migrations) & outside_effects.BEYOND_DATABASE:
        needs = [Need.CATALOG if each is Need.FINGERPRINT else each for each in needs]
    return [*needs, Need.NOTHING]
