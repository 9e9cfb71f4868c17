"""A look at the working session from outside: whom it waits for, and how far an index build is.

The second connection is opened only when a statement takes long, and nothing depends on it: where it is refused, the
work goes on without.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

import psycopg

from dbmigrate import database, locks
from dbmigrate.errors import Error

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbmigrate.database import Connection
    from dbmigrate.dsn import Dsn
    from dbmigrate.events import Event
    from dbmigrate.locks import Blocker

Answer = TypeVar("Answer")

_INDEX_BUILD = """
select phase, blocks_done, blocks_total, tuples_done, tuples_total, current_locker_pid
from pg_catalog.pg_stat_progress_create_index where pid = %s::int4
"""


class Monitor:
    """Answers questions about the session `pid`; every answer is empty when there is no second connection."""

    def __init__(self, dsn: Dsn, pid: int) -> None:
        self._dsn = dsn
        self._pid = pid
        self._conn: Connection | None = None
        self._refused = False

    def follow(self, pid: int) -> None:
        """Look at another session from now on: behind a pooler each transaction may have a process of its own."""
        self._pid = pid

    def blockers(self) -> tuple[Blocker, ...]:
        return self._ask(lambda conn: locks.blockers(conn, self._pid)) or ()

    def detail(self) -> str | None:
        """Whom the session waits for, else the phase of its index build, else None."""
        found = self.blockers()
        if found:
            return f"waiting for {found[0]}"
        return self._ask(self._index_build)

    def wait_until_gone(self, found: tuple[Blocker, ...], *, seconds: float) -> None:
        """Return when the transactions in `found` have ended, or after `seconds`."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self._ask(lambda conn: any(locks.is_alive(conn, b) for b in found)):
            time.sleep(0.2)

    def close(self) -> None:
        if self._conn is not None:
            database.close(self._conn)
            self._conn = None

    def _index_build(self, conn: Connection) -> str | None:
        rows = database.query(conn, _INDEX_BUILD, self._pid)
        if not rows:
            return None
        phase, blocks, all_blocks, tuples, all_tuples, locker = rows[0]
        share = f" {tuples:,}/{all_tuples:,} tuples" if all_tuples else ""
        share = share or (f" {blocks:,}/{all_blocks:,} blocks" if all_blocks else "")
        return f"{phase}{share}" + (f", waiting for process {locker}" if locker else "")

    def _ask(self, question: Callable[[Connection], Answer]) -> Answer | None:
        if self._refused:
            return None
        try:
            if self._conn is None:
                self._conn = database.connect(self._dsn, command="monitor", on_event=_ignore)
            return question(self._conn)
        except (psycopg.Error, Error):  # optional by design: the work must not depend on being watched
            self._refused = True
            self.close()
            return None


def _ignore(event: Event) -> None:
    """The monitor's own session has nothing to tell."""
