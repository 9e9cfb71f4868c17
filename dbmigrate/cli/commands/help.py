"""``dbmigrate help``."""

from __future__ import annotations

from typing import Annotated

import typer


def help(ctx: typer.Context, command: Annotated[str | None, typer.Argument(metavar="[COMMAND]")] = None) -> None:
    """Show this help, or that of a command."""
    program = ctx.find_root()
    program.command.main([command, "--help"] if command else ["--help"], prog_name="dbmigrate", standalone_mode=False)
