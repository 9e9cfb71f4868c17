"""Up from zero, migration by migration; each one that is looked at is tried down and up again on the way."""

from __future__ import annotations

import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate.check import roundtrip, scratch_session
from dbmigrate.check.roundtrip import Need, View, Views
from dbmigrate.check.values import Trial, failed, found
from dbmigrate.errors import DatabaseError, Refused
from dbmigrate.model import Direction, Place, Severity
from dbmigrate.scratch import choose, outside_effects

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from dbmigrate.catalog import Catalog
    from dbmigrate.check.roundtrip import Trip
    from dbmigrate.check.scratch_session import Ground
    from dbmigrate.model import Migration
    from dbmigrate.scratch.choose import ScratchServer


class Walk:
    """One walk over the migrations. Use as a context manager: leaving it drops the scratch database.

    `ground` is the database as the last migration left it.
    """

    def __init__(self, server: ScratchServer, table: str) -> None:
        self._server = server
        self._table = table
        self._stack = ExitStack()
        self.ground = self._stack.enter_context(scratch_session.prepared(server, table))
        self._needs: list[Need] = []

    def __enter__(self) -> Walk:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()

    def trials(
        self,
        migrations: Sequence[Migration],
        *,
        looked_at: Collection[str],
        each: Callable[[Ground, Migration], None] | None = None,
    ) -> Iterator[Trial]:
        """Apply all of them; those whose versions are in `looked_at` are tried down and up again.

        `each` is called when a migration was applied. Ends at the first one that fails, with its C101 in the trial, or
        that is stuck.
        """
        self._needs = _needs(migrations, looked_at)
        before = self._view(View(), self._needs[0])
        for number, migration in enumerate(migrations):
            trial = self._applied(migration)
            if trial.problems:
                yield trial
                return
            # a fingerprint is enough for the next one; it is taken when this one has been tried
            is_read = Need.CATALOG in self._needs[number : number + 2]
            after = self._view(View(), Need.CATALOG if is_read else Need.NOTHING)
            if migration.version in looked_at:
                seen = self.ground
                trial = self._tried(trial, migrations[: number + 1], Views(before, after))
                if self.ground is not seen:
                    after = View()  # what depends on the database's name or on the time is another there
            if each is not None and not trial.is_stuck:
                each(self.ground, migration)
            yield trial
            if trial.is_stuck:
                return
            before = self._view(after, self._needs[number + 1])

    def _view(self, known: View, need: Need) -> View:
        """What is needed of the schema as it is now, apart from what is `known` of it."""
        if need is Need.CATALOG and known.catalog is None:
            return View(catalog=self.ground.look())
        if need is Need.FINGERPRINT:
            return View(self.ground.fingerprint())
        return known

    def _tried(self, trial: Trial, migrations: Sequence[Migration], views: Views) -> Trial:
        """What came of the way back of the last of `migrations`; `ground` is what the ups alone make."""
        trip = self._round_trip(migrations, views)
        trial = replace(trial, problems=trip.problems)
        if not trip.is_spoilt:
            return trial
        try:
            self._begin_anew(migrations)
        except (DatabaseError, Refused) as exc:
            return replace(trial, problems=(*trip.problems, roundtrip.stuck(migrations[-1], exc)), is_stuck=True)
        return trial

    def _round_trip(self, migrations: Sequence[Migration], views: Views) -> Trip:
        """Try the last of `migrations`; where fingerprints are not enough, again with catalogs, in a new database.

        That takes all of them once more. From then on as many are looked at closely at once, so that the sum of it is
        never more than running all migrations twice.
        """
        with suppress(roundtrip.NotReadError):
            return roundtrip.go(self.ground, migrations[-1], views)
        for number in range(len(migrations), min(2 * len(migrations), len(self._needs))):
            if self._needs[number] is Need.FINGERPRINT:
                self._needs[number] = Need.CATALOG
        try:
            before = self._begin_anew(migrations)
        except (DatabaseError, Refused) as exc:
            return roundtrip.uncompared(migrations[-1], exc)
        return roundtrip.go(self.ground, migrations[-1], Views(View(catalog=before), View(catalog=self.ground.look())))

    def _applied(self, migration: Migration) -> Trial:
        began = time.monotonic()
        try:
            impacts = self.ground.run(migration)
        except Refused as exc:
            unknown = found("C114", exc.message, exc.place, severity=Severity.WARNING, hint=exc.hint)
            return Trial(migration, time.monotonic() - began, problems=(unknown,))
        except DatabaseError as exc:
            place = Place(migration.file.path, migration.run_order(Direction.UP)[0].line)
            what, hint = f"{migration.name} fails on an empty database", choose.hint_for(exc, self._server)
            failure = failed("C101", what, exc, place=place, hint=hint)
            return Trial(migration, time.monotonic() - began, problems=(failure,))
        return Trial(migration, time.monotonic() - began, impacts)

    def _begin_anew(self, migrations: Sequence[Migration]) -> Catalog:
        """A new database in the state that the ups alone make; returns the catalog before the last one of them.

        Both databases are there meanwhile. Raises DatabaseError if a migration fails the second time; `ground` is what
        it was then.
        """
        *earlier, last = migrations
        with ExitStack() as stack:
            new = stack.enter_context(scratch_session.prepared(self._server, self._table))
            for migration in earlier:
                new.run(migration)
            before = new.look()
            new.run(last)
            self._stack.close()
            self._stack, self.ground = stack.pop_all(), new
        return before


def _needs(migrations: Sequence[Migration], looked_at: Collection[str]) -> list[Need]:
    """What has to be known for each of them, and at the end.

    A fingerprint is not relied on where it may be impossible to run the migrations again, to see more.
    """
    needs = [roundtrip.need(each) if each.version in looked_at else Need.NOTHING for each in migrations]
    if outside_effects.of_all(migrations) & outside_effects.BEYOND_DATABASE:
        needs = [Need.CATALOG if each is Need.FINGERPRINT else each for each in needs]
    return [*needs, Need.NOTHING]
