"""The server of a test session, and the databases on it that are the session's.

A clone is called ``dbmigrate_clone_<token>_<number>``. As long as the session lives it holds the advisory lock of its
token, in the maintenance database: whoever gets that lock knows that the session is gone, and drops what it left.
"""

from __future__ import annotations

import secrets
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from dbmigrate.connection import database
from dbmigrate.errors import ConfigError, Error, LockNotAcquired
from dbmigrate.scratch import choose, removal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbmigrate.connection.database import Connection
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.events import Event

__all__ = ["PREFIX", "Server", "opened"]

PREFIX = "dbmigrate_clone_"
_COMMAND = "pytest"
_SESSIONS, _TEMPLATES = 0x64627073, 0x64627074  # classes of advisory locks: "dbps", "dbpt"
_PATIENCE = 1800.0  # seconds for another session to make a template
_MAY_CREATE = "select rolcreatedb or rolsuper from pg_catalog.pg_roles where rolname = current_user"
_LEFT = f"""
select datname::text from pg_catalog.pg_database where datname ~ '^{PREFIX}[0-9a-f]{{8}}_[0-9]+$'
and datdba = (select oid from pg_catalog.pg_roles where rolname = current_user)
"""


class Server:
    """A server where databases can be made, for one process of pytest."""

    def __init__(self, dsn: Dsn) -> None:
        self.dsn = dsn
        self.token = secrets.token_hex(4)
        self._number = 0
        self._conn: Connection | None = None
        with database.translated(dsn):
            database.refuse_unwritable(database.facts(self.conn), dsn)
            if database.query(self.conn, _MAY_CREATE) != [(True,)]:
                role = str(database.query(self.conn, "select current_user::text")[0][0])
                message = f"the role {role} may not create databases on {dsn.display}"
                raise ConfigError(message, code="E245", hint=f"alter role {role} createdb")
            self.creation_options = choose.creation_options(self.conn, dsn.database)
            self.version = self.conn.info.server_version
            self.role = str(database.query(self.conn, "select current_user::text")[0][0])
            self._sweep()

    @property
    def conn(self) -> Connection:
        """A session in the maintenance database, which holds the lock of the token; a new one if it was lost."""
        if self._conn is None or self._conn.closed:
            self._conn = self._connected()
            database.query(self._conn, "select pg_catalog.pg_try_advisory_lock(%s::int4, %s::int4)", *_key(self.token))
        return self._conn

    def _connected(self) -> Connection:
        try:
            return database.connect(
                self.dsn.with_database(database.MAINTENANCE), command=_COMMAND, on_event=self._ignore
            )
        except Error as exc:
            if exc.code != "E303":
                raise
        return database.connect(self.dsn.with_database("template1"), command=_COMMAND, on_event=self._ignore)

    def close(self) -> None:
        """End the session: the lock of the token goes with it."""
        if self._conn is not None:
            self._conn.close()

    def run(self, *commands: str) -> None:
        """Run commands that cannot stand in a transaction, one by one; again in a new session if this one is lost."""
        with database.translated(self.dsn):
            for command in commands:
                try:
                    database.run(self.conn, command)
                except psycopg.OperationalError as exc:
                    if not database.is_loss(exc):
                        raise
                    self._conn = None
                    database.run(self.conn, command)

    def next_name(self) -> str:
        """A name for a database of this session."""
        self._number += 1
        return f"{PREFIX}{self.token}_{self._number}"

    def drop(self, name: str) -> None:
        """Drop a database, whoever is connected to it. Raises DatabaseError E412."""
        try:
            self.conn.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))
        except psycopg.Error:
            removal.drop(self.dsn, name)

    @contextmanager
    def locked(self, template: str) -> Iterator[None]:
        """Alone with a template, on this server and among all sessions. Raises LockNotAcquired E601."""
        key = (_TEMPLATES, _signed(int(template[-8:], 16)))
        began = time.monotonic()
        while not self._tries(*key):
            if time.monotonic() - began > _PATIENCE:
                message = f"another test session has been making {template} on {self.dsn.display} for half an hour"
                raise LockNotAcquired(message, code="E601", hint="end it, then try again")
            time.sleep(0.05)
        try:
            yield
        finally:
            with suppress(psycopg.Error, Error):
                database.query(self.conn, "select pg_catalog.pg_advisory_unlock(%s::int4, %s::int4)", *key)

    def _tries(self, kind: int, key: int) -> bool:
        rows = database.query(self.conn, "select pg_catalog.pg_try_advisory_lock(%s::int4, %s::int4)", kind, key)
        return rows == [(True,)]

    def _sweep(self) -> None:
        """Drop what sessions that were killed left. What cannot be dropped now is not in the way."""
        for row in database.query(self.conn, _LEFT):
            name = str(row[0])
            token = name.removeprefix(PREFIX).partition("_")[0]
            if token == self.token or not self._tries(*_key(token)):
                continue
            with suppress(Error):
                self.drop(name)
            database.query(self.conn, "select pg_catalog.pg_advisory_unlock(%s::int4, %s::int4)", *_key(token))

    @staticmethod
    def _ignore(event: Event) -> None:
        """The listener of sessions that nobody listens to."""


def _key(token: str) -> tuple[int, int]:
    return _SESSIONS, _signed(int(token, 16))


def _signed(number: int) -> int:
    """PostgreSQL's int4 with these 32 bits."""
    return number - (1 << 32) if number >= 1 << 31 else number


@contextmanager
def opened(dsn: Dsn) -> Iterator[Server]:
    """The server of a session. Raises ConfigError E245, Refused E704, ConnectionFailed."""
    server = Server(dsn)
    try:
        yield server
    finally:
        server.close()
