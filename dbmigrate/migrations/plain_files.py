"""Plain migration files, read in a third of the time: what `parser` finds in them, found without its machinery.

Plain is a file of one up and one down section, line comments between the statements, and statements that the lexer
takes whole and that mean nothing for transactions or settings. There is nothing to report about such a file. Any other
one is None here and is read the usual way, which also says what is wrong with it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dbmigrate.migrations import head, headers
from dbmigrate.migrations.annotations import BREAKING_MARK
from dbmigrate.migrations.left_settings import change_of
from dbmigrate.migrations.statement_stream import CONFLICT
from dbmigrate.migrations.token_checksum import sum_of_plain
from dbmigrate.model import Direction, Migration, Section, Statement
from dbmigrate.sql.plain_words import all_words
from dbmigrate.sql.statements import is_plain
from dbmigrate.sql.tokeniser import simple_statement

if TYPE_CHECKING:
    from dbmigrate.model import MigrationFile

__all__ = ["read"]

_HEADER = re.compile(r"--[ \t]*+migrate:(?:up|down)(?:[ \t][^\n]*+)?(?=\n|\Z)").match
_COMMENTS = re.compile(r"(?:[ \t\n\f\v]++|--(?![ \t\f]*+migrate)[^\n]*+(?:\n|\Z))*").match
_MOST_LINES = 400  # of comments before a statement; the splitter does not keep longer ones together with it
# Carriage returns end comments; two letters are an i to expressions that ignore case, but not in lower case.
_SAID = ("\r", BREAKING_MARK, *CONFLICT, "\u0130", "\u0131")


def read(file: MigrationFile, text: str, checksum: str) -> Migration | None:
    """The migration in `text`; None if that is not plain. `checksum` is the file's."""
    if any(mark in text for mark in _SAID) or text.lower().count("migrate") != len(Direction):
        return None  # something other than the headers speaks of migrations: annotations, or what is nearly one
    reading = _Reading(text)
    up = reading.section(Direction.UP)
    down = reading.section(Direction.DOWN) if up and up.count else None
    if up is None or down is None or not reading.is_finished:
        return None
    middle = reading.begins[1]
    sums = checksum, sum_of_plain(reading.words)
    return Migration(file, (up, down), *sums, text[reading.begins[0] : middle], text[middle:], head=head.cut(text))


class _Reading:
    """One pass over a text. `begins` are the offsets of the headers, `words` those of all sections."""

    def __init__(self, text: str) -> None:
        self.begins: list[int] = []
        self.words: list[str] = []
        self._text = text
        self._at = 0
        self._line = 1

    def section(self, direction: Direction) -> Section | None:
        """The section that comes next; None if it is another one or not plain."""
        header = self._header()
        if header is None or header.direction is not direction or header.ignored or header.is_backfill:
            return None
        line, found = self._line, []
        while (statement := self._statement()) is not None:
            if not is_plain(statement.sql) or (direction is Direction.UP and change_of(statement.sql)):
                return None
            found.append(statement)
            self.words += all_words(statement.sql)
        return Section(
            direction,
            len(self.begins) - 1,
            line,
            header.transaction,
            header.irreversible,
            header.options,
            len(found),
            statements=tuple(found),
        )

    def _header(self) -> headers.Header | None:
        begin = _behind_comments(self._text, self._at)
        match = _HEADER(self._text, begin)
        if match is None or (begin and self._text[begin - 1] != "\n"):
            return None
        self._pass_lines(begin)
        self.begins.append(begin)
        self._at = match.end()
        self.words += ("--migrate", *match[0].removeprefix("--").split())
        try:
            return headers.parse(match[0])
        except headers.HeaderError:
            return None

    def _statement(self) -> Statement | None:
        """The next one, with what stands before it."""
        text, at = self._text, self._at
        match = simple_statement(text, at) or simple_statement(text, _behind_comments(text, at))
        if match is None:
            return None
        start, end = match.end(1), match.end()
        lead = text[at:start]
        if lead.count("\n") > _MOST_LINES:
            return None
        self._pass_lines(start)
        line, column = self._line, start - text.rfind("\n", 0, start)
        self._pass_lines(end)
        return Statement(text[start:end], line, column, lead=lead)

    def _pass_lines(self, to: int) -> None:
        self._line += self._text.count("\n", self._at, to)
        self._at = to

    @property
    def is_finished(self) -> bool:
        """Whether nothing but comments is left."""
        return _behind_comments(self._text, self._at) == len(self._text)


def _behind_comments(text: str, at: int) -> int:
    """Where blanks and line comments end that begin here."""
    match = _COMMENTS(text, at)
    assert match is not None
    return match.end()
