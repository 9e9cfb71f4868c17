"""Finds the statement of a batch, and the place in it, that a server's error is about.

Counting the results gives the failing statement, so that errors without a position (constraints, run-time errors) are
found in the file as well.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from dbmigrate.model import Batch, Statement

# compiled only for an error: it takes 0.5 ms. The name in a message: relation "x", column "x", «x» elsewhere
_QUOTED_NAME = r'["«„]([^"»“]+)["»“]'
_SEARCHED = 1000  # characters of a message; a name is at most 63 bytes long

Found: TypeAlias = "tuple[Statement, int | None]"  # a statement, and the offset in its SQL in the file, if it is known


def place_in_whole(batch: Batch, cause: psycopg.Error, done: int, *, before: str, count: int) -> Found | None:
    """As `place`, where what records the migration follows in the same message."""
    behind = len(before) + len(batch.sql.decode()) + len("\n;")
    # the record holds the text of the other sections, too
    is_of_record = done == 0 and cause.sqlstate == "22P05" and _unknown_character(batch, cause) < 0
    if int(cause.diag.statement_position or 0) > behind or is_of_record:
        return None
    return place(batch, cause, done, before=before, count=count)


def place(batch: Batch, cause: psycopg.Error, done: int, *, before: str, count: int) -> Found | None:
    """Where the error is after `done` statements of a message; None for one of dbmigrate's, `count` in `before`.

    The server parses a message as a whole before its first statement runs: an earlier error is one of the file's text.
    """
    position = int(cause.diag.statement_position or 0) - 1 - len(before)
    if position < 0 < done < count:
        return None
    if position < 0 and done == 0:
        position = _unknown_character(batch, cause)
    statements = batch.split()
    if position >= 0:
        index, offset = _locate(statements, position)
        return statements[index], offset
    statement = statements[min(max(done - count, 0), len(statements) - 1)]
    named = _named_place(statement.sent, cause)
    return statement, None if named is None else _in_file(statement, named)


def _unknown_character(batch: Batch, cause: psycopg.Error) -> int:
    """The place of a character that the database's encoding does not have; the server refuses the whole message.

    The error holds its bytes: ``character with byte sequence 0xe2 0x82 0xac in encoding "UTF8" has no equivalent``.
    """
    raw = bytes.fromhex("".join(re.findall(r"0x([0-9a-f]{2})", cause.diag.message_primary or "")))
    if cause.sqlstate != "22P05" or not raw:
        return -1
    offset = batch.sql.find(raw)
    return -1 if offset < 0 else len(batch.sql[:offset].decode())


def _locate(statements: Sequence[Statement], position: int) -> tuple[int, int]:
    """The statement that holds character `position` of the batch's text, and the offset within its SQL in the file."""
    begin = 0
    for index, statement in enumerate(statements):
        begin += len(statement.lead) if index else 0
        length = len(statement.sent)
        end = begin + length
        if position < end or index == len(statements) - 1:
            return index, _in_file(statement, min(max(position - begin, 0), max(length - 1, 0)))
        begin = end
    raise AssertionError("a batch has at least one statement")


def _in_file(statement: Statement, offset: int) -> int:
    return offset if statement.filled is None else statement.filled.origin(offset)


def _named_place(sql: str, cause: psycopg.Error) -> int | None:
    """Most DDL errors have no position: take the place of the name in the message, if it occurs once.

    A quoted name begins with its quote.
    """
    match = re.search(_QUOTED_NAME, (cause.diag.message_primary or "")[:_SEARCHED])
    if match is None:
        return None
    name = re.escape(match[1])
    places = [found.start() for found in re.finditer(rf'"{name}"|(?<!\w){name}(?!\w)', sql)]
    return places[0] if len(places) == 1 else None
