"""``dbmigrate run``."""

from __future__ import annotations

from typing import Annotated

import typer

from dbmigrate.cli import replacing
from dbmigrate.cli.call import Call
from dbmigrate.cli.options import (
    BACKFILLS,
    LIMITS,
    STRICT,
    WATCHED,
    AllowBreaking,
    AllowExisting,
    Reason,
    RequireApplied,
    Yes,
    common_with,
)
from dbmigrate.errors import ConfigError, unchanged
from dbmigrate.planning.approval import Approval

_DONE = "the migrations are done"


@common_with(STRICT, BACKFILLS, LIMITS, WATCHED)
def run(
    ctx: typer.Context,
    call: Call,
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="-- CMD...", help="The program to become, with its arguments.", show_default=False),
    ] = None,
    require_applied_in: RequireApplied = None,
    allow_existing: AllowExisting = False,
    allow_breaking: AllowBreaking = False,
    yes: Yes = False,
    reason: Reason = None,
) -> None:
    """Wait for the server, apply what is pending, then become CMD."""
    call.leave_stdout()
    call.add({"wait": True})
    words = _words(command, ctx)
    path = replacing.found(words, call.environ)
    _refuse_embedded(call)
    approval = Approval(
        yes=yes, applied_in=require_applied_in, allow_existing=allow_existing, allow_breaking=allow_breaking
    )
    with call.watched("run"), call.migrator(reason=reason, approval=approval) as migrator:
        if call.settings().applies_in_run:
            call.renderer.report("run", migrator.up())
        else:
            _tell(call)
    try:
        replacing.become(path, words, call.environ, state=_DONE)
    except OSError as exc:
        failed = ConfigError(f"cannot start {words[0]}: {exc.strerror}", code="E229", hint="check its first line")
        failed.state = f"{_DONE}, and {words[0]} was not started"
        raise failed from exc


def _words(command: list[str] | None, ctx: typer.Context) -> list[str]:
    """The words of CMD. Without ``--`` an option of CMD would be taken for one of dbmigrate."""
    hint = "write `dbmigrate run -- CMD ...`; `dbmigrate up` applies what is pending, and starts nothing"
    if not command:
        raise unchanged(ConfigError("run needs a command", code="E200", hint=hint))
    if not ctx.meta.get("separated"):
        raise unchanged(ConfigError("run needs -- before the command", code="E200", hint=hint))
    return command


def _refuse_embedded(call: Call) -> None:
    """Raise ConfigError E236: what is started for one command is gone when CMD begins."""
    if call.settings().target().embedded is not None:
        raise unchanged(
            ConfigError(
                "the embedded server ends before the command begins",
                code="E236",
                hint="run CMD on a server that stays; `dbmigrate up` migrates an embedded one",
            )
        )


def _tell(call: Call) -> None:
    from dbmigrate.model import Problem, Severity

    origin = call.settings().origins["DBMIGRATE_AUTO"]
    call.warn((Problem("W720", f"nothing is migrated: DBMIGRATE_AUTO is off ({origin})", Severity.NOTE),))
