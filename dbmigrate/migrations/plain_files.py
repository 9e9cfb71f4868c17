"""Plain migration files, read in less than half the time: what `parser` finds in them, found without its machinery.

Plain is a file of one up and one down section, line comments between the statements, and statements that the lexer
takes whole and that mean nothing for transactions or settings. There is nothing to report about such a file. Any other
one is None here and is read the usual way, which also says what is wrong with it.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

from dbmigrate.migrations import head, headers
from dbmigrate.migrations.annotations import BREAKING_MARK
from dbmigrate.migrations.left_settings import change_of
from dbmigrate.migrations.statement_stream import CONFLICT
from dbmigrate.migrations.token_checksum import sum_of_plain
from dbmigrate.model import Direction, Migration, Section, Statement, StatementKind
from dbmigrate.sql.plain_words import all_words
from dbmigrate.sql.statements import is_plain
from dbmigrate.sql.tokeniser import simple_statement

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dbmigrate.model import MigrationFile

__all__ = ["Slices", "read"]

_HEADER = re.compile(r"--[ \t]*+migrate:(?:up|down)(?:[ \t][^\n]*+)?(?=\n|\Z)").match
_DOWN = re.compile(r"^--[ \t]*+migrate:down", re.MULTILINE).search
_COMMENTS = re.compile(r"(?:[ \t\n\f\v]++|--(?![ \t\f]*+migrate)[^\n]*+(?:\n|\Z))*").match
_MOST_LINES = 400  # of comments before a statement; the splitter does not keep longer ones together with it
# Carriage returns end comments; two letters are an i to expressions that ignore case, but not in lower case.
_SAID = ("\r", BREAKING_MARK, *CONFLICT, "\u0130", "\u0131")


def read(file: MigrationFile, text: str, checksum: str) -> Migration | None:
    """The migration in `text`; None if that is not plain. `checksum` is the file's."""
    if any(mark in text for mark in _SAID) or text.lower().count("migrate") != len(Direction):
        return None  # something other than the headers speaks of migrations: annotations, or what is nearly one
    words: list[str] = []
    begin = _behind_comments(text, 0)
    middle = _DOWN(text, begin)
    if middle is None or (begin and text[begin - 1] != "\n"):
        return None
    up_sql, down_sql = text[begin : middle.start()], text[middle.start() :]
    up = _section(Direction.UP, up_sql, 1 + text.count("\n", 0, begin), words)
    down = _section(Direction.DOWN, down_sql, up.line + up_sql.count("\n"), words) if up and up.count else None
    if up is None or down is None:
        return None
    return Migration(file, (up, down), checksum, sum_of_plain(words), up_sql, down_sql, head=head.cut(text))


def _section(direction: Direction, text: str, first: int, words: list[str]) -> Section | None:
    """The section that a text is, `first` the line of its header; its words are added to `words`. None if not plain."""
    found = _HEADER(text)
    header = found and _parsed(found[0])
    if not found or not header or header.direction is not direction or header.ignored or header.is_backfill:
        return None
    words += ("--migrate", *found[0].removeprefix("--").split())
    at, line = found.end(), first
    places = [at]
    while match := simple_statement(text, at) or simple_statement(text, _behind_comments(text, at)):
        start, end = match.end(1), match.end()
        sql, breaks = text[start:end], text.count("\n", at, start)
        if breaks > _MOST_LINES or not is_plain(sql) or (direction is Direction.UP and change_of(sql)):
            return None
        line += breaks
        places += (start, end, line, start - text.rfind("\n", 0, start))
        words += all_words(sql)
        line += text.count("\n", start, end)
        at = end
    if _behind_comments(text, at) != len(text):
        return None
    number, kept = int(direction is Direction.DOWN), Slices(text, places)
    said = header.transaction, header.irreversible, header.options
    return Section(direction, number, first, *said, len(kept), statements=kept)


def _parsed(header: str) -> headers.Header | None:
    try:
        return headers.parse(header)
    except headers.HeaderError:
        return None


def _behind_comments(text: str, at: int) -> int:
    """Where blanks and line comments end that begin here."""
    match = _COMMENTS(text, at)
    assert match is not None
    return match.end()


class Slices(Sequence[Statement]):
    """Plain statements of a text, cut out of it whenever they are asked for: kept they would take its size once more.

    `places` are the end of what stands before all of them, then of each one its start, end, line and column.
    """

    __slots__ = ("_places", "_text")

    def __init__(self, text: str, places: Iterable[int]) -> None:
        self._text = text
        self._places = array("I", places)

    def __len__(self) -> int:
        return len(self._places) // 4

    def __iter__(self) -> Iterator[Statement]:
        text, places = self._text, self._places
        before = places[0]
        for at in range(1, len(places), 4):
            start, end, line, column = places[at : at + 4]
            yield Statement(text[start:end], line, column, StatementKind.PLAIN, text[before:start])
            before = end

    @overload
    def __getitem__(self, index: int) -> Statement: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Statement]: ...

    def __getitem__(self, index: int | slice) -> Statement | Sequence[Statement]:
        return tuple(self)[index]

    def __eq__(self, other: object) -> bool:
        return tuple(self) == tuple(other) if isinstance(other, (Slices, tuple)) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))
