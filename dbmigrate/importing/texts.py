"""The text of another tool's file: decoded, cut into statements, and refused with its place."""

from __future__ import annotations

import codecs
import hashlib
import re
from datetime import UTC, datetime
from posixpath import join
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen
from dbmigrate.importing.values import Part
from dbmigrate.migrations.source import Origin
from dbmigrate.model import Place, StatementKind
from dbmigrate.sql import LexerError, PostgresLexer, PostgresSplitter, SegmentKind
from dbmigrate.sql.statements import classify

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbmigrate.errors import MigrationFileError
    from dbmigrate.importing.values import HistoryTable, Source, SourceFile

_CONTROL = (StatementKind.BEGIN, StatementKind.COMMIT, StatementKind.ROLLBACK, StatementKind.TWO_PHASE)


@frozen
class Text:
    """A file's text, or a piece of it that begins on line `first_line`; `path` is how messages name the file."""

    path: str
    text: str
    whole: str
    first_line: int = 1

    def piece(self, begin: int, end: int) -> Text:
        """What stands from one character to another, which keeps the lines of the file."""
        line = self.first_line + self.text.count("\n", 0, begin)
        return Text(self.path, self.text[begin:end], self.whole, line)

    def with_text(self, text: str) -> Text:
        """The same place with its placeholders replaced; their values must not hold line breaks."""
        return Text(self.path, text, self.whole, self.first_line)

    def line_of(self, offset: int) -> int:
        return self.first_line + self.text.count("\n", 0, offset)

    def place(self, line: int) -> Place:
        return Place(self.path, line)

    def error(self, message: str, line: int, *, hint: str | None = None, column: int = 1) -> MigrationFileError:
        """That the file cannot be converted, and why."""
        return Origin(self.path, self.whole).error("E281", message, (line, column), hint=hint)


def read_text(source: Source, file: SourceFile) -> Text:
    """The text of a file without a byte order mark. Raises MigrationFileError E210: not UTF-8, or a NUL in it."""
    path = join(source.directory, file.path)
    content = file.content.removeprefix(codecs.BOM_UTF8)
    try:
        text = content.decode()
    except UnicodeDecodeError as exc:
        before = content[: exc.start].decode()
        message = f"not valid UTF-8: byte 0x{content[exc.start]:02x}"
        whole = content.decode(errors="replace")
        raise Origin(path, whole).error("E210", message, _position(before), hint="save the file as UTF-8") from exc
    if "\0" in text:
        at = _position(text.partition("\0")[0])
        raise Origin(path, text).error("E210", "a NUL character in the file", at, hint="remove it")
    return Text(path, text, text)


def _position(before: str) -> tuple[int, int]:
    line = before.rpartition("\n")
    return before.count("\n") + 1, len(line[2]) + 1


# ---------------------------------------------------------------------------------------------------------- statements


@frozen
class Statement:
    """A statement, or a psql command (`is_command`), as it was written, with the comments before it."""

    sql: str
    lead: str
    line: int
    offset: int
    is_command: bool = False

    @property
    def kind(self) -> StatementKind:
        return classify(self.sql)


def statements(text: Text) -> tuple[Statement, ...]:
    """The statements of a text by PostgreSQL's rules. Raises MigrationFileError E281 for a quote that is not closed."""
    try:
        return tuple(_statements(text))
    except LexerError as exc:
        line = text.first_line + exc.line - 1
        raise text.error(exc.message, line, hint=exc.hint, column=exc.column) from exc


def _statements(text: Text) -> Iterator[Statement]:
    offset = 0
    for piece in PostgresSplitter().process(PostgresLexer().get_tokens(text.text)):
        offset += len(piece.lead)
        if piece.kind in (SegmentKind.STATEMENT, SegmentKind.META):
            is_command = piece.kind is SegmentKind.META
            yield Statement(piece.text, piece.lead, text.line_of(offset), offset, is_command)
        offset += len(piece.text)
        for _, data in piece.copy or ():
            offset += len(data)


def refuses_transaction(found: Sequence[Statement]) -> bool:
    """Whether PostgreSQL refuses one of the statements in a transaction block."""
    return any(each.kind is StatementKind.OUTSIDE for each in found if not each.is_command)


def controls_transaction(found: Sequence[Statement]) -> bool:
    """Whether one of the statements begins or ends a transaction."""
    return any(each.kind in _CONTROL for each in found if not each.is_command)


def as_one_message(text: Text) -> Part:
    """What a tool sends as one simple query without a mark.

    PostgreSQL runs several statements of one message in one transaction, and a single statement as it is: so a file
    with nothing but CREATE INDEX CONCURRENTLY passes.
    """
    return Part(text.text, transaction=not refuses_transaction(statements(text)))


# ------------------------------------------------------------------------------------------------------ sums and names


def sums_of(content: bytes, algorithm: str) -> dict[str, str]:
    """A file's checksum, and what it would be with the line ends of another machine's checkout."""
    unix = re.sub(rb"\r\n", b"\n", content)
    variants = {"": content, " (LF)": unix, " (CRLF)": unix.replace(b"\n", b"\r\n")}
    return {algorithm + ends: hashlib.new(algorithm, data).hexdigest() for ends, data in variants.items()}


def moment(value: object) -> datetime | None:
    """A time of a history table; one without a zone is taken as UTC, which is what servers are mostly set to."""
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def qualified(table: HistoryTable) -> str:
    """A table's name as SQL has it."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in (table.schema, table.name))


def file_name(path: str) -> str:
    return path.rpartition("/")[2]


def folder(path: str) -> str:
    """The directory of a path, without the file's name; empty at the top."""
    return path.rpartition("/")[0]
