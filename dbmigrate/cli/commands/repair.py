"""``dbmigrate repair``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dbmigrate.cli.call import Call
from dbmigrate.cli.options import Reason, Yes, common
from dbmigrate.errors import ConfigError
from dbmigrate.planning.approval import Approval

if TYPE_CHECKING:
    from dbmigrate.api.records import Repair


@common
def repair(
    call: Call,
    forget_missing: Annotated[
        bool, typer.Option("--forget-missing", help="Record applied versions without a file as pending.")
    ] = False,
    forget: Annotated[
        list[str] | None,
        typer.Option("--forget", metavar="VERSION", help="Only forget this version, whose file is gone for good."),
    ] = None,
    yes: Yes = False,
    reason: Reason = None,
) -> None:
    """Correct the records to match the files, after showing what will change."""
    request = _request(forget_missing, tuple(forget or ()), reason)
    with call.upkeep(reason=reason, approval=Approval(yes=yes)) as upkeep:
        planned = upkeep.plan_repair(request)
        call.renderer.plan(planned)
        if planned.steps:
            if not call.settings().is_protected:  # there, the name of the environment is needed
                from dbmigrate.cli import confirming

                confirming.ask(call.renderer, f"change the records of {call.target_name(call.settings())}", yes=yes)
            call.renderer.report("repair", upkeep.repair(request, expected=planned))
        else:
            call.renderer.finished("repair")


def _request(forget_missing: bool, forget: tuple[str, ...], reason: str | None) -> Repair:
    """What the options ask for. Raises ConfigError E200."""
    from dbmigrate.api.records import Repair

    if forget and forget_missing:
        raise ConfigError("--forget and --forget-missing exclude each other", code="E200", hint="give one of them")
    if forget and not (reason or "").strip():
        raise ConfigError("--forget needs --reason", code="E200", hint="say why: the log keeps it")
    return Repair(forget_missing=forget_missing, forget=forget)
