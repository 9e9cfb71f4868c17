"""One direction of a migration inside a transaction that is open already, and that will be rolled back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from dbmigrate.connection import database
from dbmigrate.errors import DatabaseError, MigrationFailed
from dbmigrate.execution import batches, server_errors
from dbmigrate.execution.transactional import refuse_changes
from dbmigrate.migrations import parser

if TYPE_CHECKING:
    from dbmigrate.connection.database import Connection
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.model import Batch, Direction, Migration

# the end of the transaction, as far as it can be had before the end: deferred constraints, and then what
# `Session.reset` does between two migrations, which ends with the settings of the session. Prepared statements stay.
_SETTLE = (
    "SET CONSTRAINTS ALL IMMEDIATE; RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL; CLOSE ALL; UNLISTEN *;"
    " DISCARD TEMP; DISCARD SEQUENCES;"
)


def attempt(conn: Connection, dsn: Dsn, migration: Migration, direction: Direction) -> int:
    """Run it; the number of its statements. What it set for its session is taken back, its effects stay.

    Raises MigrationFailed E401 to E406 with the place; the transaction has failed then, and is for the caller to end.
    ConnectionFailed E305. `dsn` is for secrets in messages.
    """
    number = 0
    try:
        for section in migration.run_order(direction):
            for _, tags in batches.send_all(conn, parser.statements(migration, section), pulse=_ignore):
                number += len(tags)
                refuse_changes(conn, migration)
        database.run(conn, _SETTLE + database.session_settings(conn, dsn))
    except batches.StatementError as exc:
        raise server_errors.failure(exc, migration, dsn) from exc
    except psycopg.Error as exc:  # a deferred constraint, at the end
        error = database.translation(exc, dsn)
        if not isinstance(error, DatabaseError):
            raise error from exc
        message = f"{migration.name}: {error.message} ({error.sqlstate})"
        raise error.recast(MigrationFailed, message, code="E401") from exc
    return number


def _ignore(batch: Batch) -> None:
    """The pulse of a statement that nobody watches."""
