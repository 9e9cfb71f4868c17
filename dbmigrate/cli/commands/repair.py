"""``dbmigrate repair``."""

from __future__ import annotations

from typing import Annotated

import typer

from dbmigrate.cli.call import Call
from dbmigrate.cli.options import Reason, Yes, common
from dbmigrate.planning.approval import Approval


@common
def repair(
    call: Call,
    forget_missing: Annotated[
        bool, typer.Option("--forget-missing", help="Record applied versions without a file as pending.")
    ] = False,
    yes: Yes = False,
    reason: Reason = None,
) -> None:
    """Correct the records to match the files, after showing what will change."""
    from dbmigrate.api.records import Repair

    request = Repair(forget_missing=forget_missing)
    with call.upkeep(reason=reason, approval=Approval(yes=yes)) as upkeep:
        planned = upkeep.plan_repair(request)
        call.renderer.plan(planned)
        if planned.steps:
            if not call.settings().is_protected:  # there, the name of the environment is needed
                call.confirm(f"change the records of {call.target_name(call.settings())}", yes=yes)
            call.renderer.report("repair", upkeep.repair(request, expected=planned))
        else:
            call.renderer.finished("repair")
