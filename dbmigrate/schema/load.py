"""Prepares the text of a schema file for a server: what psql would do with it, without psql."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dbmigrate.errors import PlanError
from dbmigrate.model import Place
from dbmigrate.schema import columns, line_ends
from dbmigrate.schema.items import Item, Kind, split

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["prepare"]

# psql's business, as pg_dump writes it. `\connect` names the database that we are connected to already.
_SKIPPED = re.compile(r"\\(?:(?:un)?restrict|connect)(?:\s.*)?")
_REPLACED = {
    "SET transaction_timeout = 0;": "",  # from pg_dump 17 on, for every server; those before 17 refuse it
    "CREATE SCHEMA public;": "CREATE SCHEMA IF NOT EXISTS public;",  # from --schema=public; every database has it
}
_COPY = re.compile(r"(?is)COPY\s+(?P<target>.+?)\s+FROM\s+STDIN\s*;[ \t]*\r?\n(?P<rows>.*)\\\.\s*")
_NUMERIC_ESCAPE = re.compile(r"(?<!\\)(?:\\\\)*\\[0-9x]")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_CONTROLS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_LITERAL_ESCAPES = str.maketrans({"\\": "\\\\", "'": "''", "\n": "\\n", "\r": "\\r"})


def prepare(text: str, *, path: str) -> str:
    """The SQL to send for the schema file `path`, as one query without parameters, so that it is loaded whole or not.

    Files of dbmate and of pg_dump 13 to 18 load into servers 13 to 18: psql's ``\\restrict`` and ``\\connect`` are
    left out, and so are ``SET transaction_timeout`` and what another server keeps for itself among the options of a
    column; ``COPY ... FROM stdin`` with its data becomes an INSERT; where git has made CRLF of every line end, they are
    LF again (`lineends`). Every line keeps its number, so that the position in a server's error is the place in the
    file. Afterwards the session has an empty search_path and other settings of pg_dump: close it.
    Raises `PlanError` (E238, with its place) for any other psql command, for a NUL character and for COPY data in
    another format than pg_dump's.
    """
    text = line_ends.converted_back(text.removeprefix("\ufeff"))
    if "\0" in text:
        raise _error("a NUL character", text.index("\0"), text=text, path=path)
    pieces: list[str] = []
    position = 0
    for item in split(text):
        replacement = _replacement(item, text=text, path=path)
        if replacement is not None:
            pieces += [text[position : item.start], replacement]
            position = item.end
    return "".join([*pieces, text[position:]])


def _replacement(item: Item, *, text: str, path: str) -> str | None:
    """What is sent instead of the item; None for the item itself."""
    if item.kind is Kind.COMMAND:
        if _SKIPPED.fullmatch(item.text):
            return ""
        raise _error(f"a psql command: {item.text[:60]}", item.start, text=text, path=path)
    if item.kind is Kind.COPY:
        return _insert(item, text=text, path=path)
    if item.kind is not Kind.STATEMENT:
        return None
    return _REPLACED[item.text] if item.text in _REPLACED else _settable(item.text)


def _settable(statement: str) -> str | None:
    """What is left when the notes of another server are taken out, on as many lines; None: all of it."""
    kept = columns.settable(statement)
    return None if kept == statement else kept + "\n" * (statement.count("\n") - kept.count("\n"))


def _insert(item: Item, *, text: str, path: str) -> str:
    """The COPY as an INSERT with a row per line, and an empty line for each line that is not needed.

    The literals get their types from the columns, as COPY's fields do; OVERRIDING SYSTEM VALUE is what COPY does to
    an identity column (PostgreSQL, COPY, Notes).
    """
    match = _COPY.fullmatch(item.text)
    if not match:
        raise _error("COPY data in another format than pg_dump's", item.start, text=text, path=path)
    lines = match["rows"].split("\n")[:-1]
    if not lines:
        return "\n" * item.text.count("\n")
    head = f"INSERT INTO {match['target']} OVERRIDING SYSTEM VALUE VALUES\n"
    return head + ",\n".join(_rows(lines, item, text=text, path=path)) + "\n;"


def _rows(lines: list[str], item: Item, *, text: str, path: str) -> Iterator[str]:
    """The rows as SQL."""
    start = item.start + item.text.index("\n") + 1
    for line in lines:
        if _NUMERIC_ESCAPE.search(line):
            raise _error("an octal or hexadecimal escape in COPY data", start, text=text, path=path)
        yield "(" + ", ".join(map(_literal, line.removesuffix("\r").split("\t"))) + ")"
        start += len(line) + 1


def _literal(copied: str) -> str:
    if copied == r"\N":
        return "NULL"
    value = _ESCAPE.sub(lambda match: _CONTROLS.get(match[1], match[1]), copied)
    escaped = value.translate(_LITERAL_ESCAPES)
    return f"E'{escaped}'" if "\\" in escaped else f"'{escaped}'"


def _error(what: str, position: int, *, text: str, path: str) -> PlanError:
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    return PlanError(
        f"the schema file holds {what}",
        code="E238",
        place=Place(path, line, column),
        hint="a schema file is loaded without psql: it may hold SQL, and the \\restrict lines of pg_dump",
    )
