"""``dbmigrate rollback``."""

from __future__ import annotations

from typing import Annotated

import typer

from dbmigrate.cli import rehearsal
from dbmigrate.cli.call import Call, goal
from dbmigrate.cli.options import (
    LIMITS,
    Confirm,
    DownTo,
    DryRun,
    ExpectPlan,
    Reason,
    Steps,
    Yes,
    common_with,
)
from dbmigrate.cli.rehearsal import Execute, InPlace
from dbmigrate.cli.run_plan import DryRunMode, Wanted, carry_out
from dbmigrate.cli.scratch import SCRATCH
from dbmigrate.planning.approval import Approval


@common_with(SCRATCH, LIMITS)
def rollback(
    call: Call,
    to: DownTo = None,
    steps: Steps = None,
    all_: Annotated[bool, typer.Option("--all", help="Undo every applied migration.")] = False,
    dry_run: DryRun = False,
    execute: Execute = False,
    in_place: InPlace = False,
    expect_plan: ExpectPlan = None,
    yes: Yes = False,
    confirm: Confirm = None,
    reason: Reason = None,
) -> None:
    """Undo the last migration (also: down)."""
    approval = Approval(yes=yes, database=confirm, everything=all_)
    wanted = Wanted(goal(steps, to, everything=all_, default=1), approval, expect_plan, reason)
    where = rehearsal.stage(dry_run=dry_run, execute=execute, in_place=in_place)
    carry_out(call, "rollback", wanted, DryRunMode(where) if dry_run else None)
