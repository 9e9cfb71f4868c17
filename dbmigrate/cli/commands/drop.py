"""``dbmigrate drop``."""

from __future__ import annotations

from dbmigrate.cli.call import Call
from dbmigrate.cli.options import WINDOW, Confirm, common_with


@common_with(WINDOW)
def drop(call: Call, confirm: Confirm = None) -> None:
    """Drop the database if it exists."""
    from dbmigrate.cli import approval, watching

    keep_window = watching.keep_window(call)
    approval.confirm_destruction(call, "drop the database", confirm=confirm)
    keep_window()
    with call.migrator() as migrator:
        migrator.drop()
    call.renderer.finished("drop")
