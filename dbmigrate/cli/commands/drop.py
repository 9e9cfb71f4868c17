"""``dbmigrate drop``."""

from __future__ import annotations

from dbmigrate.cli.call import Call
from dbmigrate.cli.options import Confirm, common


@common
def drop(call: Call, confirm: Confirm = None) -> None:
    """Drop the database if it exists."""
    from dbmigrate.cli import approval

    approval.confirm_destruction(call, "drop the database", confirm=confirm)
    with call.migrator() as migrator:
        migrator.drop()
    call.renderer.finished("drop")
