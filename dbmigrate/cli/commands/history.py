"""``dbmigrate history``."""

from __future__ import annotations

from typing import Annotated

import typer

from dbmigrate.cli.call import Call
from dbmigrate.cli.options import common


@common
def history(
    call: Call,
    number: Annotated[int | None, typer.Option("-n", "--number", metavar="N", min=1, help="Only N entries.")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Only failures.")] = False,
) -> None:
    """Show the log, the newest entry first."""
    with call.upkeep() as upkeep:
        call.renderer.log_entries(upkeep.history(limit=number, failed=failed))
