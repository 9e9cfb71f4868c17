"""Makes the tracking tables: the only DDL of our own that ever runs in a user's database."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg

from dbmigrate.connection import database
from dbmigrate.errors import DatabaseError
from dbmigrate.events import Created

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbmigrate.connection.database import Connection
    from dbmigrate.events import Event
    from dbmigrate.tracking.tables import Tables

__all__ = ["make"]


def make(conn: Connection, tables: Tables, ddl: str, on_event: Callable[[Event], None]) -> None:
    """Run the DDL that `tables.creation` has made. Raises DatabaseError E402 where the role may not."""
    if not tables.schema_exists:
        on_event(Created("schema", tables.schema))
    # "if not exists" does not protect two sessions that create at once (23505 on a catalog index)
    with suppress(psycopg.errors.UniqueViolation, psycopg.errors.DuplicateTable):
        try:
            database.run(conn, ddl)
        except psycopg.errors.InsufficientPrivilege as exc:
            raise _forbidden(tables, ddl, exc) from exc


def _forbidden(tables: Tables, ddl: str, exc: psycopg.Error) -> DatabaseError:
    verb, hint = (
        "made",
        (
            f"let a role that may create them in schema {tables.schema} run the first `dbmigrate up`,"
            " or make them by hand and grant select, insert, update and delete"
        ),
    )
    if tables.missing:
        verb = "extended"
        hint = f"let the owner of {tables.schema}.{tables.log_name} run `dbmigrate up`, or the command"
    return DatabaseError(
        f"the tracking tables cannot be {verb}: {exc.diag.message_primary}",
        code="E402",
        details=(("missing", " ".join(ddl.split())),),
        hint=hint,
        sqlstate=exc.sqlstate,
    )
