"""``dbmigrate wait``."""

from __future__ import annotations

from dbmigrate.cli.call import Call
from dbmigrate.cli.options import common


@common
def wait(call: Call) -> None:
    """Wait until the server answers."""
    settings = call.settings()
    with call.migrator() as migrator:
        migrator.wait(timeout=settings.wait_timeout, interval=settings.wait_interval)
    call.renderer.finished("wait")
