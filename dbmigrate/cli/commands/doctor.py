"""``dbmigrate doctor``."""

from __future__ import annotations

from typing import Annotated

import typer

from dbmigrate.cli.call import Call
from dbmigrate.cli.options import common


@common
def doctor(
    call: Call,
    report: Annotated[
        bool, typer.Option("--report", help="Print text for an issue: with versions, without names and secrets.")
    ] = False,
) -> None:
    """Find what is wrong with the set-up, and say what to do about it; exit with 0 if nothing is."""
    from dbmigrate.cli import diagnosing
    from dbmigrate.diagnostics.values import exit_code
    from dbmigrate.output import doctor as output

    found = diagnosing.answer(call)
    shown = output.report(found) if report else output.lines(found)
    call.renderer.answer("doctor", shown, output.value(found))
    if code := exit_code(found.found):
        raise typer.Exit(code)
