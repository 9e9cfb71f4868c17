"""``dbmigrate load``."""

from __future__ import annotations

from dbmigrate.cli.call import Call
from dbmigrate.cli.options import WINDOW, Confirm, common_with


@common_with(WINDOW)
def load(call: Call, confirm: Confirm = None) -> None:
    """Load the schema file into the database, whole or not at all."""
    from dbmigrate.cli import approval, watching

    keep_window = watching.keep_window(call)
    approval.confirm_destruction(call, f"load {call.settings().schema_file}", confirm=confirm)
    keep_window()
    with call.migrator() as migrator:
        loaded = migrator.load(call.settings().schema_file)
    call.renderer.outcome("load", (), {"path": loaded.path, "recorded": loaded.recorded})
