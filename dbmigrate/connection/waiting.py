"""Waits for a server that is being started."""

from __future__ import annotations

import time
from itertools import count
from typing import TYPE_CHECKING

from dbmigrate.connection import database
from dbmigrate.errors import ConnectionFailed
from dbmigrate.events import Waiting

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.events import Event


def wait(dsn: Dsn, *, timeout: float, interval: float, on_event: Callable[[Event], None]) -> None:
    """Return when the server answers a login; also if the database does not exist (dbmate's rule).

    Tries every `interval` seconds for `timeout` seconds. Raises ConnectionFailed E302 with the last reason. The first
    failed try is reported even where it took so long that no time is left for a second one, as dbmate does.
    """
    started = time.monotonic()
    for number in count():
        try:
            database.exists(dsn)
        except ConnectionFailed as exc:
            waited = time.monotonic() - started
            is_last = waited + interval > timeout
            if number == 0 or not is_last:
                on_event(Waiting(f"database {dsn.display}", waited))
            if is_last:
                message = f"unable to connect to database: {exc.message}"
                raise exc.recast(ConnectionFailed, message, code="E302") from exc
            time.sleep(interval)
        else:
            return
