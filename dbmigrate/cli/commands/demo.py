"""``dbmigrate demo``."""

from __future__ import annotations

import sys

from dbmigrate.cli.call import Call
from dbmigrate.cli.options import common
from dbmigrate.planning.approval import Approval


@common
def demo(call: Call) -> None:
    """Run the example project on an embedded PostgreSQL, in this directory."""
    from pathlib import Path

    from dbmigrate.cli import demo as example

    example.unpack(Path.cwd())
    call.add({"url": example.URL})
    with call.migrator(approval=Approval(yes=True)) as migrator:  # the database is its own, whatever DBMIGRATE_ENV says
        call.renderer.report("demo", migrator.up())
        call.renderer.status(migrator.status())
    call.renderer.suggestions(example.program(sys.argv[0]))
