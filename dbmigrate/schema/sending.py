"""Sends the prepared text of a schema file; an error names the place in the file, the object, and what to do.

pg_dump empties the search_path at the top of its text. An object whose making runs a function (an index over it, a
generated column, a constraint) then fails where that function finds something by the search_path alone, and the error's
position is one in the function's body: so the statements are counted instead.
https://www.postgresql.org/docs/current/app-pgdump.html
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import psycopg
from psycopg.pq import TransactionStatus

from dbmigrate.connection import database
from dbmigrate.execution import batches
from dbmigrate.model import Place
from dbmigrate.schema import versions
from dbmigrate.schema.items import Item, Kind, split

if TYPE_CHECKING:
    from dbmigrate.connection.database import Connection
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.errors import Error

__all__ = ["send"]

_NAME = r'(?:"(?:[^"]|"")*"|[a-z_][\w$]*)'
_OBJECT = re.compile(rf"(?:[A-Z]+ )+{_NAME}(?:\.{_NAME}){{0,2}}(?=[ (;\n])")
_TITLE_LENGTH = 80
# undefined function, table, type or operator, schema: what a search_path can hide
_NOT_FOUND = ("42883", "42P01", "42704", "3F000")
# PostgreSQL's own words for where it was: src/backend/executor/functions.c, src/pl/plpgsql/src/pl_exec.c
_FUNCTION = re.compile(r'(?:SQL function "(?P<sql>[^"\n]+)"|PL/\w+ function (?P<other>[^\n]+?) line \d+)')
_NEVER = "\n;\nSELECT 1/0;"  # this time nothing is to stay, whatever happens


# duplicate_table, duplicate_schema, duplicate_object, duplicate_function
_THERE_ALREADY = frozenset(("42P07", "42P06", "42710", "42723"))
_FOR_EMPTY = "a schema file is for an empty database; `dbmigrate up` applies migrations to one that has tables"


def send(conn: Connection, content: str, *, path: str, dsn: Dsn) -> None:
    """Send `content`, what `load.prepare` made of the file `path`, as one query: all of it is loaded or nothing.

    Raises DatabaseError E402 with its place, ConnectionFailed.
    """
    try:
        database.run(conn, content)
    except psycopg.Error as exc:
        raise _refused(exc, conn, content, path=path, dsn=dsn) from exc


def _refused(exc: psycopg.Error, conn: Connection, content: str, *, path: str, dsn: Dsn) -> Error:
    """`prepare` keeps every line where it was, so a position in what was sent is a place in the file."""
    error = database.translation(exc, dsn)
    error.state = "nothing was loaded"
    if versions.UNPROVED in error.message:
        error.message = f"the versions of {path} were not recorded"
        error.hint = "a trigger or a rule of the file on the tracking table seems to swallow them; take it out"
        return error
    position = exc.diag.statement_position
    if position is not None:
        error.place = _place(content, int(position) - 1, path)
    elif (statement := _failing(conn, content)) is not None:
        error.place = _place(content, statement.start, path)
        error.message = f"{error.message}, in {_title(statement.text)}"
    error.hint = _way_out(exc) or (_FOR_EMPTY if exc.sqlstate in _THERE_ALREADY else error.hint)
    return error


def _place(content: str, position: int, path: str) -> Place:
    before = content[:position]
    return Place(path, before.count("\n") + 1, len(before) - before.rfind("\n"))


def _failing(conn: Connection, content: str) -> Item | None:
    """The statement that the server refuses: it is sent once more, with the results counted up to the error."""
    if conn.closed or conn.info.transaction_status != TransactionStatus.IDLE:
        return None
    statements = [item for item in split(content) if item.kind is Kind.STATEMENT]
    done = len(batches.ask(conn, content + _NEVER).tags)
    return statements[done] if done < len(statements) else None


def _title(statement: str) -> str:
    """``CREATE INDEX users_name``, ``ALTER TABLE ONLY app.users``"""
    match = _OBJECT.match(statement)
    return match.group() if match else statement.partition("\n")[0][:_TITLE_LENGTH]


def _way_out(exc: psycopg.Error) -> str | None:
    """What to do where a function finds something by the search_path alone."""
    match = _FUNCTION.search(exc.diag.context or "")
    if exc.sqlstate not in _NOT_FOUND or not match:
        return None
    name = match["sql"] or match["other"]
    return (
        f"a schema file is loaded with an empty search_path, by which the function {name} should find this: write the"
        " schema before the names in its body, or, in a migration,"
        f" ALTER FUNCTION {name} SET search_path = public, pg_temp"
    )
