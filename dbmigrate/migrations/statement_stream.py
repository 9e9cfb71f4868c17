"""Statements with their places, from the tokens of a text or a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.model import Statement, StatementKind
from dbmigrate.sql import COPY_DATA, LexerError, PostgresSplitter
from dbmigrate.sql.statements import classify

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dbmigrate.errors import MigrationFileError
    from dbmigrate.migrations.source import Cursor, Origin
    from dbmigrate.sql import Segment, Token

__all__ = ["CONFLICT", "pass_data", "segments", "statement_of"]

CONFLICT = ("<<<<<<<", ">>>>>>>")  # what a merge leaves that is not resolved
_BACKSLASH_HINTS = {
    "\\copy": "write COPY ... FROM stdin; with its data below it, up to a line \\.",
    "\\restrict": "this is a line of pg_dump's for psql: remove it",
    "\\unrestrict": "this is a line of pg_dump's for psql: remove it",
    "\\connect": "a migration runs on one database: remove it",
    "\\.": "this ends the data of COPY ... FROM stdin, and there is none before it",
}


def segments(origin: Origin, tokens: Iterable[Token]) -> Iterator[Segment]:
    """The segments of a token stream. Raises MigrationFileError E217 for what is not closed."""
    return PostgresSplitter().process(_translated(origin, tokens))


def _translated(origin: Origin, tokens: Iterable[Token]) -> Iterator[Token]:
    try:
        yield from tokens
    except LexerError as exc:
        raise origin.error("E217", exc.message, (exc.line, exc.column), hint=exc.hint) from exc


def statement_of(segment: Segment, cursor: Cursor) -> Statement:
    """The statement whose text begins at the cursor. Its COPY data has to be passed before the cursor moves on."""
    line, column = cursor.line, cursor.column
    cursor.advance(segment.text)
    if segment.copy is None:
        return Statement(segment.text, line, column, classify(segment.text), segment.lead)
    return Statement(segment.text, line, column, StatementKind.PLAIN, segment.lead, _copy_data(segment.copy, cursor))


def pass_data(statement: Statement) -> None:
    """Read over what is left of the COPY data."""
    if statement.copy_data is not None:
        for _ in statement.copy_data:
            pass


def _copy_data(tokens: Iterable[Token], cursor: Cursor) -> Iterator[str]:
    for kind, value in tokens:
        cursor.advance(value)
        if kind is COPY_DATA:
            yield value


def backslash(origin: Origin, segment: Segment, cursor: Cursor) -> MigrationFileError:
    command = segment.text.split()[0]
    hint = _BACKSLASH_HINTS.get(command, "a migration is plain SQL: psql's commands mean nothing to the server")
    return origin.error(
        "E218",
        f"`{command}` is a psql command",
        (cursor.line, cursor.column),
        hint=hint,
        width=len(segment.text.rstrip()),
    )
