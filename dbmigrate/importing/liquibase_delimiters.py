"""Liquibase's ends of statements, put into the form that PostgreSQL knows: a semicolon."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dbmigrate.sql import LexerError
from dbmigrate.sql.tokeniser import placed_words

if TYPE_CHECKING:
    from dbmigrate.importing.texts import Text

_FRAME = re.compile(r"(?:\\r|\\n|\\s[*+]?|\^|\$|\n|\s)*")
_ESCAPED = re.compile(r"\\([^\w\s])")
_META = re.compile(r"[.*+?()\[\]{}^$|]|\\\w")
_OWN = ("GO", "/")  # beside the semicolon, where no end delimiter is given; alone on a line


def with_semicolons(text: Text, delimiter: str | None, *, at_line_end: bool = False) -> str:
    """The SQL of a change with a semicolon for each end of a statement.

    `delimiter` is the change's, a regular expression to Liquibase; None where it has none. With `at_line_end` a slash
    counts also behind other text. Raises MigrationFileError for an expression that is more than a text.
    """
    if delimiter is None or delimiter == ";":
        return _replaced(text, _OWN if delimiter is None else (), {"alone"})
    literal = _literal(delimiter)
    if literal is None:
        raise text.error(
            f"endDelimiter:{delimiter} is a regular expression", text.first_line, hint="write a plain delimiter"
        )
    if literal == ";":
        return text.text
    is_line = literal.upper() in _OWN or delimiter != literal
    return _replaced(text, (literal,), {"alone", "end"} if at_line_end else {"alone"} if is_line else {"anywhere"})


def _literal(delimiter: str) -> str | None:
    """The text that an expression such as ``\\n/\\s*$`` finds."""
    begin = _FRAME.match(delimiter)
    core = delimiter[begin.end() if begin else 0 :]
    while core and (end := re.search(r"(?:\\r|\\n|\\s[*+]?|(?<!\\)\$|\s)\Z", core)):
        core = core[: end.start()]
    if not core:
        return None
    if delimiter == core and set(core) <= set("^$|.*?+") and len(core) == 1:
        return core  # a single character is compared as it is
    return None if _META.search(_ESCAPED.sub("", core)) else _ESCAPED.sub(r"\1", core)


def _replaced(text: Text, delimiters: tuple[str, ...], where: set[str]) -> str:
    """Only outside of quotes and comments, and without a second semicolon where one is there."""
    sql = text.text
    edits: list[tuple[int, int, str]] = []
    is_open = False
    skip_to = 0
    for start in _token_starts(text):
        if start < skip_to:
            continue
        found = next((each for each in delimiters if _is_at(sql, start, each, where)), None)
        if found is None:
            is_open = sql[start] != ";"
            continue
        skip_to = start + len(found)
        edits.append((start, skip_to, ";" if is_open else ""))
        is_open = False
    for start, end, new in reversed(edits):
        sql = sql[:start] + new + sql[end:]
    return sql


def _token_starts(text: Text) -> list[int]:
    try:
        return [word.start for word in placed_words(text.text)]
    except LexerError as exc:
        line = text.first_line + exc.line - 1
        raise text.error(exc.message, line, hint=exc.hint, column=exc.column) from exc


def _is_at(sql: str, start: int, delimiter: str, where: set[str]) -> bool:
    end = start + len(delimiter)
    if sql[start:end].upper() != delimiter.upper():
        return False
    before = sql[sql.rfind("\n", 0, start) + 1 : start]
    line_end = sql.find("\n", end)
    after = sql[end : line_end if line_end >= 0 else len(sql)]
    if "anywhere" in where:
        return True
    return not after.strip() and ("end" in where or not before.strip())
