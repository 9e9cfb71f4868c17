"""Constraints as ALTER TABLE and CREATE INDEX declare them, read for a query that finds the rows in their way. Pure.

Names and expressions stay as they are written: they go into SQL again. What is declared for a column that the same
statement adds is left out, because that column is not there once the statement has failed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen
from dbmigrate.sql import LexerError, placed_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbmigrate.sql import Word

__all__ = [
    "Check",
    "Exclusion",
    "ForeignKey",
    "UniqueIndex",
    "checks",
    "exclusions",
    "folded",
    "foreign_keys",
    "unique",
]


@frozen
class ForeignKey:
    """``FOREIGN KEY (columns) REFERENCES parent (parent_columns)``. `name` is None where the server chooses one;
    without `parent_columns` it refers to the primary key."""

    name: str | None
    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    is_full: bool = False  # MATCH FULL


@frozen
class Check:
    name: str | None
    expression: str


@frozen
class Exclusion:
    """``EXCLUDE (room WITH =, during WITH &&)``: the elements with their operators."""

    name: str | None
    elements: tuple[tuple[str, str], ...]


@frozen
class UniqueIndex:
    """What the statement says of a unique index or constraint beyond its columns, which the server's message has."""

    predicate: str | None = None
    nulls_are_equal: bool = False


def folded(name: str) -> str:
    """A name as the server stores it."""
    if name.startswith('"'):
        return name[1:-1].replace('""', '"')
    return "".join(each.lower() if each.isascii() else each for each in name)


def foreign_keys(sql: str) -> Iterator[ForeignKey]:
    """Those that the statement declares for its table."""
    words = _words(sql)
    for at in _places(words, "FOREIGN", "KEY", "("):
        end = _closing(words, at + 2)
        if end is None or _text(words, end + 1) != "REFERENCES":
            continue
        parent, after = _qualified(sql, words, end + 2)
        columns, parent_columns = _listed(sql, words, at + 2), tuple[str, ...]()
        if _text(words, after) == "(":
            parent_columns, after = _listed(sql, words, after), (_closing(words, after) or after) + 1
        if "PERIOD" not in [word.text for word in words[at:after]]:
            full = (_text(words, after), _text(words, after + 1)) == ("MATCH", "FULL")
            yield ForeignKey(_name(sql, words, at), columns, parent, parent_columns, is_full=full)


def checks(sql: str) -> Iterator[Check]:
    """Those that ALTER TABLE adds to its table."""
    words = _words(sql)
    for at in _places(words, "CHECK", "("):
        end = _closing(words, at + 1)
        if end is not None and _is_added(words, at):
            yield Check(_name(sql, words, at), sql[words[at + 1].end : words[end].start].strip())


def exclusions(sql: str) -> Iterator[Exclusion]:
    """Those whose elements are columns: an expression cannot be written for one row and another."""
    words = _words(sql)
    for at in _places(words, "EXCLUDE"):
        opening = next((n for n in range(at, len(words)) if words[n].text == "("), None)
        elements = [] if opening is None else [_element(text) for text in _listed(sql, words, opening)]
        if elements and all(elements):
            yield Exclusion(_name(sql, words, at), tuple(each for each in elements if each))


def unique(sql: str) -> UniqueIndex | None:
    """What ``CREATE UNIQUE INDEX`` or ``ADD UNIQUE | PRIMARY KEY`` says; None for other statements."""
    words = _words(sql)
    texts = [word.text for word in words]
    if texts[:1] not in (["CREATE"], ["ALTER"]) or not {"UNIQUE", "PRIMARY"} & set(texts):
        return None
    where = _at_top(words, "WHERE") if texts[0] == "CREATE" else None
    predicate = None if where is None else sql[words[where].end :].strip().removesuffix(";").strip()
    nulls = any(texts[n : n + 3] == ["NULLS", "NOT", "DISTINCT"] for n in range(len(texts)))
    return UniqueIndex(predicate, nulls_are_equal=nulls)


def _words(sql: str) -> Sequence[Word]:
    try:
        return tuple(placed_words(sql))
    except LexerError:  # the server has read it, by settings that the file has changed
        return ()


def _text(words: Sequence[Word], at: int) -> str:
    return words[at].text if at < len(words) else ""


def _places(words: Sequence[Word], *texts: str) -> Iterator[int]:
    for at in range(len(words) - len(texts) + 1):
        if tuple(word.text for word in words[at : at + len(texts)]) == texts:
            yield at


def _closing(words: Sequence[Word], opening: int) -> int | None:
    """Where the parenthesis is closed that is opened there."""
    depth = 0
    for at in range(opening, len(words)):
        depth += {"(": 1, ")": -1}.get(words[at].text, 0)
        if depth == 0:
            return at
    return None


def _listed(sql: str, words: Sequence[Word], opening: int) -> tuple[str, ...]:
    """The parts between commas inside the parentheses that are opened there."""
    end = _closing(words, opening)
    if end is None:
        return ()
    parts, depth, begin = [], 0, words[opening].end
    for word in words[opening:end]:
        depth += {"(": 1, ")": -1}.get(word.text, 0)
        if word.text == "," and depth == 1:
            parts.append(sql[begin : word.start].strip())
            begin = word.end
    return (*parts, sql[begin : words[end].start].strip())


def _qualified(sql: str, words: Sequence[Word], at: int) -> tuple[str, int]:
    """A name with its schema, and the place behind it."""
    end = at
    while _text(words, end + 1) == ".":
        end += 2
    return (sql[words[at].start : words[end].end] if end < len(words) else ""), end + 1


def _name(sql: str, words: Sequence[Word], at: int) -> str | None:
    """The name that ``CONSTRAINT name`` gives to what stands at `at`."""
    if at < 2 or words[at - 2].text != "CONSTRAINT":
        return None
    return folded(sql[words[at - 1].start : words[at - 1].end])


def _is_added(words: Sequence[Word], at: int) -> bool:
    """Whether it is added to the table, and not to a column of it."""
    first = at - 2 if at >= 2 and words[at - 2].text == "CONSTRAINT" else at
    return first > 0 and words[first - 1].text == "ADD"


def _at_top(words: Sequence[Word], text: str) -> int | None:
    """The last place of the word outside of parentheses."""
    depth, found = 0, None
    for at, word in enumerate(words):
        depth += {"(": 1, ")": -1}.get(word.text, 0)
        found = at if word.text == text and depth == 0 else found
    return found


def _element(text: str) -> tuple[str, str] | None:
    words = _words(text)
    if len(words) < 3 or words[1].text != "WITH" or "(" in [word.text for word in words]:
        return None
    return text[words[0].start : words[0].end], text[words[2].start :].strip()
