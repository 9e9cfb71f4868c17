"""Commands that correct what is recorded. Each one parses, calls one method, renders what it returns."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from dbmigrate.cli.call import Call
from dbmigrate.cli.options import LockTimeout, LockWait, Reason, Timeout, Yes, common
from dbmigrate.guards import Consent


class MarkedState(StrEnum):
    """What `mark` records."""

    APPLIED = "applied"
    PENDING = "pending"


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
    from dbmigrate.upkeep import Repair

    wanted = Repair(forget_missing=forget_missing)
    with call.upkeep(reason=reason, consent=Consent(yes=yes)) as upkeep:
        planned = upkeep.plan_repair(wanted)
        call.renderer.plan(planned)
        if planned.steps:
            if not call.settings().is_protected:  # there, more than a y is asked for
                call.confirm(f"change the records of {call.where(call.settings())}", yes=yes)
            call.renderer.report("repair", upkeep.repair(wanted, expected=planned))
        else:
            call.renderer.finished("repair")


@common
def baseline(
    call: Call,
    version: Annotated[str, typer.Argument(metavar="VERSION")],
    yes: Yes = False,
    reason: Reason = None,
) -> None:
    """Record everything up to VERSION as applied, running nothing."""
    with call.upkeep(reason=reason, consent=Consent(yes=yes)) as upkeep:
        call.renderer.report("baseline", upkeep.baseline(version))


@common
def mark(
    call: Call,
    state: Annotated[MarkedState, typer.Argument(metavar="applied|pending")],
    version: Annotated[str, typer.Argument(metavar="VERSION")],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept in the log.", show_default=False)],
    yes: Yes = False,
) -> None:
    """Record one migration as applied or as pending, running nothing."""
    with call.upkeep(reason=reason, consent=Consent(yes=yes)) as upkeep:
        change = upkeep.mark_applied if state is MarkedState.APPLIED else upkeep.mark_pending
        call.renderer.report("mark", change(version))


@common
def resume(
    call: Call,
    retry: Annotated[list[int] | None, typer.Option("--retry", metavar="N", help="Run statement N again.")] = None,
    done: Annotated[list[int] | None, typer.Option("--done", metavar="N", help="Take statement N as done.")] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Run the down section instead.")] = False,
    lock_wait: LockWait = None,
    lock_timeout: LockTimeout = None,
    timeout: Timeout = None,
    yes: Yes = False,
    reason: Reason = None,
) -> None:
    """Go on with a migration without a transaction that stopped half-way."""
    from dbmigrate.upkeep import Decision

    call.add({"lock_wait": lock_wait, "lock_timeout": lock_timeout, "timeout": timeout})
    decision = Decision(retry=frozenset(retry or ()), done=frozenset(done or ()))
    with call.upkeep(reason=reason, consent=Consent(yes=yes)) as upkeep:
        call.renderer.report("resume", upkeep.undo() if undo else upkeep.resume(decision))
