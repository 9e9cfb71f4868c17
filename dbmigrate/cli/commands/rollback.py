"""``dbmigrate rollback``."""

from __future__ import annotations

from typing import Annotated

import typer

from dbmigrate.cli.call import Call, goal
from dbmigrate.cli.options import (
    LIMITS,
    SCRATCH,
    WATCHED,
    Confirm,
    DownTo,
    DryRun,
    Execute,
    ExpectPlan,
    InPlace,
    Locks,
    Reason,
    Salvage,
    SalvageLimit,
    Steps,
    Yes,
    common_with,
)
from dbmigrate.cli.run_plan import run_plan
from dbmigrate.cli.run_request import RunRequest, dry_run_request, salvage_request
from dbmigrate.planning.approval import Approval


@common_with(SCRATCH, LIMITS, WATCHED)
def rollback(
    call: Call,
    to: DownTo = None,
    steps: Steps = None,
    all_: Annotated[bool, typer.Option("--all", help="Undo every applied migration.")] = False,
    dry_run: DryRun = False,
    execute: Execute = False,
    in_place: InPlace = False,
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
    aim = goal(steps, to, everything=all_, default=1)
    salvaging = salvage_request(salvage, salvage_limit, dry_run)
    request = RunRequest(aim, approval, expect_plan, reason, salvage=salvaging)
    run_plan(call, "rollback", request, dry_run_request(dry_run, execute, in_place, locks))
