"""Drop a scratch database, whatever a migration has made of it.

DROP DATABASE refuses a template, and a database with prepared transactions, subscriptions or a replication slot in use;
FORCE ends sessions and nothing else. https://www.postgresql.org/docs/current/sql-dropdatabase.html
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from dbmigrate.connection import database
from dbmigrate.errors import DatabaseError, Error

if TYPE_CHECKING:
    from dbmigrate.connection.database import Connection
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.events import Event

_COMMAND = "scratch"
_PREPARED = "select gid from pg_catalog.pg_prepared_xacts where database = pg_catalog.current_database()"
_SUBSCRIPTIONS = """
select subname::text from pg_catalog.pg_subscription
where subdbid = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())
"""
_SLOTS = """
select pg_catalog.pg_terminate_backend(active_pid) from pg_catalog.pg_replication_slots
where database = %s::pg_catalog.text and active_pid is not null
"""


def drop(server: Dsn, name: str, *, force: str = " with (force)") -> None:
    """Drop the database `name`, if it is there. Raises DatabaseError E412, ConnectionFailed."""
    with database.maintenance(server, _COMMAND, _ignore) as conn:
        command = sql.SQL("drop database if exists {}" + force).format(sql.Identifier(name))
        try:
            conn.execute(command)
        except psycopg.Error:
            _clear(conn, server, name)
        else:
            return
        try:
            conn.execute(command)
        except psycopg.Error as exc:
            error = database.translation(exc, server)
            if not isinstance(error, DatabaseError):
                raise error from exc
            message = f"the scratch database {name} could not be dropped: {error.message}"
            by_hand = f"drop it by hand: drop database {sql.Identifier(name).as_string(conn)}"
            raise error.recast(DatabaseError, message, code="E412", hint=by_hand) from exc


def _clear(conn: Connection, server: Dsn, name: str) -> None:
    """Take away what stands in the way, as far as that can be done: the next DROP says what is left."""
    quoted = sql.Identifier(name)
    for option in ("is_template false", "allow_connections true", "connection limit -1"):
        with suppress(psycopg.Error):
            conn.execute(sql.SQL("alter database {} " + option).format(quoted))
    with suppress(psycopg.Error):
        database.query(conn, _SLOTS, name)
    with suppress(Error), database.connect(server.with_database(name), command=_COMMAND, on_event=_ignore) as inside:
        _clear_inside(inside)


def _clear_inside(conn: Connection) -> None:
    with suppress(psycopg.Error):
        for row in database.query(conn, _PREPARED):
            conn.execute(sql.SQL("rollback prepared {}").format(sql.Literal(row[0])))
    with suppress(psycopg.Error):
        for row in database.query(conn, _SUBSCRIPTIONS):
            name = sql.Identifier(str(row[0]))
            # without a slot the publisher is not asked, which may be gone or somebody's: its slot is not ours to drop
            conn.execute(sql.SQL("alter subscription {} disable").format(name))
            conn.execute(sql.SQL("alter subscription {} set (slot_name = none)").format(name))
            conn.execute(sql.SQL("drop subscription {}").format(name))


def _ignore(event: Event) -> None:
    """The listener of sessions that nobody listens to."""
