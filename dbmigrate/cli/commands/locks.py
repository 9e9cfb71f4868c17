"""``dbmigrate locks``."""

from __future__ import annotations

from typing import Annotated

import typer

from dbmigrate.cli.call import Call
from dbmigrate.cli.options import Confirm, Yes, common

_TIMED_OUT = 6


@common
def locks(
    call: Call,
    kill: Annotated[
        int | None, typer.Option("--kill", metavar="PID", help="End the session of this process, after asking.")
    ] = None,
    yes: Yes = False,
    confirm: Confirm = None,
) -> None:
    """Show who waits for whom, since when and with what query; end a session."""
    from dbmigrate.connection import database
    from dbmigrate.diagnostics import locks as reading
    from dbmigrate.output import locks as output

    with call.reachable() as dsn:
        dsn = dsn.hiding(call.settings().values)
        with database.connect(dsn, command="locks", on_event=call.renderer.on_event) as conn, database.translated(dsn):
            picture = reading.read(conn, dsn.quoted)
        if kill is None:
            call.renderer.answer("locks", output.lines(picture, call.settings().environment), output.value(picture))
            return
        session = reading.named(picture, kill)
        shown = output.one_line(session, picture.now)
        _confirm(call, f"end {shown}", yes=yes, confirm=confirm)
        with database.connect(dsn, command="locks", on_event=call.renderer.on_event) as conn, database.translated(dsn):
            is_gone = reading.end(conn, session)
    line = f"ended the session of process {kill}" if is_gone else f"asked process {kill} to end"
    call.renderer.outcome("locks", [line], {"process": kill, "ended": is_gone})
    if not is_gone:
        _warn(call, kill)
        raise typer.Exit(_TIMED_OUT)


def _confirm(call: Call, action: str, *, yes: bool, confirm: str | None) -> None:
    """As for ``drop`` on a protected environment: the database's name. Raises Refused E706, E707, E709."""
    if call.settings().is_protected or confirm is not None:
        from dbmigrate.cli import approval

        approval.confirm_destruction(call, action, confirm=confirm)
    else:
        from dbmigrate.cli import confirming

        confirming.ask(call.renderer, action, yes=yes)


def _warn(call: Call, pid: int) -> None:
    from dbmigrate.model import Problem, Severity

    hint = "it ends when it next looks for requests: after its system call, or with its client's next message"
    call.warn((Problem("W405", f"process {pid} is still there", Severity.WARNING, hint=hint),))
