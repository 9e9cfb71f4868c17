"""The role that migrations run as on a throw-away server: it owns the scratch databases, and is not a superuser.

A superuser can run programs and read files as the account of the server, which is the one of whoever reviews a file
with `check` or a dry run. So the superuser that initdb made gets another name, and a plain role gets its: files that
say ``owner to postgres`` find it. Before PostgreSQL 16 a role with CREATEROLE can give itself
pg_execute_server_program, so there it has not got that attribute.
https://www.postgresql.org/docs/current/role-attributes.html
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate.connection import database

if TYPE_CHECKING:
    from dbmigrate.connection.database import Connection
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.events import Event

ADMIN = "dbmigrate_admin"
WORKER = "postgres"
_BOOTSTRAP = "dbmigrate_bootstrap"
_COMMAND = "scratch"


def confine(server: Dsn) -> Dsn:
    """Take the superuser's rights from the role that initdb made on our own `server`; how its administrator logs in."""
    admin = as_role(server, ADMIN)
    with database.maintenance(server, _COMMAND, _ignore) as conn, database.translated(server):
        database.run(conn, f"create role {ADMIN} superuser login")
    with database.maintenance(admin, _COMMAND, _ignore) as conn, database.translated(server):
        database.run(conn, f"alter role {WORKER} rename to {_BOOTSTRAP};\n{_worker(conn)}")
    return admin


def _worker(conn: Connection) -> str:
    version = conn.info.server_version
    script = f"create role {WORKER} login createdb bypassrls;\ngrant pg_monitor, pg_signal_backend to {WORKER};\n"
    if version >= 140000:
        script += f"grant pg_read_all_data, pg_write_all_data to {WORKER};\n"
    if version >= 160000:
        script += f"alter role {WORKER} createrole;\nalter role {WORKER} set createrole_self_grant = 'set, inherit';\n"
    return script


def as_role(server: Dsn, role: str) -> Dsn:
    """The same place for another role."""
    return replace(server, conninfo={**server.conninfo, "user": role})


def elevate(admin: Dsn) -> None:
    """Make the role a superuser from now on, in sessions that are open already as well."""
    _alter(admin, "superuser")


def lower(admin: Dsn) -> None:
    """Take that back."""
    _alter(admin, "nosuperuser")


def own_public(database_of_admin: Dsn) -> None:
    """Before PostgreSQL 15 the schema public belongs to the superuser, afterwards to the owner of the database."""
    with database.connect(database_of_admin, command=_COMMAND, on_event=_ignore) as conn:
        if conn.info.server_version < 150000:
            with database.translated(database_of_admin):
                database.run(conn, f"alter schema public owner to {WORKER}")


def _alter(admin: Dsn, attribute: str) -> None:
    with database.maintenance(admin, _COMMAND, _ignore) as conn, database.translated(admin):
        database.run(conn, f"alter role {WORKER} {attribute}")


def _ignore(event: Event) -> None:
    """The listener of sessions that nobody listens to."""
