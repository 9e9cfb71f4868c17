"""``dbmigrate backfill``."""

from __future__ import annotations

from typing import Annotated

import typer

from dbmigrate.cli.call import Call
from dbmigrate.cli.options import LIMITS, PAGES, ROLLOUT, TARGETS, WATCHED, Reason, Yes, common_with


@common_with(LIMITS, PAGES, TARGETS, ROLLOUT, WATCHED)
def backfill(
    call: Call,
    version: Annotated[str | None, typer.Argument(metavar="[VERSION]", help="Run this one only.")] = None,
    yes: Yes = False,
    reason: Reason = None,
    for_: Annotated[
        str | None, typer.Option("--for", metavar="DURATION", help="Pause after this time, between two pages.")
    ] = None,
) -> None:
    """Run the backfills that were deferred, paused or interrupted."""
    from dbmigrate.planning.approval import Approval
    from dbmigrate.settings.durations import duration

    seconds = None if for_ is None else duration(for_, "--for")
    with call.watched("backfill"), call.migrator(reason=reason, approval=Approval(yes=yes)) as migrator:
        call.renderer.report("backfill", migrator.backfill(version, seconds=seconds))
