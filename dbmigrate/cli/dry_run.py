"""A dry run: the plan as a psql script, or as JSON, and its lock report. The database is only read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.cli import scratch
from dbmigrate.events import Planned, RunStarted

if TYPE_CHECKING:
    from dbmigrate.api.migrator import Migrator
    from dbmigrate.cli.call import Call
    from dbmigrate.cli.run_request import RunRequest
    from dbmigrate.impact.values import LockReport
    from dbmigrate.model import Goal, Plan


def show(call: Call, command: str, request: RunRequest, *, locks: bool | None) -> None:
    """Print what ``up``, ``migrate`` or ``rollback`` would run: a script, or with ``--json`` the plan and its locks.

    `locks` says whether the locks are measured; None leaves it to the setting.
    """
    is_measured = call.settings().lock_report if locks is None else locks
    with call.migrator(
        reason=request.reason, expect_plan=request.expect_plan, approval=request.approval, backup=request.backup
    ) as migrator:
        if call.wants_json:
            _show_json(call, command, migrator, request.goal, is_measured=is_measured)
            return
        scripts = {
            "up": migrator.script_up,
            "migrate": migrator.script_migrate,
            "rollback": migrator.script_rollback,
        }
        call.script(scripts[command](request.goal))
        if is_measured and not call.is_quiet:
            call.renderer.locks(_locks(call, command, migrator, request.goal))
        if call.is_verbose and command != "rollback":
            _tick(call, migrator.plan_up(request.goal))


def _tick(call: Call, planned: Plan) -> None:
    """The checklist of the change, with what `lint` proves of the files that would run."""
    if not planned.steps:
        return
    from dbmigrate.cli import linting
    from dbmigrate.output import checklist

    clean = linting.clean_in(frozenset(step.version for step in planned.steps), call.settings())
    call.renderer.notes(checklist.lines(checklist.proved_by_rules(clean)))


def _show_json(call: Call, command: str, migrator: Migrator, goal: Goal, *, is_measured: bool) -> None:
    from dbmigrate.output import dry_run

    plans = {"up": migrator.plan_up, "migrate": migrator.plan_migrate, "rollback": migrator.plan_rollback}
    planned = plans[command](goal)
    call.renderer.on_event(RunStarted(call.target_name(call.settings()), planned))
    call.renderer.on_event(Planned(planned))
    report = None
    if is_measured:
        report = _locks(call, command, migrator, goal)
        call.renderer.locks(report)
    call.renderer.answer(command, (), dry_run.value(planned, report, hide=call.hide))


def _locks(call: Call, command: str, migrator: Migrator, goal: Goal) -> LockReport:
    """The lock report. Whatever prevents it is a note in it, and does not stop the dry run."""
    from dbmigrate.errors import Error
    from dbmigrate.scratch.lock_report import Means, missing

    try:
        means = Means(scratch.choice(call), call.settings().environ)
    except Error as exc:  # the scratch URL cannot be read
        return missing(exc)
    measure = migrator.locks_rollback if command == "rollback" else migrator.locks_up
    return measure(means, goal)
