"""One working session: the connection, the lock on it, the tracking tables, and what becomes of them on failure."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import psycopg
from psycopg import pq

from dbmigrate import database, history, locks, wire
from dbmigrate.errors import ConnectionFailed, Error, LockNotAcquired
from dbmigrate.model import Created
from dbmigrate.monitor import Monitor

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbmigrate.database import Connection, Facts
    from dbmigrate.dsn import Dsn
    from dbmigrate.history import Run, Tables, Writer
    from dbmigrate.model import Event, History

_RECONNECT_SECONDS = 30.0
_RECONNECT_PAUSE = 0.25


@dataclass(frozen=True, slots=True)
class Access:
    """How a session is opened: to which server, as which command, for which table, by whom."""

    dsn: Dsn
    command: str
    table: str
    lock_wait: float
    on_event: Callable[[Event], None]
    describe_run: Callable[[], Run]


class Session:
    """Everything that a run needs of the server. Use as a context manager: leaving it closes all connections."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self.conn: Connection = database.connect(access.dsn, command=access.command, on_event=access.on_event)
        self.facts: Facts = database.facts(self.conn)
        with database.translated(access.dsn):
            self.tables: Tables = history.locate(
                self.conn, access.table, facts=self.facts, search_path=access.dsn.search_path
            )
        self.monitor = Monitor(access.dsn, self.conn.info.backend_pid)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.monitor.close()
        database.close(self.conn)

    @property
    def dsn(self) -> Dsn:
        return self.access.dsn

    @property
    def key(self) -> locks.Key:
        return locks.key_for(self.tables.qualified)

    @cached_property
    def _run(self) -> Run:
        """Asked for on the first write: reading commands do without git."""
        return self.access.describe_run()

    @property
    def writer(self) -> Writer:
        return history.Writer(self.conn, self.tables, self._run)

    def emit(self, event: Event) -> None:
        self.access.on_event(event)

    def read_history(self) -> History:
        with database.translated(self.dsn):
            return history.read(self.conn, self.tables)

    def lock(self) -> None:
        """Become the one runner. Raises LockNotAcquired E601, Refused E703 or E704. Look at the history after this."""
        database.refuse_unwritable(self.facts, self.dsn)
        database.refuse_pooler(self.facts, self.dsn)
        with database.translated(self.dsn):
            locks.acquire(self.conn, self.key, wait=self.access.lock_wait, on_event=self.access.on_event)
            self._locate()

    def _locate(self) -> None:
        self.tables = history.locate(self.conn, self.access.table, facts=self.facts, search_path=self.dsn.search_path)

    def ensure_tables(self) -> None:
        """Make the tracking tables that are missing. Harmless when another tool makes them at the same moment."""
        with database.translated(self.dsn):
            for _ in range(3):
                ddl = history.creation(self.conn, self.tables)
                if not ddl:
                    return
                if not self.tables.schema_exists:
                    self.emit(Created("schema", self.tables.schema))
                # "if not exists" is no protection against two sessions that create at once (23505 on a catalog index)
                with suppress(psycopg.errors.UniqueViolation, psycopg.errors.DuplicateTable):
                    database.run(self.conn, ddl)
                self._locate()

    # -- after a failure

    def abort(self) -> None:
        """Leave no statement running and no transaction open; a session that is beyond that is closed."""
        with suppress(psycopg.Error):
            if self.conn.info.transaction_status == pq.TransactionStatus.ACTIVE:
                self.conn.cancel_safe(timeout=5)
                wire.drain(self.conn)
            if self.conn.info.transaction_status != pq.TransactionStatus.IDLE:
                database.run(self.conn, "ROLLBACK")
            return
        database.close(self.conn)

    def reset(self) -> None:
        """Forget what a migration did to the session, and set it up again; nothing to do for a closed one."""
        if not self.conn.closed:
            database.run(self.conn, database.session_reset() + database.session_settings(self.conn, self.dsn))

    def note(self, text: str) -> None:
        """Write a failure to the log, if that can be done: it must not hide the failure that it tells of."""
        with suppress(Error, psycopg.Error):
            if self.conn.closed or self.conn.broken:
                self.conn = database.connect(self.dsn, command=self.access.command, on_event=self.access.on_event)
            database.run(self.conn, text)

    # -- a connection lost at COMMIT

    def verdict(self, xid: str) -> bool | None:
        """Ask the server on a new connection whether transaction `xid` was committed; None if it cannot be learned.

        https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-PG-SNAPSHOT (pg_xact_status)
        """
        deadline = time.monotonic() + _RECONNECT_SECONDS
        database.close(self.conn)
        while time.monotonic() < deadline:
            with suppress(ConnectionFailed, psycopg.Error):
                if self.conn.closed:
                    self.conn = database.connect(self.dsn, command=self.access.command, on_event=self.access.on_event)
                status = database.query(self.conn, "select pg_catalog.pg_xact_status(%s::text::xid8)", xid)[0][0]
                if status in ("committed", "aborted"):
                    return status == "committed"
            time.sleep(_RECONNECT_PAUSE)
        return None

    def regain_lock(self) -> None:
        """Take the lock again after a reconnection, without waiting for whoever may have got it meanwhile."""
        self.monitor.close()
        self.monitor = Monitor(self.dsn, self.conn.info.backend_pid)
        with database.translated(self.dsn):
            if not locks.try_acquire(self.conn, self.key):
                raise LockNotAcquired(
                    f"the connection was lost, and another run has the lock now: {locks.holder(self.conn, self.key)}",
                    code="E601",
                    hint="run the command again",
                )
