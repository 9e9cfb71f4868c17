"""A deployment: verify, plan, back up, migrate, check the application's health; roll back if that fails.

A rollback undoes what this run has applied, never an earlier migration: a chain such as ``up || down`` undoes
the last good one when the first new one fails. Between migrating and the end of the health check the lock is not held,
so that a slow check keeps nobody waiting; the rollback therefore proves, under the lock again, that nothing was changed
since, and otherwise leaves everything as it is.

If one of the migrations cannot be undone, none is: nothing is rolled back by half.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from dbmigrate.api import repeatables
from dbmigrate.api.base import ApiBase, Request
from dbmigrate.api.migrator import Migrator
from dbmigrate.connection import database
from dbmigrate.deploy import health
from dbmigrate.deploy.settings import DeployConfig, OnFailure
from dbmigrate.errors import DatabaseError, Error, Interrupted, NeedsAttention, PlanError, Refused
from dbmigrate.events import Phase, PhaseDone, RunStarted, Targeted, Waiting, Warned
from dbmigrate.frozen import frozen
from dbmigrate.migrations import find
from dbmigrate.model import LogKind, LogState, Plan, Problem, Step
from dbmigrate.planning import verify
from dbmigrate.planning.undo import obstacle, refuse_obstacles, rollback_steps
from dbmigrate.reports import Deviation, Report
from dbmigrate.schema import backup
from dbmigrate.tracking import read_history, version_control

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dbmigrate.api.base import Options, View
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.deploy.health import Check
    from dbmigrate.events import Event
    from dbmigrate.execution.session import Session
    from dbmigrate.reports import Backup, Finding, HealthOutcome, Outcome

__all__ = ["Deployed", "Deployer", "backing_up"]

_REPORT_EVERY = 10.0  # seconds between two messages about an application that is not healthy yet
_ENTRY_WAIT = 5.0  # seconds that a log entry waits for another run
_EVENTS = 100  # of the log are looked at to find the newest one that changed something
_LONGEST_REASON = 500  # characters of an error that the log keeps as the reason of a rollback


@frozen
class Deployed:
    """What a deployment did. `verified` is the number of applied migrations that agreed with their files before it."""

    verified: int
    plan: Plan
    report: Report
    backup: Backup | None
    health: tuple[HealthOutcome, ...]
    seconds: float


@frozen
class Start:
    """What was true under the lock just before the first migration ran."""

    run_id: str
    applied: frozenset[str]
    backup: Backup | None = None


def backing_up(
    directory: str, environ: Mapping[str, str], *, on_event: Callable[[Event], None]
) -> Callable[[Session, Plan], None]:
    """For `Options.before_run`: a backup before anything runs. Raises what `backup.take` raises."""

    def before_run(session: Session, plan: Plan) -> None:
        on_event(PhaseDone(Phase.BACKUP, _backup(session, directory, environ)))

    return before_run


def _backup(session: Session, directory: str, environ: Mapping[str, str]) -> Backup:
    return backup.take(session, directory, environ, now=partial(datetime.now, UTC))


class Deployer(ApiBase):
    """One deployment to one database, which has to exist. `environ` is for pg_dump, as in `Dumping`."""

    def __init__(
        self,
        target: Dsn | str,
        options: Options,
        config: DeployConfig,
        *,
        environ: Mapping[str, str],
        on_event: Callable[[Event], None],
    ) -> None:
        super().__init__(target, options, on_event=on_event)
        self._config = config
        self._environ = environ
        self._plan_shown = Plan()
        self._start: Start | None = None

    def deploy(self) -> Deployed:
        """Do all of it.

        Raises, with the database as it was: Refused E701 (files and history disagree), what planning raises, E410 and
        E206 (no backup), the error of the migration that failed, DatabaseError E411 (the health check failed); the
        last two after this run's migrations were rolled back. Raises NeedsAttention when they were not: E507 (it was
        not possible), E508 (as asked), E509 (another run was at work), or what the migration raised. Raises
        Interrupted, without a rollback, when a signal came.
        """
        started = time.monotonic()
        self._on_event(Targeted(self._where, "deploy"))
        verified = self._verify()
        report = self._migrate()
        health = tuple(self._check(check, report) for check in self._config.checks)
        if not health:
            self._pass(Phase.HEALTH, "no check is configured")
        taken = self._start.backup if self._start else None
        return Deployed(verified, self._plan_shown, report, taken, health, time.monotonic() - started)

    # -- before

    def _verify(self) -> int:
        found = find.find(self._options.directories, self._options.order)
        recorded = self.recorded()
        seen, _ = self._in_force(found, recorded)
        findings = verify.verify(seen.files, seen.history, verify.sums(seen.files, seen.history), self._options.order)
        verify.refuse_changes(version_control.traced(findings))
        _refuse_gone(findings)
        self._pass(Phase.VERIFY, len(recorded.applied))
        return len(recorded.applied)

    # -- migrating

    def _migrate(self) -> Report:
        given = self._options
        reason = f"deploy: {given.reason}" if given.reason else "deploy"
        options = replace(given, reason=reason, before_run=(*given.before_run, self._begin))
        try:
            report = Migrator(self._dsn, options, on_event=self._listen).migrate()
        except KeyboardInterrupt as exc:
            raise self._interrupted(exc) from exc
        except Error as exc:
            failure = self._after(exc)
            if failure is exc:
                raise
            raise failure from exc
        if not report.done:
            self._pass(Phase.BACKUP, "not needed: nothing is pending")
        self._pass(Phase.UP, report)
        return report

    def _listen(self, event: Event) -> None:
        """The plan is a line among the others here."""
        if not isinstance(event, RunStarted):
            self._on_event(event)
            return
        self._plan_shown = event.plan
        self._pass(Phase.PLAN, event.plan)
        for problem in (*event.plan.problems, *self._rollback_warnings(event.plan)):
            self._on_event(Warned(problem))

    def _rollback_warnings(self, plan: Plan) -> tuple[Problem, ...]:
        """Warnings before anything runs: what a failing health check could not undo."""
        if not self._config.checks or self._config.on_failure is OnFailure.KEEP:
            return ()
        found = ((step.name, obstacle(step.migration)) for step in plan.steps if step.runs_sql)
        return tuple(
            Problem("W630", f"{name} {why}: if the health check fails, nothing of this deployment can be rolled back")
            for name, why in found
            if why
        )

    def _begin(self, session: Session, plan: Plan) -> None:
        applied = frozenset(item.version for item in session.read_history().applied)
        if self._config.backup_dir is None:
            self._pass(Phase.BACKUP, "none, as asked")
            taken = None
        else:
            taken = _backup(session, self._config.backup_dir, self._environ)
            self._pass(Phase.BACKUP, taken)
        self._start = Start(session.run_id, applied, taken)

    def _after(self, exc: Error) -> Error:
        """The error to raise when migrating failed: the same one where the database is as before the deployment."""
        done = _ran(exc.report.done if exc.report else ())
        if self._start is None:
            exc.state = exc.state or "nothing was changed"
            return exc
        if isinstance(exc, NeedsAttention | Interrupted) or exc.keeps_pages:
            return self._left_as_it_is(exc, done, "nothing else was applied by this run")
        if not done:
            exc.state = _sentence(exc.state, _AS_BEFORE)
            return exc
        if self._config.on_failure is OnFailure.KEEP:
            return self._staying(exc, exc.report or Report())
        back = self._roll_back(exc, done)
        exc.state = _sentence(exc.state, f"{_names(done)} rolled back as well", back)
        exc.report = None
        return exc

    # -- the health check

    def _check(self, check: Check, report: Report) -> HealthOutcome:
        try:
            outcome = health.run(check, self._config.patience, on_retry=_WaitingNotice(self._on_event))
        except KeyboardInterrupt as exc:
            error = Interrupted.by(exc, f"interrupted during the health check {check.name}")
            error.state = (
                f"{_names(report.done)} applied; nothing was rolled back" if report.done else "nothing was migrated"
            )
            error.hint = "check whether the application works; `dbmigrate rollback` undoes the last migration"
            raise error from exc
        self._pass(Phase.HEALTH, outcome)
        if not outcome.is_healthy:
            raise self._unhealthy(outcome, report)
        return outcome

    def _unhealthy(self, outcome: HealthOutcome, report: Report) -> Error:
        """The error to raise. The output of the application is shown, and kept out of the log."""
        output = outcome.answer.output.strip("\n")
        failure = DatabaseError(
            f"health check failed: {outcome.summary}",
            code="E411",
            details=(("output", f"\n{output}"),) if output else (),
        )
        if not _ran(report.done):
            failure.state = "nothing was migrated by this run"
            return failure
        if self._config.on_failure is OnFailure.KEEP:
            return self._staying(failure, report)
        back = self._roll_back(failure, report.done)
        failure.state = f"{_names(report.done)} rolled back; {back}"
        return failure

    # -- the rollback

    def _roll_back(self, failure: Error, done: Sequence[Outcome]) -> str:
        """Undo what this run did; returns how the database is now. Raises NeedsAttention E507, E509, Interrupted."""
        rollback = self._rollback_after(failure)
        try:
            report = rollback.undo(done)
        except KeyboardInterrupt as exc:
            error = Interrupted.by(exc, "interrupted during the rollback")
            raise self._left_as_it_is(error, self._still_applied(done), _standing(())) from exc
        except Error as exc:
            raise self._stuck(failure, exc, self._still_applied(done, exc.report)) from exc
        self._pass(Phase.ROLLBACK, report)
        left = [one for one in report.done if not one.step.runs_sql]  # repeatables that had no earlier text
        return f"only {', '.join(one.step.name for one in left)} stays as it is" if left else _AS_BEFORE

    def _still_applied(self, done: Sequence[Outcome], undone: Report | None = None) -> Sequence[Outcome]:
        """What stays of `done`: the database knows it, also if a signal came between COMMIT and its answer."""
        with suppress(Error):
            applied = {item.version for item in self.recorded().applied}
            return tuple(one for one in done if one.step.version in applied)  # repeatables have no version
        return done[: len(done) - len(undone.done if undone else ())]

    def _rollback_after(self, failure: Error, *, lock_wait: float | None = None) -> Rollback:
        assert self._start is not None
        given = self._options if lock_wait is None else replace(self._options, lock_wait=lock_wait)
        reason = f"deploy: {failure.message[:_LONGEST_REASON]}" + (f" ({given.reason})" if given.reason else "")
        saving = given.before_run if given.saver else ()  # what a down section destroys is saved, too, or refused
        options = replace(given, reason=reason, approve=None, expected_plan=None, before_run=saving)
        return Rollback(self._dsn, options, self._start, on_event=self._on_event)

    def _stuck(self, failure: Error, exc: Error, standing: Sequence[Outcome]) -> Error:
        """The rollback failed: `failure` was why there was one, `exc` why it did not succeed."""
        if isinstance(exc, Interrupted):
            exc.state = exc.state if standing else ""  # all is rolled back: what was done last is not what matters
            return self._left_as_it_is(exc, standing, _standing(()))
        if isinstance(exc, PlanError):
            self._note(failure, exc, standing)
        message = f"{failure.message}; and it could not be rolled back: {exc.message}"
        error = exc.recast(NeedsAttention, message, code="E509" if exc.code == "E509" else "E507")
        error.hint = exc.hint if isinstance(exc, NeedsAttention) else _BY_HAND
        error.details = (*failure.details, *exc.details, *self._backup_details())
        error.state = _sentence(exc.state, _standing(standing))
        error.report = Report(tuple(standing), current=exc.report.current if exc.report else None) if standing else None
        return error

    def _staying(self, failure: Error, report: Report) -> Error:
        self._note(failure, NeedsAttention("not rolled back, as asked (--on-failure keep)", code="E508"), report.done)
        hint = "repair what failed, or undo the migrations with `dbmigrate rollback`"
        error = failure.recast(NeedsAttention, code="E508", hint=hint)
        error.details = (*failure.details, *self._backup_details())
        error.state = _sentence(failure.state, _standing(report.done))
        error.report = report
        return error

    def _left_as_it_is(self, exc: Error, done: Sequence[Outcome], otherwise: str) -> Error:
        """Only a person may go on: half done without a transaction, commit outcome unknown, or interrupted."""
        exc.details = (*exc.details, *self._backup_details())
        exc.state = _sentence(exc.state, _standing(done) if done else otherwise)
        return exc

    def _interrupted(self, exc: BaseException) -> Error:
        error = Interrupted.by(exc, "interrupted")
        error.state = (
            "nothing was changed" if self._start is None else "`dbmigrate status` shows what this run applied; it stays"
        )
        return error

    def _note(self, failure: Error, why: Error, done: Sequence[Outcome]) -> None:
        """Log that the newest migration of this run was not undone, and why it should have been."""
        rollback = self._rollback_after(failure, lock_wait=min(self._options.lock_wait, _ENTRY_WAIT))
        for step in rollback_steps(done)[:1]:
            rollback.note(step, why)

    def _backup_details(self) -> tuple[tuple[str, str], ...]:
        taken = self._start.backup if self._start else None
        return (("backup", taken.path), ("restore", taken.restore)) if taken else ()

    def _pass(self, phase: Phase, result: int | Plan | Backup | Report | HealthOutcome | str) -> None:
        self._on_event(PhaseDone(phase, result))


class Rollback(ApiBase):
    """Undoes what one run applied, and nothing else."""

    def __init__(self, target: Dsn | str, options: Options, start: Start, *, on_event: Callable[[Event], None]) -> None:
        before = (self._refuse_newer, *options.before_run)
        super().__init__(target, replace(options, before_run=before), on_event=self._listen)
        self._start = start
        self._forward = on_event

    def undo(self, done: Sequence[Outcome]) -> Report:
        """Undo the migrations of `done`, the last one first.

        Raises NeedsAttention E509 (something else was changed since), E502 (a migration is unfinished), PlanError E233
        (one of them cannot be undone): nothing was undone. Else as `Migrator.rollback`.
        """
        steps = rollback_steps(done)
        gone = {each.version for one in done for each in one.step.replaces}
        applied = {one.step.version for one in done if one.step.log_kind is not LogKind.REPEATABLE}
        expected = (self._start.applied | applied) - gone

        def planned(view: View) -> Plan:
            if view.history.unfinished:
                raise NeedsAttention(
                    f"{view.history.unfinished[0].name} is unfinished", code="E502", hint="see `dbmigrate status`"
                )
            now = frozenset(item.version for item in view.history.applied)
            if now != expected:
                raise _overtaken(f"version {min(now ^ expected)} is {'applied' if now - expected else 'gone'}")
            refuse_obstacles(steps)
            return Plan(steps)

        def extend(session: Session | None, view: View, made: Plan) -> Plan:
            """The repeatables of this run get the texts back that they had before it."""
            return made if session is None else repeatables.restored(session, made, {self._start.run_id}, set())

        return self._change(Request("rollback", lambda view: (), planned, extend=extend))

    def note(self, step: Step, error: Error) -> None:
        """Write that `step` was not done to the log, if that can be done: it must not hide a failure.

        Under the lock, because the numbers of events are given out under it.
        """
        with suppress(Error), self._open("deploy") as session:
            session.lock()
            session.log_failure(session.writer.failed(step, error))

    def _refuse_newer(self, session: Session, plan: Plan) -> None:
        """Under the lock: the last thing that was changed has to be of the run that is undone."""
        with database.translated(self._dsn):
            events = read_history.events(session.conn, session.tables, limit=_EVENTS, failed=False)
        newest = next((event for event in events if event.state is not LogState.FAILED), None)
        if newest is None or newest.run_id != self._start.run_id:
            raise _overtaken(f"{newest.kind} of {newest.file}, by {newest.os_user}" if newest else "the log is gone")

    def _listen(self, event: Event) -> None:
        """The deployment has already named its target."""
        if isinstance(event, RunStarted):
            for problem in event.plan.problems:
                self._forward(Warned(problem))
        else:
            self._forward(event)


class _WaitingNotice:
    """Reports now and then that the application is not healthy yet."""

    def __init__(self, on_event: Callable[[Event], None]) -> None:
        self._on_event = on_event
        self._reported = 0.0

    def __call__(self, outcome: HealthOutcome) -> None:
        if outcome.seconds - self._reported >= _REPORT_EVERY:
            self._reported = outcome.seconds
            self._on_event(Waiting(f"{outcome.name}: {outcome.answer.result}", outcome.seconds))


# ------------------------------------------------------------------------------------------------------------- details

_AS_BEFORE = "the database is as it was before the deployment"
_BY_HAND = "undo it by hand, or with a new migration; the backup can be read into a new, empty database"


def _refuse_gone(findings: Sequence[Finding]) -> None:
    """Raise Refused E701 if the file of an applied migration is gone: what runs is not what this checkout says."""
    gone = next((each for each in findings if each.deviation is Deviation.MISSING), None)
    if gone is None:
        return
    error = Refused(
        f"{gone.name} is applied, but its file is gone",
        code="E701",
        hint="deploy from a checkout that has it; see `dbmigrate verify` for all, and `dbmigrate repair`",
    )
    error.state = "nothing was run"
    raise error


def _overtaken(what: str) -> NeedsAttention:
    return NeedsAttention(
        f"something was changed after this deployment: {what}",
        code="E509",
        hint="see `dbmigrate history`, and decide with whoever did it",
    )


def _ran(done: Sequence[Outcome]) -> Sequence[Outcome]:
    """Without what was recorded only, which stays."""
    return tuple(one for one in done if one.step.runs_sql)


def _names(done: Sequence[Outcome]) -> str:
    names = ", ".join(one.step.name for one in done)
    return f"{names} {'is' if len(done) == 1 else 'are'}"


def _standing(done: Sequence[Outcome]) -> str:
    return f"{_names(done)} applied by this run" if done else "nothing of this run is applied any more"


def _sentence(*parts: str | None) -> str:
    return "; ".join(part for part in parts if part)
