"""``dbmigrate baseline``."""

from __future__ import annotations

from typing import Annotated

import typer

from dbmigrate.cli.call import Call
from dbmigrate.cli.options import Reason, Yes, common
from dbmigrate.planning.approval import Approval


@common
def baseline(
    call: Call,
    version: Annotated[str, typer.Argument(metavar="VERSION")],
    yes: Yes = False,
    reason: Reason = None,
) -> None:
    """Record everything up to VERSION as applied, running nothing."""
    with call.upkeep(reason=reason, approval=Approval(yes=yes)) as upkeep:
        call.renderer.report("baseline", upkeep.baseline(version))
