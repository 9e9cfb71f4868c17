"""Watches the working session from a second connection: its blockers, who waits for it, how far an index build is.

The second connection is opened only when a statement takes long, and nothing depends on it: if the server refuses it,
the run goes on without it.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime
from enum import Enum, auto
from typing import TYPE_CHECKING, TypeVar

import psycopg

from dbmigrate.connection import database, silence
from dbmigrate.errors import Error
from dbmigrate.execution import run_lock
from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbmigrate.connection.database import Connection
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.events import Event
    from dbmigrate.execution.run_lock import Blocker
    from dbmigrate.model import Batch
    from dbmigrate.tracking.tables import Tables

Answer = TypeVar("Answer")

_CONNECT_TIMEOUT = "5"
_ANSWER_SECONDS = 5.0
_ASK_AFTER, _ASK_EVERY = 10.0, 5.0  # seconds without an answer
_LOOKS = 2  # that have to find the session idle: an answer may be on its way
_ACTIVITY = "select state = 'active' or state is null from pg_catalog.pg_stat_activity where pid = %s::int4"

_INDEX_BUILD = """
select phase, blocks_done, blocks_total, tuples_done, tuples_total, current_locker_pid
from pg_catalog.pg_stat_progress_create_index where pid = %s::int4
"""


# one that waits for a lock that the session holds, or is ahead in the queue for; autovacuum waits for nobody's sake
_WAITERS = """
select a.pid, coalesce(a.usename::text, '?'), coalesce(nullif(a.application_name, ''), '?'),
       pg_catalog.left(pg_catalog.regexp_replace(a.query, '\\s+', ' ', 'g'), 80)
from (select distinct pid from pg_catalog.pg_locks where not granted) waiting
join pg_catalog.pg_stat_activity a on a.pid = waiting.pid
where a.usesysid is not null and %s::int4 = any(pg_catalog.pg_blocking_pids(waiting.pid))
"""


@frozen
class Waiter:
    """A session that waits for the watched one, since `seconds`."""

    pid: int
    text: str
    seconds: float = 0.0

    def after(self, seconds: float) -> Waiter:
        return Waiter(self.pid, self.text, seconds)

    def __str__(self) -> str:
        return self.text


class BlocksTooLongError(Exception):
    """Other sessions have waited for the running batch for longer than they may."""

    def __init__(self, batch: Batch, number: int, waiters: tuple[Waiter, ...]) -> None:
        super().__init__("other sessions have waited too long")
        self.batch = batch
        self.number = number
        self.waiters = waiters


class Activity(Enum):
    """What a session does, as far as the server can be asked."""

    ACTIVE = auto()
    IDLE = auto()
    UNKNOWN = auto()


class Monitor:
    """Answers questions about the session `pid`; every answer is empty when there is no second connection."""

    def __init__(self, dsn: Dsn, pid: int) -> None:
        self._dsn = dsn
        self._pid = pid
        self._conn: Connection | None = None
        self._refused = False
        self.has_reported_refusal = False  # whether a warning has said that it is

    def follow(self, pid: int) -> None:
        """Watch another session from now on: behind a pooler each transaction may have another process."""
        self._pid = pid

    def holders(self, tables: Tables) -> tuple[str, ...]:
        """The sessions that hold locks on the tracking tables, described."""
        names = (tables.name, tables.log_name)
        return self._ask(lambda conn: run_lock.holders(conn, tables.schema, names)) or ()

    def watch(self, conn: Connection) -> Silence:
        """A pulse that notices when no answer will come from the session of `conn`."""
        return Silence(self, conn)

    def activity(self) -> Activity:
        """What the server says that the session does."""
        rows = self._ask(lambda conn: database.query(conn, _ACTIVITY, self._pid))
        if rows is None:
            return Activity.UNKNOWN
        return Activity.ACTIVE if rows and rows[0][0] else Activity.IDLE

    def blockers(self) -> tuple[Blocker, ...]:
        return self._ask(lambda conn: run_lock.blockers(conn, self._pid)) or ()

    def waiters(self) -> tuple[Waiter, ...]:
        """The sessions that wait for a lock of the session."""
        return self._ask(self._waiters) or ()

    def detail(self) -> str | None:
        """The blocker of the session, otherwise the phase of its index build, otherwise None."""
        found = self.blockers()
        if found:
            return f"waiting for {found[0]}"
        return self._ask(self._index_build)

    @property
    def is_refused(self) -> bool:
        """Whether the second connection was refused."""
        return self._refused

    def wait_until_gone(self, found: tuple[Blocker, ...], *, seconds: float) -> None:
        """Return when the transactions in `found` have ended, or after `seconds`."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self._ask(lambda conn: any(run_lock.is_alive(conn, b) for b in found)):
            time.sleep(0.2)

    def close(self) -> None:
        if self._conn is not None:
            database.close(self._conn)
            self._conn = None

    def _waiters(self, conn: Connection) -> tuple[Waiter, ...]:
        rows = database.query(conn, _WAITERS, self._pid)
        return tuple(
            Waiter(int(str(pid)), f"process {pid} ({name}, role {role}): {sql}") for pid, role, name, sql in rows
        )

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
                patient = replace(self._dsn, conninfo={"connect_timeout": _CONNECT_TIMEOUT, **self._dsn.conninfo})
                self._conn = database.connect(patient, command="monitor", on_event=_ignore)
                silence.limit(self._conn, _ANSWER_SECONDS)
            return question(self._conn)
        except (psycopg.Error, Error):  # optional: the run must not depend on this connection
            self._refused = True
            self.close()
            return None


class Silence:
    """A pulse for the time without an answer: the server may be working, or may never have got what was sent.

    Ends the wait when the server reports twice that the session is idle. `since` is when the silence began.
    """

    def __init__(self, monitor: Monitor, conn: Connection) -> None:
        self._monitor = monitor
        self._conn = conn
        self._began = self._asked = time.monotonic()
        self._idle = 0
        self.since = datetime.now().astimezone()

    def __call__(self) -> None:
        """Raise psycopg.OperationalError, with the connection closed, when no answer will come."""
        now = time.monotonic()
        if now - self._began < _ASK_AFTER or now - self._asked < _ASK_EVERY:
            return
        self._asked = now
        self._idle = self._idle + 1 if self._monitor.activity() is Activity.IDLE else 0
        if self._idle >= _LOOKS:
            self._conn.pgconn.finish()
            raise psycopg.OperationalError(
                f"no answer from the server since {self.since:%H:%M:%S}, and the session is idle there"
            )

    @property
    def text(self) -> str:
        """The text for the live line."""
        return f"no answer from the server since {self.since:%H:%M:%S}, and a second connection is refused"


def _ignore(event: Event) -> None:
    """Notices of the monitor's session concern nobody."""
