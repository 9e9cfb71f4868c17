"""``dbmigrate resume``."""

from __future__ import annotations

from typing import Annotated

import typer

from dbmigrate.cli.call import Call
from dbmigrate.cli.options import LIMITS, PAGES, WATCHED, Reason, Yes, common_with
from dbmigrate.planning.approval import Approval


@common_with(LIMITS, PAGES, WATCHED)
def resume(
    call: Call,
    retry: Annotated[list[int] | None, typer.Option("--retry", metavar="N", help="Run statement N again.")] = None,
    done: Annotated[list[int] | None, typer.Option("--done", metavar="N", help="Treat statement N as done.")] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Roll back: run the down section instead.")] = False,
    yes: Yes = False,
    reason: Reason = None,
) -> None:
    """Continue a non-transactional migration that stopped partway."""
    from dbmigrate.api.records import Decision

    decision = Decision(retry=frozenset(retry or ()), done=frozenset(done or ()))
    with call.watched("resume"), call.upkeep(reason=reason, approval=Approval(yes=yes)) as upkeep:
        call.renderer.report("resume", upkeep.undo() if undo else upkeep.resume(decision))
