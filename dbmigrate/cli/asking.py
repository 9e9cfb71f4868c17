"""Commands that answer questions about one database. Each one parses, calls one method, renders what it returns."""

from __future__ import annotations

from typing import Annotated

import typer

from dbmigrate.cli.call import Call
from dbmigrate.cli.options import common


@common
def status(
    call: Call,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 1 if anything is pending.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing; implies --exit-code.")] = False,
) -> None:
    """Show applied and pending migrations."""
    call.add({"quiet": quiet})
    with call.migrator() as migrator:
        found = migrator.status()
    if not call.is_quiet:
        call.renderer.status(found)
    if found.pending and (exit_code or call.is_quiet):
        raise typer.Exit(1)


@common
def verify(
    call: Call,
    warn_only: Annotated[bool, typer.Option("--warn-only", help="Exit with 0 whatever is found.")] = False,
) -> None:
    """Compare the files with what was applied; exit with 1 if they disagree."""
    with call.upkeep() as upkeep:
        findings = upkeep.verify()
    call.renderer.findings(findings)
    if any(finding.is_serious for finding in findings) and not warn_only:
        raise typer.Exit(1)


@common
def history(
    call: Call,
    number: Annotated[int | None, typer.Option("-n", "--number", metavar="N", min=1, help="The last N events.")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Only what failed.")] = False,
) -> None:
    """Show the log, the newest event first."""
    with call.upkeep() as upkeep:
        call.renderer.events(upkeep.history(limit=number, failed=failed))
