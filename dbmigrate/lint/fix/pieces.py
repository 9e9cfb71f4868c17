"""A migration file as statements with the text that belongs to them. Joined, they are the file again.

A statement owns what follows it on its last line (``drop index i; -- nobody used it``) and everything between the
statement before it and itself. The parser's `Statement.lead` gives the first to the next statement.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen
from dbmigrate.migrations import headers
from dbmigrate.sql import PostgresLexer, PostgresSplitter, SegmentKind
from dbmigrate.sql.statements import classify

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbmigrate.model import Direction, StatementKind

__all__ = ["FileText", "Piece", "SectionText", "cut"]

_LINE_END = re.compile(r"\r?\n")
_COMMENT_BOUNDS = re.compile(r"/\*|\*/")


@frozen
class Piece:
    """A statement. `lead`, `sql` and `tail` joined are its text; `at` is where `sql` begins in the file.

    `tail` are the data of a COPY, what follows on the last line, and the end of that line.
    """

    lead: str
    sql: str
    tail: str
    at: int

    @property
    def text(self) -> str:
        return self.lead + self.sql + self.tail

    @property
    def kind(self) -> StatementKind:
        return classify(self.sql)

    @property
    def is_closed(self) -> bool:
        """Whether it ends in its semicolon, which the last one of a section need not have."""
        return self.sql.endswith(";")


@frozen
class SectionText:
    """A section: its header line, its statements, and what comes after the last of them."""

    direction: Direction
    header: str
    pieces: tuple[Piece, ...]
    rest: str = ""

    @property
    def text(self) -> str:
        return self.header + "".join(piece.text for piece in self.pieces) + self.rest


@frozen
class FileText:
    """A file: what stands above the first header, and the sections."""

    top: str
    sections: tuple[SectionText, ...]

    @property
    def text(self) -> str:
        return self.top + "".join(section.text for section in self.sections)


def cut(text: str) -> FileText:
    """Cut the text of a file that was parsed before."""
    top, sections, found, offset = "", list[SectionText](), list[Piece](), 0
    pending = ""  # what no statement owns yet

    def close() -> None:
        if sections:
            sections[-1] = replace(sections[-1], pieces=tuple(found), rest=pending)
        found.clear()

    for segment in PostgresSplitter().process(PostgresLexer(headers.BOUNDARY).get_tokens(text)):
        data = "".join(value for _, value in segment.copy or ())
        begin = offset + len(segment.lead)
        offset = begin + len(segment.text) + len(data)
        if segment.kind is SegmentKind.HEADER:
            pending += _given_back(found, segment.lead)
            if not sections:
                top = pending
            close()
            pending = ""
            header = headers.parse(segment.text)
            sections.append(SectionText(header.direction, segment.text, ()))
        elif segment.kind is SegmentKind.STATEMENT:
            lead = pending + _given_back(found, segment.lead)
            pending = ""
            if not found and sections:  # the end of the header's line belongs to the header
                line = _first_line(lead)
                sections[-1] = replace(sections[-1], header=sections[-1].header + lead[:line])
                lead = lead[line:]
            found.append(Piece(lead, segment.text, data, begin))
        else:
            pending += _given_back(found, segment.lead) + segment.text
    close()
    return FileText(top, tuple(sections))


def _given_back(found: list[Piece], lead: str) -> str:
    """Give the last statement what follows it on its line; the rest is the next one's."""
    if not found or "\n" in found[-1].tail:
        return lead
    end = _tail(lead)
    found[-1] = replace(found[-1], tail=found[-1].tail + lead[:end])
    return lead[end:]


def _tail(text: str) -> int:
    """Where the line ends on which a text begins: its line break included, outside of block comments."""
    at = 0
    while at < len(text):
        if text.startswith("--", at):
            return _first_line(text, at)
        if text.startswith("/*", at):
            at = _comment_end(text, at)
        elif found := _LINE_END.match(text, at):
            return found.end()
        else:
            at += 1
    return len(text)


def _first_line(text: str, at: int = 0) -> int:
    found = _LINE_END.search(text, at)
    return found.end() if found else len(text)


def _comment_end(text: str, at: int) -> int:
    """Where the comment ends that is opened at `at`; comments nest."""
    depth = 0
    for bound in _bounds(text, at):
        depth += 1 if bound[0] == "/*" else -1
        if depth == 0:
            return bound.end()
    return len(text)


def _bounds(text: str, at: int) -> Iterator[re.Match[str]]:
    yield from _COMMENT_BOUNDS.finditer(text, at)
