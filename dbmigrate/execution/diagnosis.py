"""What is added to the error of a migration that failed: rows in the way, the limit that ended it, what comes next."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import psycopg
from psycopg import pq

from dbmigrate.errors import ConnectionFailed, Error, MigrationFailed, NeedsAttention
from dbmigrate.execution import batches, time_limits, violations
from dbmigrate.model import Direction
from dbmigrate.sql import statements

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbmigrate.execution.lock_retries import Pacing
    from dbmigrate.execution.session import Session
    from dbmigrate.model import Statement, Step

__all__ = ["complete"]

# the command that goes on after a failure of each command, by direction; others run where nothing is to be kept
_NEXT = {
    "up": ("up", "rollback"),
    "migrate": ("migrate", "rollback"),
    "rollback": ("up", "rollback"),
    "redo": ("up", "redo"),
    "deploy": ("deploy", "rollback"),
    "backfill": ("backfill", "rollback"),
    "resume": ("up", "rollback"),
    "undo": ("up", "rollback"),
    "seed": ("seed", "seed"),
}
_HINTED = ("E401", "E405")
_BY_HAND = "if the change was undone by hand: `dbmigrate mark pending {} --reason TEXT`"
_LONGEST_FILE = 10_000  # statements that are searched for the declaration of a constraint
_PAGES = "change the rows in pages, with `-- migrate:up backfill:TABLE`"


class Ended(NamedTuple):
    """The limit that may have ended a statement or the session, and what the server said."""

    limit: str
    message: str


def complete(session: Session, step: Step, pacing: Pacing, error: Error, exc: BaseException) -> Error:
    """`error` of `step`, which `exc` has caused, with what a person needs to go on. The transaction is over."""
    commands = _NEXT.get(session.access.command)
    if commands is None or not isinstance(error, MigrationFailed | NeedsAttention | ConnectionFailed):
        return error
    advice = _advice(session, step, pacing, error, _origin(exc))
    if advice is not None:
        error.details += tuple((label, session.dsn.quoted(text)) for label, text in advice.details)
    specific = session.dsn.quoted(advice.hint) if advice else ""
    _add_next(step, commands[step.direction is Direction.DOWN], error, specific)
    return error


def _advice(
    session: Session, step: Step, pacing: Pacing, error: Error, origin: BaseException
) -> violations.Advice | None:
    failed = origin.statement if isinstance(origin, batches.StatementError) else None
    cause = origin.cause if isinstance(origin, batches.StatementError) else origin
    state = cause.sqlstate if isinstance(cause, psycopg.Error) else None
    if name := time_limits.OF_SQLSTATE.get(state or error.sqlstate or ""):
        return _of_limit(session, step, pacing, failed, Ended(name, str(cause)))
    if not isinstance(cause, psycopg.Error) or _is_about_records(session, cause) or not _can_be_asked(session):
        return None
    sql = failed.sql if failed else ""
    return violations.advice(session.conn, violations.Failure(cause.diag, sql, tuple(_earlier(step, failed))))


def _origin(exc: BaseException) -> BaseException:
    """What the server said, behind the errors that were made of it."""
    while isinstance(exc, Error) and exc.__cause__ is not None and exc.__cause__ is not exc:  # it may be its own cause
        exc = exc.__cause__
    return exc


def _is_about_records(session: Session, cause: psycopg.Error) -> bool:
    tables = session.tables
    return cause.diag.schema_name == tables.schema and cause.diag.table_name in (tables.name, tables.log_name)


def _can_be_asked(session: Session) -> bool:
    conn = session.conn
    return not conn.closed and conn.info.transaction_status == pq.TransactionStatus.IDLE


def _earlier(step: Step, failed: Statement | None) -> Iterator[str]:
    """The statements of the file that may have declared a constraint."""
    if step.migration is None:
        return
    for section in step.migration.run_order(step.direction):
        for statement in (section.statements or ())[:_LONGEST_FILE]:
            if statement == failed:
                return
            if statements.first_word(statement.sql) == "ALTER":
                yield statement.sql


# ------------------------------------------------------------------------------------------------------------- limits


def _of_limit(
    session: Session, step: Step, pacing: Pacing, failed: Statement | None, ended: Ended
) -> violations.Advice:
    if ended.limit == "statement_timeout" and "user request" in ended.message:
        return violations.Advice("somebody has cancelled the statement: ask who, and why")
    if not _can_be_asked(session):  # the limit may have ended the session
        session.reconnect_for_reading()
    limit = time_limits.described(session, pacing.of(step), step, failed, ended.limit)
    details = (("limit", str(limit)),) if limit else ()
    return violations.Advice(_hint(ended.limit, failed), details)


def _hint(name: str, failed: Statement | None) -> str:
    """What helps after the limit `name`; the error of a lock timeout has a hint already."""
    if name == "statement_timeout":
        word = statements.first_word(failed.sql) if failed else ""
        less = f"{_PAGES}; or " if word in ("UPDATE", "DELETE", "INSERT") else ""
        return f"{less}raise the limit with --timeout, or with `timeout:` in the header of the file"
    if name == "transaction_timeout":
        return "transaction_timeout ended the session: raise it, or split the file"
    if name == "idle_in_transaction_session_timeout":
        return (
            "the server ended the session, because this process did nothing for so long: it was stopped, or its machine"
            " was busy or asleep"
        )
    return ""


# ------------------------------------------------------------------------------------------------------ what comes next


def _add_next(step: Step, command: str, error: Error, specific: str) -> None:
    """End the hint with the command that comes next."""
    is_down = step.direction is Direction.DOWN and bool(step.version)
    by_hand = f"; {_BY_HAND.format(step.version)}" if is_down else ""
    if isinstance(error, NeedsAttention):
        if error.code == "E501":
            way_on = f"{specific}, then continue with `dbmigrate resume`" if specific else error.hint or _WAY_ON
            error.hint = f"{way_on}; `dbmigrate status` shows where it stopped{by_hand}"
        return
    if isinstance(error, ConnectionFailed):
        error.hint = (
            f"{specific}; then run `dbmigrate {command}` again"
            if specific
            else error.hint or _AFTER_LOSS.format(command)
        )
        return
    if error.code not in _HINTED:
        return
    file = "the down section" if is_down else "the file"
    given = specific or error.hint or ""
    if "command again" in given:  # a repeatable migration, or a lost lock
        return
    if given:
        error.hint = f"{given}; then run `dbmigrate {command}` again{by_hand}"
    else:
        error.hint = f"correct {file}, then run `dbmigrate {command}` again{by_hand or _STATUS}"


_AFTER_LOSS = "when the server is back: `dbmigrate status` shows what is applied, `dbmigrate {}` goes on"
_WAY_ON = "continue with `dbmigrate resume`"
_STATUS = "; `dbmigrate status` shows what is applied"
