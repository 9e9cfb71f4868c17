"""``dbmigrate create``."""

from __future__ import annotations

from dbmigrate.cli.call import Call
from dbmigrate.cli.options import common


@common
def create(call: Call) -> None:
    """Create the database."""
    with call.migrator() as migrator:
        migrator.create()
    call.renderer.finished("create")
