"""The text of a migration file: its comments, and the lines that a finding shows."""

from __future__ import annotations

import re
from dataclasses import field
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen
from dbmigrate.migrations.headers import BOUNDARY
from dbmigrate.migrations.source import Cursor, Source
from dbmigrate.model import Excerpt, Place
from dbmigrate.sql import LexerError, PostgresLexer, PostgresSplitter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["LARGEST", "Comment", "Document", "read_document"]

LARGEST = 4 << 20  # bytes; larger files hold rows of data
_WIDEST = 400  # characters of a line that are worth showing
_HIDDEN = "*"


@frozen
class Comment:
    """A ``--`` comment; `text` is without the dashes."""

    line: int
    column: int
    text: str
    verbatim: str


@frozen
class Document:
    """A file as text. `lines` and `comments` are empty if it is larger than `LARGEST`."""

    path: str
    text: str = ""
    lines: Sequence[str] = ()
    comments: Sequence[Comment] = ()
    is_whole: bool = True
    _hidden: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    _starts: list[int] = field(default_factory=list)

    def offset(self, line: int, column: int) -> int:
        """Where in the text a place is."""
        starts = self._starts or self._find_starts()
        return starts[line - 1] + column - 1

    def _find_starts(self) -> list[int]:
        self._starts[:] = [0, *(found.end() for found in re.finditer("\n", self.text))]
        return self._starts

    def hide(self, place: Place, width: int) -> None:
        """Replace these characters in every excerpt."""
        line, start = place.line, place.column - 1
        while width > 0 and line <= len(self.lines):
            covered = min(width, len(self.lines[line - 1]) - start)
            self._hidden.setdefault(line, []).append((start, covered))
            width -= covered + 1  # and the line break
            line, start = line + 1, 0

    def excerpt(self, place: Place) -> Excerpt | None:
        """The line of a place, with asterisks for hidden characters."""
        if not 1 <= place.line <= len(self.lines):
            return None
        line = self.lines[place.line - 1]
        for start, width in self._hidden.get(place.line, ()):
            line = line[:start] + _HIDDEN * width + line[start + width :]
        begin = max(0, place.column - 1 - _WIDEST // 2) if len(line) > _WIDEST else 0
        return Excerpt(((place.line, line[begin : begin + _WIDEST]),), place.column - begin, 1)


def read_document(path: str) -> Document:
    """Read a file that was parsed before. Raises ConfigError E207, MigrationFileError E210."""
    with Source(path) as source:
        if source.size > LARGEST:
            return Document(path, is_whole=False)
        text = source.read_all()
    lines = [line.rstrip("\r") for line in text.split("\n")]
    return Document(path, text, lines, tuple(_comments(text)))


def _comments(text: str) -> Iterator[Comment]:
    cursor = Cursor()
    try:
        for piece in PostgresSplitter().process(PostgresLexer(BOUNDARY).get_tokens(text)):
            whole = piece.lead + piece.text
            for offset, comment in piece.comments:
                yield Comment(*cursor.after(whole[:offset]), comment.lstrip("-").strip(), comment)
            cursor.advance(whole)
            for _, value in piece.copy or ():
                cursor.advance(value)
    except LexerError:  # the parser reports it
        return
