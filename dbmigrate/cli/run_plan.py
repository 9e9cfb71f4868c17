"""What ``up``, ``migrate`` and ``rollback`` have in common: run a plan, show it as a script, or rehearse it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.cli import lock_report, rehearsal
from dbmigrate.cli.call import Call, goal
from dbmigrate.cli.lock_report import Locks
from dbmigrate.cli.options import (
    AllowExisting,
    Backup,
    DryRun,
    ExpectPlan,
    Reason,
    RequireApplied,
    Steps,
    ToVersion,
    Yes,
)
from dbmigrate.cli.rehearsal import Execute, InPlace
from dbmigrate.frozen import frozen
from dbmigrate.planning.approval import Approval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from dbmigrate.api.migrator import Migrator
    from dbmigrate.model import Goal
    from dbmigrate.reports import Report


@frozen
class UpOptions:
    """The options of ``up`` and ``migrate``."""

    to: ToVersion = None
    steps: Steps = None
    dry_run: DryRun = False
    execute: Execute = False
    in_place: InPlace = False
    locks: Locks = None
    expect_plan: ExpectPlan = None
    require_applied_in: RequireApplied = None
    backup: Backup = None
    allow_existing: AllowExisting = False
    yes: Yes = False
    reason: Reason = None

    def wanted(self) -> Wanted:
        """What they ask for. Raises ConfigError E200 for options that exclude each other."""
        approval = Approval(
            yes=self.yes, applied_in=self.require_applied_in, allow_existing=self.allow_existing
        )
        return Wanted(goal(self.steps, self.to), approval, self.expect_plan, self.reason, self.backup)

    def mode(self) -> DryRunMode | None:
        """How it is not to be run; None: it is."""
        where = rehearsal.stage(dry_run=self.dry_run, execute=self.execute, in_place=self.in_place)
        return DryRunMode(where, self.locks) if self.dry_run else None


@frozen
class Wanted:
    """What a command that runs migrations was asked for."""

    goal: Goal
    approval: Approval
    expect_plan: str | None
    reason: str | None
    backup: str | None = None


@frozen
class DryRunMode:
    """How a dry run was asked for: `stage` says where it is rehearsed, None that its script is shown."""

    stage: rehearsal.Stage | None
    locks: bool | None = None


def carry_out(call: Call, command: str, wanted: Wanted, dry: DryRunMode | None) -> None:
    """Run ``up``, ``migrate`` or ``rollback``; or show, or rehearse, what it would run."""
    if dry and dry.stage:
        rehearsal.rehearse(
            call, command, dry.stage, wanted.goal, expect_plan=wanted.expect_plan, approval=wanted.approval
        )
        return
    with call.migrator(
        reason=wanted.reason, expect_plan=wanted.expect_plan, approval=wanted.approval, backup=wanted.backup
    ) as migrator:
        script, run = _ways(migrator)[command]
        if dry is None:
            call.renderer.report(command, run(wanted.goal))
            return
        call.script(script(wanted.goal))
        if command != "rollback":
            lock_report.report(call, migrator, wanted.goal, wanted=dry.locks)


def _ways(migrator: Migrator) -> Mapping[str, tuple[Callable[[Goal], Iterable[str]], Callable[[Goal], Report]]]:
    """The script of each command, and its run."""
    return {
        "up": (migrator.script_up, migrator.up),
        "migrate": (migrator.script_migrate, migrator.migrate),
        "rollback": (migrator.script_rollback, migrator.rollback),
    }
