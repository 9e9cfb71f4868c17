"""INSERT, UPDATE, DELETE and MERGE, also those inside of WITH."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.lint.sql.columns import texts
from dbmigrate.lint.sql.reading import Reader, folded, is_text
from dbmigrate.lint.sql.shape import Change, Changes, Other, Verb

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbmigrate.lint.sql.shape import Name, Shape, Words
    from dbmigrate.sql import Word

__all__ = ["changes"]

_VERBS = {verb.value: verb for verb in Verb}
# conditions that select every row
_ALWAYS_TRUE = (("TRUE",), ("1", "=", "1"))
_BEFORE_TABLES = ("FROM", "JOIN", "TABLE", "USING")
_FROM_INSIDE = frozenset(("EXTRACT", "OVERLAY", "POSITION", "SUBSTRING", "TRIM"))
_LONGEST_NAME = 7  # words: ONLY database.schema.name, and one more
_ASSIGNMENT = 3  # words: column = value


def changes(reader: Reader) -> Shape:
    """The changes of the whole statement, whatever of it was taken already."""
    words = reader.words
    found = tuple(_found(words))
    return Changes(found) if found else Other(texts(words[:6]))


def _found(words: Sequence[Word]) -> Iterator[Change]:
    for first in _beginnings(words):
        change = _change(Reader(words[first : _end(words, first)]))
        if change is not None:
            yield change


def _beginnings(words: Sequence[Word]) -> Iterator[int]:
    """Where a verb begins a query: the statement, the main one after WITH, or one in parentheses."""
    is_with, depth = words[0].text == "WITH", 0
    for index, word in enumerate(words):
        before = words[index - 1].text if index else ""
        if word.text in _VERBS and (index == 0 or before == "(" or (is_with and depth == 0 and before == ")")):
            yield index
        depth += (word.text == "(") - (word.text == ")")


def _end(words: Sequence[Word], first: int) -> int:
    """Where the parentheses close that the query stands in."""
    depth = 0
    for index in range(first, len(words)):
        depth += (words[index].text == "(") - (words[index].text == ")")
        if depth < 0:
            return index
    return len(words)


def _change(reader: Reader) -> Change | None:
    at, verb = reader.start, _VERBS[reader.next()]
    reader.take_any("INTO", "FROM")
    reader.take("ONLY")
    table = reader.name()
    if table is None:
        return None
    if verb in (Verb.INSERT, Verb.MERGE):
        reader.until("VALUES", "SELECT", "WITH", "TABLE", "DEFAULT", "USING")
        if reader.peek() not in ("SELECT", "WITH", "TABLE"):
            return Change(verb, table, at)
        return Change(verb, table, at, is_query=True, sources=tuple(_sources(reader.rest())))
    sets: tuple[str, ...] = ()
    values: tuple[Words, ...] = ()
    is_constant = False
    if verb is Verb.UPDATE:
        reader.until("SET")
        reader.next()
        assigned = reader.until("FROM", "WHERE", "RETURNING", "LIMIT", "ORDER")
        sets = tuple(_set_columns(Reader(assigned)))
        values = tuple(texts(part.words[2:]) if part.peek(1) == "=" else () for part in Reader(assigned).parts())
        is_constant = all(len(part.words) == _ASSIGNMENT and _is_literal(part) for part in Reader(assigned).parts())
    reader.until("WHERE", "RETURNING", "LIMIT", "ORDER")
    condition = texts(reader.until("RETURNING", "LIMIT", "ORDER")) if reader.take("WHERE") else ()
    reader.until("LIMIT", "ORDER")
    limit_at = None if reader.is_done else reader.start
    return Change(verb, table, at, condition in ((), *_ALWAYS_TRUE), limit_at, sets, is_constant, values=values)


def _sources(words: Sequence[Word]) -> Iterator[Name]:
    """The tables after FROM, JOIN, USING and TABLE, without functions, parts of WITH and system tables."""
    own = {
        folded(word.text)
        for word, after, opens in zip(words, words[1:], words[2:], strict=False)
        if (after.text, opens.text) == ("AS", "(")
    }
    callers: list[str] = []  # what stands before each parenthesis that is open: EXTRACT (year FROM ..)
    for index, word in enumerate(words):
        before = words[index - 1].text if index else ""
        if word.text == "(":
            callers.append(before)
        elif word.text == ")" and callers:
            callers.pop()
        elif word.text in _BEFORE_TABLES and before != "DISTINCT" and not _FROM_INSIDE.intersection(callers[-1:]):
            reader = Reader(words[index + 1 :][:_LONGEST_NAME])
            reader.take("ONLY")
            name = reader.name()
            if name and reader.peek() != "(" and name.name not in own and not _is_of_server(name):
                yield name


def _is_of_server(name: Name) -> bool:
    return name.schema in ("pg_catalog", "information_schema") or name.name.startswith("pg_")


def _is_literal(part: Reader) -> bool:
    value = part.words[-1].text
    return is_text(value) or value[:1].isdigit() or value in ("NULL", "TRUE", "FALSE", "DEFAULT")


def _set_columns(reader: Reader) -> Iterator[str]:
    for part in reader.parts():
        if part.peek() == "(":
            yield from (folded(word.text) for word in part.group() if word.text != ",")
        else:
            yield folded(part.peek())
