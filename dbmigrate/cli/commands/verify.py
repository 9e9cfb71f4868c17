"""``dbmigrate verify``."""

from __future__ import annotations

from typing import Annotated

import typer

from dbmigrate.cli.call import Call
from dbmigrate.cli.options import TARGETS, common_with


@common_with(TARGETS)
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
