"""The public Python API of seeds: rows for a database, run without a record."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from dbmigrate.api.base import ApiBase
from dbmigrate.errors import Error
from dbmigrate.migrations import seeds
from dbmigrate.model import Direction, History, Plan, Step
from dbmigrate.reports import Report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.execution.session import Session
    from dbmigrate.model import MigrationFile

__all__ = ["Seeder"]


class Seeder(ApiBase):
    """Runs seeds."""

    @classmethod
    def of(cls, other: ApiBase) -> Seeder:
        """One for the same database, with the same options and listener."""
        return cls(other._dsn, other._options, on_event=other._on_event)

    def seed(self, files: Sequence[MigrationFile]) -> Report:
        """Run them in their order, each in a transaction of its own. All are read before the first one runs.

        What ran before a failure stays (`error.report`). Raises MigrationFileError, and what `Migrator.up` raises when
        a statement fails.
        """
        planned = plan(files)
        if not planned.steps:
            return Report()
        with self._open("seed") as session:
            self._settled(session, lambda: (planned, History()))
            return self._run(session, planned)

    def _run(self, session: Session, planned: Plan) -> Report:
        from dbmigrate.execution.unrecorded import UnrecordedExecutor

        started = time.monotonic()
        executor = UnrecordedExecutor(session, self._options.pacing)
        try:
            executor.run(planned)
        except Error as exc:
            exc.report = Report(tuple(executor.done), seconds=time.monotonic() - started) if executor.done else None
            raise
        return Report(tuple(executor.done), seconds=time.monotonic() - started)


def plan(files: Sequence[MigrationFile]) -> Plan:
    """What `seed` runs, from the files alone. Raises MigrationFileError, PlanError E279."""
    read = [seeds.read(file) for file in files]
    steps = tuple(Step(each.version, each.name, Direction.UP, migration=each) for each in read)
    return Plan(steps, tuple(problem for each in read for problem in each.problems))
