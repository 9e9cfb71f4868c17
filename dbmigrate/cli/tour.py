"""The first steps: the demonstration, and the help."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from dbmigrate.cli.call import Call
from dbmigrate.cli.options import common
from dbmigrate.guards import Consent


@common
def demo(call: Call) -> None:
    """Run the example project on an embedded PostgreSQL, in this folder."""
    from pathlib import Path

    from dbmigrate import demo as example

    example.unpack(Path.cwd())
    call.add({"url": example.URL})
    with call.migrator(consent=Consent(yes=True)) as migrator:  # its own database, whatever DBMIGRATE_ENV says
        call.renderer.report("demo", migrator.up())
        call.renderer.status(migrator.status())
    call.renderer.suggestions(example.program(sys.argv[0]))


def help_(ctx: typer.Context, command: Annotated[str | None, typer.Argument(metavar="[COMMAND]")] = None) -> None:
    """Show this help, or that of a command."""
    program = ctx.find_root()
    program.command.main([command, "--help"] if command else ["--help"], prog_name="dbmigrate", standalone_mode=False)
