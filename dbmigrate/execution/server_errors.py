"""Turns a server's error into one that names the file, the line, the token and what to do."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

import psycopg

from dbmigrate.connection import database, redaction
from dbmigrate.errors import ConnectionFailed, DatabaseError, Error, MigrationFailed
from dbmigrate.execution.batches import StatementError
from dbmigrate.model import Excerpt, Place, Statement

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.model import Migration

_WORD = re.compile(r"""[:]'\w+'|:?"(?:[^"\n]|"")*"|[\w$]+|\S""")
_SHOWN_BEFORE = 2

# PostgreSQL's error codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
_HINTS = {
    "25001": "put the statement into a separate file with `-- migrate:up transaction:false`",
    "25006": "the transaction is read-only: use the primary, and no SET TRANSACTION READ ONLY in the file",
    "2D000": "a procedure or DO block that commits needs `-- migrate:up transaction:false`",
    "42501": "the role lacks a privilege: grant it, or run the migration as the owner of the object",
    "42601": None,
    "53100": "make room: the server's disk is full",
    "53200": "the server is out of memory; see max_locks_per_transaction if the message is about locks",
    "55006": "the table has pending trigger events in this transaction: split the file in two, the data first",
    "55P04": "a new enum value can be used only after COMMIT: use it in the next file",
    "57014": "statement_timeout or a cancel request ended the statement: see --timeout, and the settings of the role",
}
_INVALID_DATA = "22"
_NOT_SHOWN = "not shown: it may quote the value of a variable"
_LOCK_STATES = ("55P03", "40P01", "40001")


def is_lock_failure(exc: StatementError | psycopg.Error | DatabaseError) -> bool:
    """Whether a retry of the whole transaction can help: lock timeout, deadlock, serialization failure."""
    return (exc.cause.sqlstate if isinstance(exc, StatementError) else exc.sqlstate) in _LOCK_STATES


def lock_failure(exc: StatementError | psycopg.Error | DatabaseError, migration: Migration, dsn: Dsn) -> Error:
    """The Error for a lock failure: in a statement of the file, or in what dbmigrate sent (version row, COMMIT)."""
    if isinstance(exc, StatementError):
        return failure(exc, migration, dsn)
    error = database.translation(exc, dsn) if isinstance(exc, psycopg.Error) else exc
    return error.recast(MigrationFailed, f"{migration.name}: {error.message}", code="E405")


def failure(exc: StatementError, migration: Migration, dsn: Dsn) -> Error:
    """The Error for a statement of `migration` that the server refused. ConnectionFailed if it ended the session."""
    cause = exc.cause
    if cause.sqlstate is None or database.is_session_end(cause):
        return _lost(cause, dsn)
    place = place_of(migration.file.path, exc.statement, exc.offset)
    return MigrationFailed(
        f"{dsn.quoted(cause.diag.message_primary or str(cause))} ({cause.sqlstate})",
        code="E405" if is_lock_failure(cause) else "E401",
        hint=_HINTS.get(cause.sqlstate),
        place=place,
        excerpt=excerpt(place, exc, hide=dsn.redact),
        details=_details(exc, dsn),
        sqlstate=cause.sqlstate,
    )


def _details(exc: StatementError, dsn: Dsn) -> tuple[tuple[str, str], ...]:
    """The server's further lines. About invalid data they may quote words of a value, which nobody could mask."""
    found = database.details(exc.cause, dsn)
    if exc.statement.filled is None or not (exc.cause.sqlstate or "").startswith(_INVALID_DATA) or not dsn.values:
        return found
    return tuple((label, text if label == "HINT" else _NOT_SHOWN) for label, text in found)


def _lost(cause: psycopg.Error, dsn: Dsn) -> ConnectionFailed:
    error = database.translation(cause, dsn)
    return error.recast(ConnectionFailed, code="E305")


def place_of(path: str, statement: Statement, offset: int | None = None) -> Place:
    """The place in the file of character `offset` of a statement, or of its beginning."""
    before = statement.sql[: offset or 0]
    breaks = before.count("\n")
    column = len(before) - before.rfind("\n") if breaks else statement.column + len(before)
    return Place(path, statement.line + breaks, column)


def excerpt(place: Place, exc: StatementError, *, hide: Callable[[str], str]) -> Excerpt | None:
    """The lines around a place, read from the file; None where the file cannot be read.

    `hide` masks secrets: a migration may contain the password of this connection.
    """
    first = max(place.line - _SHOWN_BEFORE, 1)
    try:
        with open(place.path, encoding="utf-8-sig", errors="replace", newline="\n") as file:
            lines = [line.rstrip("\r\n") for line in islice(file, first - 1, place.line)]
    except OSError:  # the place alone still helps
        return None
    if len(lines) != place.line - first + 1:
        return None
    token = _WORD.match(exc.statement.sql, exc.offset or 0)
    shown = Excerpt(tuple(enumerate(lines, first)), place.column, len(token[0]) if token else 1)
    return redaction.masked(shown, hide)
