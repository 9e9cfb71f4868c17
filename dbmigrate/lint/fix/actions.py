"""The actions of one ALTER TABLE as slices of its text, each with the comments that belong to it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen
from dbmigrate.lint.fix.values import Sql
from dbmigrate.lint.sql.reading import Reader, is_name, words_of
from dbmigrate.lint.sql.shape import ActionKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dbmigrate.lint.fix.writing import Writer
    from dbmigrate.lint.sql.shape import Action, AlterTable
    from dbmigrate.sql import Word

__all__ = ["Fragment", "Slice", "altered", "comments_in", "head_of", "name_at", "name_end", "slices", "words_between"]

_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_INDENT = "    "
# PostgreSQL runs the actions of one ALTER TABLE pass by pass, not in the order of the text (AlterTablePass in
# tablecmds.c); what is not named here comes last
_PASSES = (
    (ActionKind.DROP_COLUMN, ActionKind.DROP_CONSTRAINT),
    (ActionKind.SET_TYPE,),
    (ActionKind.ADD_COLUMN,),
    (ActionKind.SET_NOT_NULL, ActionKind.DROP_NOT_NULL, ActionKind.ADD_IDENTITY),
)
_INDEXES, _CONSTRAINTS, _MISC = 5, 6, 7
_PROPERTIES = 3


@frozen
class Fragment:
    """The text of an action, the comments above it, and the one behind it on its line."""

    text: str
    lead: tuple[str, ...] = ()
    tail: str = ""


@frozen
class Slice:
    """An action, and where it stands in the statement."""

    action: Action
    fragment: Fragment
    begin: int
    end: int

    @property
    def text(self) -> str:
        """Its text alone."""
        return self.fragment.text

    @property
    def order(self) -> int:
        """The pass in which the server runs it."""
        constraint = self.action.constraint
        if constraint is not None:
            return _INDEXES if constraint.kind.value in ("UNIQUE", "PRIMARY KEY", "EXCLUDE") else _CONSTRAINTS
        for number, kinds in enumerate(_PASSES):
            if self.action.kind in kinds:
                return number
        return _PROPERTIES if self.text[:5].upper() == "ALTER" else _MISC


def head_of(sql: str, shape: AlterTable) -> str:
    """``ALTER TABLE [IF EXISTS] [ONLY] name``"""
    end = name_end(sql, shape.table.at)
    return _without_comments(sql[:end])


def slices(sql: str, shape: AlterTable) -> list[Slice]:
    """The actions in the order of the text."""
    found: list[Slice] = []
    above = name_end(sql, shape.table.at)
    reader = Reader(word for word in words_of(sql) if word.start >= above and word.text != ";")
    reader.take("*")
    parts = [part.words for part in reader.parts() if part.words]
    for action, words in zip(shape.actions, parts, strict=True):
        begin, end = words[0].start, words[-1].end
        gap = sql[above:begin]
        if found:
            tail, gap = _split_gap(gap)
            found[-1] = _with_tail(found[-1], tail)
        found.append(Slice(action, Fragment(sql[begin:end], tuple(_comments(gap))), begin, end))
        above = end
    if found:
        found[-1] = _with_tail(found[-1], sql[above:].rstrip().removesuffix(";"))
    return found


def _split_gap(gap: str) -> tuple[str, str]:
    """What stands between two actions: what belongs to the first one, and what to the second."""
    comma = next(at for at, letter in _outside_comments(gap) if letter == ",")
    line = gap.find("\n", comma)
    end = len(gap) if line < 0 else line
    if line < 0 and not _COMMENT.search(gap, comma):
        return gap[:comma], gap[comma + 1 :]
    return gap[:comma] + gap[comma + 1 : end], gap[end:]


def _outside_comments(text: str) -> Iterable[tuple[int, str]]:
    hidden = {at for found in _COMMENT.finditer(text) for at in range(found.start(), found.end())}
    return ((at, letter) for at, letter in enumerate(text) if at not in hidden)


def _with_tail(found: Slice, tail: str) -> Slice:
    comments = _comments(tail)
    if not comments:
        return found
    blank = re.match(r"[ \t]*", tail)
    behind = ((blank[0] if blank else "") or " ") + " ".join(comments)
    return replace(found, fragment=replace(found.fragment, tail=behind))


def _comments(text: str) -> list[str]:
    return [comment.rstrip("\r") for comment in _COMMENT.findall(text)]


def comments_in(sql: str) -> list[str]:
    """The comments of a statement: what looks like one in a string or a quoted name is none."""
    return [comment for gap in _gaps(sql) for comment in _comments(gap)]


def _gaps(sql: str) -> Iterator[str]:
    at = 0
    for word in words_of(sql):
        yield sql[at : word.start]
        at = word.end
    yield sql[at:]


def _without_comments(sql: str) -> str:
    if not comments_in(sql):
        return sql
    words = words_of(sql)
    gaps = [*_gaps(sql)][1:]
    return "".join(
        sql[word.start : word.end] + (" " if gap else "") for word, gap in zip(words, gaps, strict=True)
    ).strip()


def altered(head: str, parts: Iterable[Fragment | str], write: Writer) -> Sql:
    """One ALTER TABLE of several actions; comments that stand between them stay there."""
    every = [Fragment(part) if isinstance(part, str) else part for part in parts]
    if len(every) == 1:
        return Sql(f"{head} {every[0].text};", every[0].lead, every[0].tail)
    lines: list[str] = [head]
    for number, part in enumerate(every):
        is_last = number == len(every) - 1
        lines += [] if number == 0 else [f"{_INDENT}{comment}" for comment in part.lead]
        lines.append(f"{_INDENT}{part.text}{';' if is_last else ','}{'' if is_last else part.tail}")
    return Sql(write.newline.join(lines), every[0].lead, every[-1].tail)


def name_end(sql: str, at: int) -> int:
    """Where the name ends that begins at `at`: ``schema.name``."""
    words = [word for word in words_of(sql) if word.start >= at]
    end, number = words[0].end, 1
    while number + 1 < len(words) and words[number].text == "." and is_name(words[number + 1].text):
        end = words[number + 1].end
        number += 2
    return end


def name_at(sql: str, at: int) -> str:
    """The name that begins there, as it is written."""
    return sql[at : name_end(sql, at)]


def words_between(sql: str, begin: int, end: int) -> list[Word]:
    """The words of a slice."""
    return [word for word in words_of(sql) if begin <= word.start and word.end <= end]
