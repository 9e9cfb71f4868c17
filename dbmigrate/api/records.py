"""The dangerous part of the Python API: verify what was applied, correct the records, finish what was interrupted.

Apart from `Migrator`, because these change what is recorded without running what was recorded, or run a part only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from dbmigrate.api.base import ApiBase, Request, View
from dbmigrate.connection import database
from dbmigrate.errors import PlanError
from dbmigrate.execution import resume as recovery
from dbmigrate.execution.resume import Decision
from dbmigrate.frozen import frozen
from dbmigrate.migrations import find
from dbmigrate.model import Action, Direction, History, LogKind, Migration, Plan, Step, Unfinished
from dbmigrate.planning import forgetting, marking, plan, selection
from dbmigrate.planning import verify as verification
from dbmigrate.reports import Deviation, Finding, LogEntry, Report
from dbmigrate.tracking import read_history, version_control

if TYPE_CHECKING:
    from dbmigrate.execution.session import Session
    from dbmigrate.model import MigrationFile

__all__ = ["Decision", "Repair", "Upkeep"]

_Settlement = Callable[["Session", Plan], Plan]
_NOTHING: tuple[Direction, ...] = ()  # is run by what only records


@frozen
class Repair:
    """What `Upkeep.repair` does about missing files.

    It leaves them alone; forgets all of them; or does nothing but forget those in `forget`, by version, or by name
    where they are repeatable.
    """

    forget_missing: bool = False
    forget: tuple[str, ...] = ()


@frozen
class _Intent:
    """What becomes of an unfinished migration: the plan, and the direction that it runs."""

    command: str
    plan: Callable[[Unfinished, Migration, History], Plan]
    runs: Callable[[Unfinished], Direction]


class Upkeep(ApiBase):
    """Questions about the history, and corrections of it. Every correction is logged with its reason."""

    @classmethod
    def of(cls, other: ApiBase) -> Upkeep:
        """One for the same database, with the same options and listener."""
        return cls(other._dsn, other._options, on_event=other._on_event)

    # -- questions

    def verify(self) -> tuple[Finding, ...]:
        """Every disagreement of files and history. Writes nothing. Raises PlanError E230: there is no file at all."""
        present = find.look(self._options.directories, self._options.order)
        find.refuse_none(present, self._options.directories)
        self._warn(present.notes)
        with self._open("verify") as session:
            recorded = session.read_history()
            self._warn(self._history_problems(session, recorded))
            return self._findings(View(present.files, recorded))

    def history(self, *, limit: int | None = None, failed: bool = False) -> tuple[LogEntry, ...]:
        """The events of the log, the newest first; none where only dbmate was used."""
        with self._open("history") as session, database.translated(self._dsn):
            return read_history.events(session.conn, session.tables, limit=limit, failed=failed)

    def history_sql(self, *, limit: int | None = None, failed: bool = False) -> str | None:
        """The query of `history`, for psql; None where there is no log table yet."""
        with self._open("history") as session, database.translated(self._dsn):
            return read_history.events_sql(session.conn, session.tables, limit=limit, failed=failed)

    def plan_repair(self, repair: Repair) -> Plan:
        """What `repair` would do now."""
        with self._planned(self._repairing(repair)) as (_, planned):
            return planned

    # -- corrections

    def repair(self, repair: Repair, *, expected: Plan) -> Report:
        """Make the records agree with the files: accept edited ones, follow renamed ones, forget missing ones.

        Raises PlanError E239 if the plan is not `expected` any more, E228 and E232 for what cannot be forgotten,
        Refused E736 where a protected environment would forget all that is missing.
        """
        request = self._repairing(repair)

        def planned(view: View) -> Plan:
            made = request.plan(view)
            shown = [step for step in expected.steps if step.log_kind is not LogKind.REPEATABLE]
            if [_identity(step) for step in made.steps] != [_identity(step) for step in shown]:
                raise PlanError("the plan changed after it was shown", code="E239", hint="run the command again")
            return made

        return self._change(replace(request, plan=planned))

    def baseline(self, version: str) -> Report:
        """Record every migration up to `version` as applied without running it.

        For a database that was made by other means. What is only for other environments is left out. Raises PlanError
        E240 if anything is recorded already, E208.
        """

        def planned(view: View) -> Plan:
            if view.history.applied:
                number = len(view.history.applied)
                counted = "1 migration is" if number == 1 else f"{number} migrations are"
                raise PlanError(
                    f"{counted} recorded already, so there is nothing to baseline",
                    code="E240",
                    hint="`dbmigrate mark applied VERSION --reason TEXT` records single migrations",
                )
            names = plan.up_to(view.files, version, view.migrations)
            migrations = [view.migrations[name] for name in names]
            away = plan.elsewhere(migrations, self._options.policy)
            recorded = (each for each in migrations if each.version not in away)
            return Plan(tuple(_record(each, Direction.UP, LogKind.BASELINE) for each in recorded))

        request = Request("baseline", lambda view: plan.up_to(view.files, version), planned, _NOTHING)
        return self._change(replace(request, extend=self._recorded_too))

    def mark_applied(self, version: str) -> Report:
        """Record one pending migration as applied without running it. Raises PlanError E232, E241."""
        return self._mark(version, Direction.UP)

    def mark_pending(self, version: str) -> Report:
        """Forget that one migration is applied without undoing it. Raises PlanError E232, E241."""
        return self._mark(version, Direction.DOWN)

    def resume(self, decision: Decision) -> Report:
        """Finish a migration without a transaction that was interrupted or failed half-way.

        Raises PlanError E242 (none is unfinished), NeedsAttention E505, E506, and what running it raises.
        """
        intent = _Intent("resume", _going_on, lambda broken: broken.direction)
        return self._recover(intent, partial(_rest, decision=decision))

    def undo(self) -> Report:
        """Run the down section of a migration that is unfinished, and close its log entries. Raises as `resume`."""
        return self._recover(
            _Intent("undo", lambda broken, migration, _: plan.undo(broken, migration), lambda _: Direction.DOWN)
        )

    # -- how

    def _recorded_too(self, session: Session | None, view: View, made: Plan) -> Plan:
        if not self._seen.repeatables:
            return made
        from dbmigrate.api import repeatables

        return repeatables.recorded(self._seen.repeatables, view, made, self._options.policy.environment)

    def _forgotten_too(self, repair: Repair, session: Session | None, view: View, made: Plan) -> Plan:
        from dbmigrate.api import repeatables

        if session is None:
            return made
        gone = repeatables.gone(self._seen.repeatables, session)
        if repair.forget:
            gone = forgetting.repeatables(repair.forget, gone)
        else:
            forgetting.refuse_sweep(gone, is_protected=self._options.is_protected)
        return replace(made, steps=(*made.steps, *gone))

    def _findings(self, view: View) -> tuple[Finding, ...]:
        seen, _ = self._in_force(view.files, view.history)
        sums = verification.sums(seen.files, seen.history)
        every = verification.verify(seen.files, seen.history, sums, self._options.order)
        late = {finding.version for finding in every if finding.deviation is Deviation.OUT_OF_ORDER}
        elsewhere = self._elsewhere([file for file in seen.files if file.version in late])
        found = (finding for finding in every if finding.version not in elsewhere)
        return version_control.traced(found, self._options.directories)

    def _elsewhere(self, pending: Sequence[MigrationFile]) -> frozenset[str]:
        """The versions of pending files that are only for other environments."""
        if not pending:
            return frozenset()
        from dbmigrate.migrations import peek
        from dbmigrate.planning import target_environments

        environment = self._options.policy.environment
        read = peek.mentioning(pending, target_environments.WORD)
        return frozenset(each.version for each in read if target_environments.is_elsewhere(each, environment))

    def _repairing(self, repair: Repair) -> Request:
        def versions(view: View) -> Sequence[str]:
            found = self._findings(view)
            return [item.file.file.version for item in found if item.file is not None]

        def planned(view: View) -> Plan:
            found = self._findings(view)
            if repair.forget:
                return Plan(forgetting.only(repair.forget, view.files, view.history, found))
            if repair.forget_missing:
                missing = (each for each in found if each.deviation is Deviation.MISSING)
                forgetting.refuse_sweep(missing, is_protected=self._options.is_protected)
            steps: list[Step] = []
            for finding in found:
                if finding.deviation is Deviation.OTHER_FILE:
                    raise verification.other_file(finding)  # recording it would say that it ran
                steps += _corrections(finding, view.migrations, repair)
            return Plan(tuple(steps))

        extend = partial(self._forgotten_too, repair) if repair.forget or repair.forget_missing else None
        return Request("repair", versions, planned, _NOTHING, extend=extend)

    def _mark(self, version: str, direction: Direction) -> Report:
        def planned(view: View) -> Plan:
            is_applied = version in view.history
            if is_applied is (direction is Direction.UP):
                raise marking.already(version, view.files, view.history, self._options.order)
            migration = view.migrations.get(version)
            if migration is None and direction is Direction.UP:
                known = [file.version for file in view.files]
                raise selection.unknown_version(version, known, f"no migration file has version {version}")
            name = migration.name if migration else version
            return Plan((Step(version, name, direction, Action.RECORD, migration, kind=LogKind.MARK),))

        return self._change(Request("mark", lambda view: [version], planned, _NOTHING))

    def _recover(self, intent: _Intent, settle: _Settlement = lambda session, plan: plan) -> Report:
        """Do what `intent` says of the first unfinished migration; `settle` looks at the database for what is left."""
        found = self._present()
        with self._open(intent.command) as session:

            def prepare() -> tuple[Plan, History]:
                recorded = session.read_history()
                return self._intended(session, View(found, recorded), intent), recorded

            intended, recorded = self._settled(session, prepare)
            return self._execute(session, settle(session, intended), View(found, recorded))

    def _intended(self, session: Session, view: View, intent: _Intent) -> Plan:
        if not view.history.unfinished:
            raise PlanError("no migration is unfinished", code="E242", hint="`dbmigrate up` applies what is pending")
        broken = view.history.unfinished[0]
        migration = self._parse(session, view, [broken.version], [intent.runs(broken)]).get(broken.version)
        if migration is None:
            raise PlanError(f"the file of {broken.name} is gone", code="E234", hint="restore it to go on")
        intended = intent.plan(broken, migration, view.history)
        if migration.bound is not None:
            from dbmigrate.api import recorded_values

            recorded_values.refuse_other(session, intended.steps)
        if broken.progress is not None:
            from dbmigrate.execution import backfill_notes

            intended = backfill_notes.with_notes(session, intended, view.history)
        return self._hashed(intended, view.history)


def _going_on(broken: Unfinished, migration: Migration, recorded: History) -> Plan:
    return plan.resume(broken, migration, history=recorded, done=broken.done)


def _rest(session: Session, intended: Plan, decision: Decision) -> Plan:
    """What is left to run: the database may show more of it done than the log says."""
    recorded = session.read_history()
    broken, migration = recorded.unfinished[0], intended.steps[0].migration
    assert migration is not None
    done = recovery.finished_substeps(session, broken, migration, decision)
    return plan.resume(broken, migration, history=recorded, done=done)


def _identity(step: Step) -> tuple[object, ...]:
    return step.version, step.direction, step.action, step.migration.checksum if step.migration else None


def _record(migration: Migration, direction: Direction, kind: LogKind) -> Step:
    return Step(migration.version, migration.name, direction, Action.RECORD, migration, kind=kind)


def _corrections(finding: Finding, migrations: Mapping[str, Migration], repair: Repair) -> Sequence[Step]:
    """The steps that make the records agree with the files, for one `finding`."""
    kind = LogKind.REPAIR
    if finding.deviation in (Deviation.CHANGED, Deviation.COSMETIC):
        migration = migrations[finding.version]
        return [Step(finding.version, migration.name, Direction.UP, Action.ACCEPT, migration, kind=kind)]
    forget = Step(finding.version, finding.name, Direction.DOWN, Action.RECORD, kind=kind)
    if finding.deviation is Deviation.RENAMED and finding.file is not None:
        return [forget, _record(migrations[finding.file.file.version], Direction.UP, kind)]
    if finding.deviation is Deviation.MISSING and repair.forget_missing:
        return [forget]
    return []
