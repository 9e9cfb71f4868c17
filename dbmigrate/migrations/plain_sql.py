"""Plain SQL without sections, split into its statements: schema files, queries, what other tools keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.migrations.source import Cursor, Origin
from dbmigrate.migrations.statement_stream import backslash, pass_data, segments, statement_of
from dbmigrate.model import Statement, StatementKind
from dbmigrate.sql import PostgresLexer, SegmentKind

if TYPE_CHECKING:
    from collections.abc import Iterator


_DUMP_COMMANDS = frozenset(("\\restrict", "\\unrestrict", "\\connect"))


def split_sql(text: str, *, path: str = "(SQL)") -> Iterator[Statement]:
    """The statements of a plain SQL text without sections, named `path` in errors.

    The lines ``\\restrict``, ``\\unrestrict`` and ``\\connect`` of pg_dump come as statements of kind META, to be
    skipped. Raises MigrationFileError E217 (something is not closed), E218 (any other backslash command).
    """
    origin = Origin(path, text)
    cursor = Cursor()
    for segment in segments(origin, PostgresLexer().get_tokens(text)):
        cursor.advance(segment.lead)
        if segment.kind is SegmentKind.STATEMENT:
            statement = statement_of(segment, cursor)
            yield statement
            pass_data(statement)
        elif segment.kind is SegmentKind.META:
            if cursor.column != 1 or segment.text.split()[0] not in _DUMP_COMMANDS:
                raise backslash(origin, segment, cursor)
            yield Statement(segment.text, cursor.line, cursor.column, StatementKind.META, segment.lead)
            cursor.advance(segment.text)
