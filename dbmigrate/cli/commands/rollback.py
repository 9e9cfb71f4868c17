"""``dbmigrate rollback``."""

from __future__ import annotations

from typing import Annotated

import typer

from dbmigrate.cli.call import Call
from dbmigrate.cli.options import (
    LIMITS,
    ROLLOUT,
    SCRATCH,
    TARGETS,
    WATCHED,
    Confirm,
    DownTo,
    DryRun,
    Execute,
    ExpectPlan,
    InPlace,
    Locks,
    OnClone,
    Reason,
    RehearsalSummary,
    Salvage,
    SalvageLimit,
    Steps,
    Traffic,
    Yes,
    common_with,
)
from dbmigrate.cli.run_plan import run_plan
from dbmigrate.cli.run_request import RunRequest, dry_run_request, rollback_goal, salvage_request, with_clone
from dbmigrate.planning.approval import Approval


@common_with(SCRATCH, LIMITS, TARGETS, ROLLOUT, WATCHED)
def rollback(
    call: Call,
    to: DownTo = None,
    steps: Steps = None,
    all_: Annotated[bool, typer.Option("--all", help="Undo every applied migration.")] = False,
    run: Annotated[
        str | None, typer.Option("--run", metavar="last", help="Undo what the last run applied, and nothing else.")
    ] = None,
    dry_run: DryRun = False,
    execute: Execute = False,
    in_place: InPlace = False,
    on: OnClone = None,
    traffic: Traffic = None,
    summary: RehearsalSummary = None,
    locks: Locks = None,
    expect_plan: ExpectPlan = None,
    salvage: Salvage = None,
    salvage_limit: SalvageLimit = None,
    yes: Yes = False,
    confirm: Confirm = None,
    reason: Reason = None,
) -> None:
    """Undo the last migration (also: down)."""
    approval = Approval(yes=yes, database=confirm, everything=all_)
    aim = rollback_goal(steps, to, run, everything=all_)
    salvaging = salvage_request(salvage, salvage_limit, dry_run)
    request = RunRequest(aim, approval, expect_plan, reason, salvage=salvaging)
    wanted = with_clone(dry_run_request(dry_run, execute, in_place, locks), on, traffic, summary)
    run_plan(call, "rollback", request, wanted)
