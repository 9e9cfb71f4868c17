"""The public Python API of rehearsals: a plan is run where nothing of it stays."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate.api.base import View
from dbmigrate.api.migrator import Migrator
from dbmigrate.connection import database
from dbmigrate.events import Planned, RunStarted
from dbmigrate.migrations import find, parser
from dbmigrate.model import ALL, LAST, Direction, Goal, History, Problem, Severity
from dbmigrate.planning import plan_hash
from dbmigrate.scratch import rehearsal, with_rows
from dbmigrate.scratch.rehearsal import Rehearsal, Rehearsed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.api.base import Request
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.model import Plan
    from dbmigrate.scratch.choose import ScratchServer
    from dbmigrate.scratch.lock_report import Means

__all__ = ["Rehearsed", "Rehearser"]


class Rehearser(Migrator):
    """A `Migrator` that rehearses its plans. Nothing stays of them but what `Rehearsed.leaves` names.

    All methods raise MigrationFailed E401 to E406 where the run would fail, with the place.
    """

    @classmethod
    def of(cls, migrator: Migrator) -> Rehearser:
        """One for the same database, with the same options and listener."""
        return cls(migrator._dsn, migrator._options, on_event=migrator._on_event)

    def rehearse_up(self, means: Means, goal: Goal = ALL) -> Rehearsed:
        """Run what `up` would run on a scratch copy of the schema. Nothing is written to the database.

        A database that does not exist yet is taken for an empty one.
        """
        if database.exists(self._dsn):
            return self._on_copy(self._upward(goal), means)
        found = self._present()
        parsed = {file.version: self._bound(parser.read(file, (Direction.UP,))) for file in found}
        planned = self._announced(self._planned_for_nothing(goal, found, parsed))
        return rehearsal.on_nothing(self._dsn, planned, self._options.table, means.choice)

    def rehearse_migrate(self, means: Means, goal: Goal = ALL) -> Rehearsed:
        """Run what `migrate` would run on a scratch copy of the schema. The database has to exist."""
        return self._on_copy(self._upward(goal, "migrate"), means)

    def rehearse_rollback(self, means: Means, goal: Goal = LAST) -> Rehearsed:
        """Run what `rollback` would run on a scratch copy of the schema."""
        return self._on_copy(self._downward(goal), means)

    def rehearse_up_in_place(self, goal: Goal = ALL) -> Rehearsed:
        """Run what `up` would run in one transaction, under the migration lock, and roll it back.

        Raises PlanError E248 for migrations that cannot.
        """
        return self._in_place(self._upward(goal))

    def rehearse_rollback_in_place(self, goal: Goal = LAST) -> Rehearsed:
        """The same for `rollback`."""
        return self._in_place(self._downward(goal))

    def rehearse_up_on(self, clone: Dsn, goal: Goal = ALL, *, queries: Sequence[str] = ()) -> Rehearsed:
        """Run what `up` would run on `clone`, a copy of the database, which stays migrated; and measure it.

        `queries` run beside it, as a stand-in for the application. Raises Refused E704 (nothing can be written there),
        E780 (it is the database itself), E782 (its history is another one), MigrationFailed E430.
        """
        return self._on_clone(self._upward(goal), clone, queries)

    def rehearse_rollback_on(self, clone: Dsn, goal: Goal = LAST, *, queries: Sequence[str] = ()) -> Rehearsed:
        """The same for `rollback`."""
        return self._on_clone(self._downward(goal), clone, queries)

    def _on_clone(self, request: Request, clone: Dsn, queries: Sequence[str]) -> Rehearsed:
        listener = with_rows.Listener(self._on_event)
        there = Rehearser(clone, self._options, on_event=listener)
        with there._open(request.command) as session:
            with self._planned(request) as (target, planned):
                with_rows.refuse_target(target, session)
                session.lock()
                with_rows.refuse_other_history(target.read_history(), session.read_history())
            mine = there._plan(session, request, View(self._present(), session.read_history()))
            with_rows.refuse_other_plan(planned, mine)
            self._announced(planned)
            done = "rolled back" if request.command == "rollback" else "migrated"
            self._warn((Problem("W390", f"the clone {clone.display} is {done}, and stays so", Severity.NOTE),))
            pacing = self._options.pacing
            where = f"{clone.display}, which stays {done}"
            return with_rows.run(with_rows.OnClone(session, mine, pacing, listener, where, queries))

    def rehearse_loaded(self, server: ScratchServer, dump: str, *, queries: Sequence[str] = ()) -> Rehearsed:
        """Run what `up` would run on the database itself, and measure it: a scratch database with the rows of `dump`.

        Raises Refused E722 for a migration that must not be run on a server of ours, and as `rehearse_up_on`.
        """
        listener = with_rows.Listener(self._on_event)
        here = Rehearser(self._dsn, self._options, on_event=listener)
        request = self._upward(ALL)
        with here._open(request.command) as session:
            session.lock()
            planned = here._plan(session, request, View(self._present(), session.read_history()))
            for step in planned.steps:
                if step.migration is not None:
                    server.refuse_external_effects(step.migration)
            version = session.conn.info.parameter_status("server_version") or ""
            where = f"a scratch database with the rows of {dump}, on PostgreSQL {version.partition(' ')[0]}"
            work = with_rows.OnClone(session, planned, self._options.pacing, listener, where, queries, server.retrying)
            return with_rows.run(work)

    def _on_copy(self, request: Request, means: Means) -> Rehearsed:
        found = find.find(self._options.directories, self._options.order)
        with self._planned(request) as (session, planned):
            self._announced(planned)
            means = replace(means, variables=self._variables)
            return rehearsal.on_copy(Rehearsal(session, planned, found, self._options.pacing), means)

    def _in_place(self, request: Request) -> Rehearsed:
        found = self._present()
        with self._open(request.command) as session:
            database.refuse_shared_session(session.facts, "a rehearsal in place holds a lock of its session")
            rehearsal.refuse_outside(self._plan(session, request, View(found, session.read_history())))

            def prepare() -> tuple[Plan, History]:
                recorded = session.read_history()
                return self._plan(session, request, View(found, recorded)), recorded

            planned, _ = self._settled(session, prepare)
            self._on_event(Planned(planned))
            return rehearsal.in_place(Rehearsal(session, planned, found, self._options.pacing))

    def _announced(self, planned: Plan) -> Plan:
        plan_hash.refuse_other(planned, self._options.expected_plan)
        self._on_event(RunStarted(self._where, planned))
        self._on_event(Planned(planned))
        return planned
