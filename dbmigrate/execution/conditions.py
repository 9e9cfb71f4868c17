"""Asks preconditions and postconditions: one query each, which can write nothing, and has to return one true.

In a transaction a condition is asked in a subtransaction that is read-only and rolled back: PostgreSQL takes back the
mode, settings and locks with it (https://www.postgresql.org/docs/current/sql-set-transaction.html). The query goes
to the server by the extended protocol, which accepts one statement, as a subquery, which may change no rows. It is
planned first: that shows its type, whatever the rows are.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import psycopg
from psycopg import pq

from dbmigrate.connection import database, redaction
from dbmigrate.errors import DatabaseError, Error, MigrationFailed, Refused
from dbmigrate.execution import batches, server_errors
from dbmigrate.execution.batches import StatementError
from dbmigrate.frozen import frozen
from dbmigrate.migrations.conditions import Condition, Kind
from dbmigrate.migrations.source import Origin
from dbmigrate.model import Batch, Migration, Problem, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from dbmigrate.connection.database import Connection
    from dbmigrate.connection.dsn import Dsn

CODES = frozenset(("E734", "E735", "E413", "E414"))  # nothing is logged of them where all is rolled back
_BOOLEAN = 16  # the type's object id, in every database
_READ_ONLY = "25006"
_READS = "a condition only reads: use no function that writes"
_PREFIX = "SELECT * FROM (\n"
_HINTS = {
    Kind.PRECONDITION: "run the migration where it is true, or correct the condition",
    Kind.POSTCONDITION: "correct the migration or the condition",
}
_INVALID = "correct the condition: one SELECT that returns one boolean"


@frozen
class Frame:
    """What is sent before and after a query that must leave nothing."""

    opening: str
    closing: str


INSIDE = Frame(
    "SAVEPOINT dbmigrate_condition;\nSET TRANSACTION READ ONLY;\n",
    "ROLLBACK TO SAVEPOINT dbmigrate_condition;\nRELEASE SAVEPOINT dbmigrate_condition;\n",
)


def alone(limits: str) -> Frame:
    """For a query outside of a transaction. `limits` are SET LOCAL commands."""
    return Frame(f"BEGIN READ ONLY;\n{limits}", "ROLLBACK;\n")


def _ignore(batch: Batch) -> None:
    """The pulse of a query that nobody watches."""


@frozen
class Context:
    """Where conditions are asked, and what is called meanwhile."""

    conn: Connection
    dsn: Dsn
    migration: Migration
    frame: Frame = INSIDE
    pulse: Callable[[Batch], None] = _ignore


class Asker(Protocol):
    """What an answer other than true means is the difference between its kinds."""

    def ask(self, context: Context, conditions: Iterable[Condition]) -> None: ...


class Demand:
    """Conditions have to be true."""

    def ask(self, context: Context, conditions: Iterable[Condition]) -> None:
        """Raises Refused E734, E735 for a precondition, MigrationFailed E413, E414 for a postcondition.

        StatementError for a lock timeout and a lost connection, psycopg.Error for what is sent around the query.
        """
        for condition in conditions:
            try:
                with _framed(context):
                    fault = _type_fault(context, condition) or _answer(context, condition)
            except StatementError as exc:
                raise _failed(context, condition, exc) from exc
            if fault:
                raise _error(context, condition, fault)


class Note:
    """For scratch databases without rows: conditions have to be boolean, another answer than true is a note."""

    def __init__(self) -> None:
        self._found: dict[Condition, Problem] = {}

    @property
    def problems(self) -> tuple[Problem, ...]:
        return tuple(self._found.values())

    def ask(self, context: Context, conditions: Iterable[Condition]) -> None:
        """Raises StatementError for a query that cannot be planned, MigrationFailed E414 for one of another type."""
        for condition in conditions:
            with _framed(context):
                fault = _type_fault(context, condition)
            if fault:
                raise _error(context, condition, fault).recast(MigrationFailed, code="E414")
            try:
                with _framed(context):
                    answer = _answer(context, condition)
            except StatementError as exc:
                if exc.cause.sqlstate is None or exc.cause.sqlstate.startswith(("57", "08", "55P03")):
                    raise
                answer = _Answer(context.dsn.quoted(exc.cause.diag.message_primary or "it fails"))
            if answer:
                message = f"{condition.title} is not true on a database without rows: {answer.text}"
                self._found[condition] = Problem("W320", message, Severity.NOTE, condition.place)


@frozen
class _Answer:
    """Another answer than one true, in words; `is_valid`: it is still one of one boolean."""

    text: str
    is_valid: bool = True


@contextmanager
def _framed(context: Context) -> Iterator[None]:
    conn = context.conn
    _own(conn, context.frame.opening)
    try:
        yield
    finally:
        # not while the query still runs, as after Ctrl-C: then the whole transaction is ended
        if conn.info.transaction_status in (pq.TransactionStatus.INTRANS, pq.TransactionStatus.INERROR):
            _own(conn, context.frame.closing)


def _own(conn: Connection, script: str) -> tuple[str, ...]:
    answer = batches.ask(conn, script)
    if answer.error is not None:
        raise answer.error
    return answer.row


def _type_fault(context: Context, condition: Condition) -> _Answer | None:
    types, _ = _sent(context, condition, 0)
    if len(types) != 1:
        return _Answer(f"it returns {len(types)} columns instead of one", is_valid=False)
    if types[0] != _BOOLEAN:
        (name,) = _own(context.conn, f"SELECT pg_catalog.format_type({types[0]}, NULL);")
        return _Answer(f"it returns {name} instead of boolean", is_valid=False)
    return None


def _answer(context: Context, condition: Condition) -> _Answer | None:
    _, rows = _sent(context, condition, 2)
    if len(rows) > 1:
        return _Answer("it returns several rows instead of one", is_valid=False)
    if not rows:
        return _Answer("it returned no row")
    return {b"t": None, b"f": _Answer("it is false")}.get(rows[0] or b"", _Answer("it is NULL"))


def _sent(context: Context, condition: Condition, most: int) -> tuple[tuple[int, ...], list[bytes | None]]:
    """The types of the columns, and the first column of at most that many rows. Raises StatementError."""
    text = f"{_PREFIX}{condition.sent}\n) AS dbmigrate_condition LIMIT {most}"
    batch = Batch(condition.query.encode(), 1, tuple)
    try:
        return batches.query(context.conn, text, pulse=lambda: context.pulse(batch))
    except psycopg.Error as exc:
        position = int(exc.diag.statement_position or 0) - 1 - len(_PREFIX)
        offset = min(position, len(condition.sent) - 1) if position >= 0 else None
        raise StatementError(exc, *condition.located(offset)) from exc


def _failed(context: Context, condition: Condition, exc: StatementError) -> Exception:
    """The error of a query that failed; itself after a lock timeout (it is asked again) and a lost connection."""
    error = server_errors.failure(exc, context.migration, context.dsn)
    if error.code == "E405" or not isinstance(error, DatabaseError):
        return exc
    error.message = f"{condition.title} cannot be evaluated: {error.message}"
    error.hint = _READS if error.sqlstate == _READ_ONLY else error.hint
    made = _recast(condition, error, is_valid=False)
    made.details = (*_data(context, condition), *made.details)
    return made


def _error(context: Context, condition: Condition, answer: _Answer) -> Error:
    place, failing = condition.place, "is not true" if answer.is_valid else "cannot be evaluated"
    message, width = f"{condition.title} {failing}: {answer.text}", len(f"-- migrate:{condition.key}")
    error = Origin(place.path).error("E296", message, (place.line, place.column), width=width)
    if error.excerpt is not None:
        error.excerpt = redaction.masked(error.excerpt, context.dsn.redact)
    error.details = _data(context, condition)
    return _recast(condition, error, is_valid=answer.is_valid)


def _data(context: Context, condition: Condition) -> tuple[tuple[str, str], ...]:
    return (("condition", condition.kind.value), ("query", context.dsn.redact(condition.query)))


def _recast(condition: Condition, error: Error, *, is_valid: bool) -> Error:
    hint = error.hint or (_HINTS[condition.kind] if is_valid else _INVALID)
    if condition.kind is Kind.PRECONDITION:
        return error.recast(Refused, code="E734" if is_valid else "E735", hint=hint)
    return error.recast(MigrationFailed, code="E413" if is_valid else "E414", hint=hint)


def translated(exc: Error | StatementError | psycopg.Error, context: Context) -> Error:
    """What ended the asking, as an Error."""
    if isinstance(exc, StatementError):
        return server_errors.failure(exc, context.migration, context.dsn)
    return database.translation(exc, context.dsn) if isinstance(exc, psycopg.Error) else exc
