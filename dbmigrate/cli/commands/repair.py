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
        bool, typer.Option("--forget-missing", help="Forget applied versions whose files are gone.")
    ] = False,
    yes: Yes = False,
    reason: Reason = None,
) -> None:
    """Make the records agree with the files, after showing what will change."""
    from dbmigrate.api.records import Repair

    wanted = Repair(forget_missing=forget_missing)
    with call.upkeep(reason=reason, approval=Approval(yes=yes)) as upkeep:
        planned = upkeep.plan_repair(wanted)
        call.renderer.plan(planned)
        if planned.steps:
            if not call.settings().is_protected:  # there, more than a y is asked for
                call.confirm(f"change the records of {call.where(call.settings())}", yes=yes)
            call.renderer.report("repair", upkeep.repair(wanted, expected=planned))
        else:
            call.renderer.finished("repair")
