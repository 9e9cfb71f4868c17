"""Where ``:batch`` stands in a statement, and what its statement does: by tokens, so that strings stay strings.

``:batch`` counts only where a condition may stand. So ``a[1:batch]``, ``json_object('k':batch)``, ``x::batch`` and
``:batches`` stay SQL.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbmigrate.backfill.names import folded
from dbmigrate.frozen import frozen
from dbmigrate.sql import placed_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dbmigrate.sql import Word

__all__ = ["Mark", "Paged", "PlacementError", "assigned", "changes", "paged"]

# what stands before a condition: https://www.postgresql.org/docs/current/sql-select.html#SQL-WHERE
_BEFORE = frozenset(("WHERE", "AND", "NOT", "ON", "WHEN", "HAVING", "("))
# what ends the condition before it
_CLAUSES = frozenset(
    (
        *("WHERE", "ON", "WHEN", "HAVING", "THEN", "ELSE", "SET", "SELECT", "FROM", "GROUP", "ORDER", "LIMIT", ";"),
        *("RETURNING", "UNION", "EXCEPT", "INTERSECT", "USING", "VALUES", "WINDOW"),
    )
)
_QUERIES = frozenset(("SELECT", "WITH", "VALUES", "TABLE"))
_STATEMENTS = frozenset(("UPDATE", "DELETE", "INSERT", "MERGE", "WITH", "SELECT"))
_ALIAS = re.compile(r'\(\s*("(?:[^"]|"")+"|[^\W\d][\w$]*)\s*\)').match
_EXAMPLE = "for example `update users set n = 0 where n is null and :batch;`"
_BEHIND_OR = "write the other conditions in parentheses: `(a or b) and :batch`"


class PlacementError(Exception):
    """What is wrong, and where in the statement."""

    def __init__(self, message: str, hint: str, start: int = 0, *, code: str = "E287") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.start = start
        self.code = code


@frozen
class Mark:
    """One ``:batch``, from `start` to `end`; `alias` is SQL text."""

    start: int
    end: int
    alias: str | None = None


@frozen
class Paged:
    """A statement with its marks, in their order; there is at least one."""

    sql: str
    marks: tuple[Mark, ...]

    def expanded(self, condition: Callable[[str | None], str]) -> str:
        """The statement with a condition, which is made for an alias, in the place of each mark."""
        return self.expanded_as([condition(mark.alias) for mark in self.marks])

    def expanded_as(self, texts: Sequence[str]) -> str:
        pieces, at = [], 0
        for mark, text in zip(self.marks, texts, strict=True):
            pieces += [self.sql[at : mark.start], text]
            at = mark.end
        return "".join((*pieces, self.sql[at:]))

    @property
    def plain(self) -> str:
        """The statement as plain SQL of the same length, for those who only read it."""
        return self.expanded_as(["(true)".ljust(mark.end - mark.start) for mark in self.marks])

    def offset(self, position: int, condition: Callable[[str | None], str]) -> int:
        """Where in the statement the character `position` of `expanded` comes from."""
        longer = 0
        for mark in self.marks:
            begin, length = mark.start + longer, len(condition(mark.alias))
            if position < begin:
                break
            if position < begin + length:
                return mark.start
            longer += length - (mark.end - mark.start)
        return position - longer


def paged(sql: str) -> Paged:
    """Find the marks of one statement. Raises PlacementError."""
    words = list(placed_words(sql))
    first = words[0].text if words else ""
    if first not in _STATEMENTS:
        raise PlacementError(
            f"{first or 'this'} cannot run in pages",
            "a backfill has UPDATE, DELETE, INSERT ... SELECT, MERGE, WITH and SELECT; put the rest into a section of"
            " its own in this file: `-- migrate:up`, `-- migrate:down`",
            code="E288",
        )
    marks = tuple(_marks(sql, words))
    if not marks:
        raise PlacementError(*_missing(sql))
    return Paged(sql, marks)


def _missing(sql: str) -> tuple[str, str]:
    if re.search(r"(?<!:):batch\b", sql):
        hint = f"it counts after WHERE, AND, NOT, ON, WHEN, HAVING or a parenthesis, outside of strings; {_EXAMPLE}"
        return "the `:batch` of this statement stands where no condition may stand: it is text", hint
    return "this statement of a backfill has no `:batch`: every page would run it for all rows", _EXAMPLE


@dataclass(slots=True)
class _Level:
    """A condition that is being read, between parentheses or in CASE."""

    is_condition: bool = True  # whether what it says counts for the condition around it
    mark: Mark | None = None
    has_or: bool = False
    is_new: bool = True

    def end(self) -> None:
        """The condition ends here. AND binds tighter than OR: beside an OR, `:batch` restricts one side alone."""
        if self.mark is not None and self.has_or:
            message = "`:batch` stands beside an OR, so that every page would change rows of the whole table"
            raise PlacementError(message, _BEHIND_OR, self.mark.start)
        self.mark, self.has_or = None, False


def _marks(sql: str, words: Sequence[Word]) -> Iterator[Mark]:
    levels, before = [_Level()], ""
    for position, word in enumerate(words):
        text = word.text
        if _is_mark(sql, words, position) and (mark := _mark(sql, word.start, before)):
            levels[-1].mark = mark
            yield mark
        if levels[-1].is_new and text in _QUERIES:
            levels[-1].is_condition = False
        levels[-1].is_new = False
        if text in ("(", "CASE"):
            levels.append(_Level(text == "(" and (before in _BEFORE or before == "OR")))
        elif text in (")", "END") and len(levels) > 1:
            inner = levels.pop()
            mark_inside = inner.mark
            inner.end()
            if inner.is_condition and mark_inside is not None:
                levels[-1].mark = mark_inside
        elif text == "OR":
            levels[-1].has_or = True
        elif text in _CLAUSES:
            levels[-1].end()
        before = text
    for level in levels:
        level.end()


def _is_mark(sql: str, words: Sequence[Word], position: int) -> bool:
    if words[position].text != ":" or position + 1 == len(words):
        return False
    name = words[position + 1]
    return name.start == words[position].end and sql[name.start : name.end] == "batch"


def _mark(sql: str, start: int, before: str) -> Mark | None:
    if before == "OR":
        message = "`:batch` stands behind an OR, so that every page would change rows of the whole table"
        raise PlacementError(message, _BEHIND_OR, start)
    if before not in _BEFORE:
        return None
    end = start + len(":batch")
    alias = _ALIAS(sql, end)
    return Mark(start, alias.end(), alias[1]) if alias else Mark(start, end)


def plain(sql: str) -> str:
    """A statement without its marks, as `Paged.plain`; as it is where it has none, or wrong ones."""
    if ":batch" not in sql:
        return sql
    try:
        return paged(sql).plain
    except PlacementError:
        return sql


# ------------------------------------------------------------------------------------------------ what a statement does


def changes(sql: str, table: tuple[str, str]) -> bool:
    """Whether an UPDATE or DELETE changes `table` (its schema and name), as far as the text shows it."""
    words = [word.text for word in placed_words(sql)]
    names = words[2:] if words[:2] == ["DELETE", "FROM"] else words[1:] if words[:1] == ["UPDATE"] else []
    names = names[1:] if names[:1] == ["ONLY"] else names
    if not names:
        return False
    if names[1:2] == ["."]:
        return (folded(names[0]), folded(names[2])) == table
    return folded(names[0]) == table[1]


def assigned(sql: str) -> frozenset[str]:
    """The columns that the first SET of this statement sets, by name: ``set a = 1, (b, c) = (select 1, 2)``."""
    words = [word.text for word in placed_words(sql)]
    found: set[str] = set()
    at = words.index("SET") + 1 if "SET" in words else len(words)
    while at < len(words):
        is_list = words[at] == "("
        end = words.index(")", at) if is_list and ")" in words[at:] else at + 1
        names = [word for word in words[at:end] if word not in ("(", ",")]
        found.update(folded(name) for name in (names if is_list else names[:1]))
        at = _after_value(words, end + is_list)
    return frozenset(found)


def _after_value(words: Sequence[str], at: int) -> int:
    """Behind the comma that ends a value of SET; the end of the words if it is the last one."""
    depth = 0
    for position in range(at, len(words)):
        word = words[position]
        depth += (word in "([") - (word in ")]")
        if depth < 0 or (not depth and word in ("WHERE", "FROM", "RETURNING", "WHEN", ";")):
            break
        if not depth and word == ",":
            return position + 1
    return len(words)
