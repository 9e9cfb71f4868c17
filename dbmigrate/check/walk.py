"""Up from zero, migration by migration; each one that is looked at is tried down and up again on the way."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate import scratch
from dbmigrate.check import ground, roundtrip
from dbmigrate.check.values import Trial, failed
from dbmigrate.errors import DatabaseError
from dbmigrate.model import Direction, Place

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from dbmigrate.check.ground import Ground
    from dbmigrate.model import Migration
    from dbmigrate.scratch import ScratchServer


class Walk:
    """One walk over the migrations. Use as a context manager: leaving it drops the scratch database.

    `ground` is the database as the last migration left it.
    """

    def __init__(self, server: ScratchServer, table: str) -> None:
        self._server = server
        self._table = table
        self._stack = ExitStack()
        self.ground = self._stack.enter_context(ground.prepared(server, table))

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

        `each` is called when a migration was applied. Ends at the first one that fails, with its C101 in the trial.
        """
        before = self.ground.look()
        for number, migration in enumerate(migrations):
            is_meant = migration.version in looked_at
            trial = self._applied(migration)
            if trial.problems:
                yield trial
                return
            after = self.ground.look()
            if is_meant:
                trip = roundtrip.go(self.ground, migration, roundtrip.Views(before, after))
                trial = replace(trial, problems=trip.problems)
                if trip.is_spoilt:
                    self._begin_anew(migrations[: number + 1])
            if each is not None:
                each(self.ground, migration)
            yield trial
            before = after

    def _applied(self, migration: Migration) -> Trial:
        began = time.monotonic()
        try:
            impacts = self.ground.run(migration)
        except DatabaseError as exc:
            place = Place(migration.file.path, migration.run_order(Direction.UP)[0].line)
            what, hint = f"{migration.name} fails on an empty database", scratch.way_out(exc, self._server)
            failure = failed("C101", what, exc, place=place, hint=hint)
            return Trial(migration, time.monotonic() - began, problems=(failure,))
        return Trial(migration, time.monotonic() - began, impacts)

    def _begin_anew(self, migrations: Sequence[Migration]) -> None:
        """A new database in the state that the ups alone make. They have all been run once, so they do not fail."""
        self._stack.close()
        self.ground = self._stack.enter_context(ground.prepared(self._server, self._table))
        for migration in migrations:
            self.ground.run(migration)
