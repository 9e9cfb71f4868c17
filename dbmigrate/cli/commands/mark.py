"""``dbmigrate mark``."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from dbmigrate.cli.call import Call
from dbmigrate.cli.options import Yes, common
from dbmigrate.planning.approval import Approval


class MarkedState(StrEnum):
    """What `mark` records."""

    APPLIED = "applied"
    PENDING = "pending"


@common
def mark(
    call: Call,
    state: Annotated[MarkedState, typer.Argument(metavar="applied|pending")],
    version: Annotated[str, typer.Argument(metavar="VERSION")],
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Reason, kept in the log.", show_default=False)
    ],
    yes: Yes = False,
) -> None:
    """Record one migration as applied or as pending, running nothing."""
    with call.upkeep(reason=reason, approval=Approval(yes=yes)) as upkeep:
        change = upkeep.mark_applied if state is MarkedState.APPLIED else upkeep.mark_pending
        call.renderer.report("mark", change(version))
