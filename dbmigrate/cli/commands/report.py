"""``dbmigrate report``."""

from __future__ import annotations

from typing import Annotated

import typer

from dbmigrate.cli.call import Call
from dbmigrate.cli.options import ScratchUrl, common

PAGE = "report.html"


@common
def report(
    call: Call,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help=f"The file to write; - is stdout. [{PAGE}]")
    ] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Write the catalogue of the migrations in Markdown. [db/MIGRATIONS.md]")
    ] = False,
    scratch_url: ScratchUrl = None,
) -> None:
    """Write a page that shows environments, pending migrations with their locks, history and schema."""
    from dbmigrate.cli import reporting

    call.add({"scratch_url": scratch_url})
    if markdown:
        reporting.write_markdown(call, output)
    else:
        reporting.write_page(call, output or PAGE)
