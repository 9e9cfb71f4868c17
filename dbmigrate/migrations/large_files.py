"""What is run of a migration file that was checked: its statements again, or its bytes as they are, batch by batch.

Whatever is given out was compared with the file that was checked before: nothing of a changed file is ever run.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from dbmigrate.errors import ConfigError
from dbmigrate.migrations import headers
from dbmigrate.migrations.source import Cursor, Origin, Source, changed
from dbmigrate.migrations.statement_stream import pass_data, segments, statement_of
from dbmigrate.model import Batch
from dbmigrate.sql import PostgresLexer, SegmentKind, placeholders

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator, Mapping, Sequence

    from dbmigrate.model import FileRange, Migration, Section, Statement

__all__ = ["batches", "statements"]


def statements(migration: Migration, section: Section) -> Iterator[Statement]:
    """What has to be run for one section, in order; redundant BEGIN and COMMIT are left out.

    Read from the file once more if it is too large to be kept. Raises MigrationFileError E222 at the latest after the
    last statement if the file is not the one that was checked any more, or is gone.
    """
    found = _reread(migration, section) if section.statements is None else iter(section.statements)
    if section.redundant:
        found = (statement for ordinal, statement in enumerate(found) if ordinal not in section.redundant)
    return found if migration.bound is None else map(partial(_filled, migration.bound.texts), found)


def _filled(values: Mapping[str, str], statement: Statement) -> Statement:
    filled = placeholders.fill(statement.sql, values)
    return statement if filled is None else replace(statement, filled=filled)


def batches(migration: Migration, section: Section) -> Iterator[Batch] | None:
    """The same statements in batches, straight from the file's bytes.

    None where it is not known where they are, or where values take the place of variables. Raises MigrationFileError
    E222 as `statements` does.
    """
    if section.batch_ranges is None or migration.bound is not None:
        return None
    return _batches(migration, section.batch_ranges)


def _batches(migration: Migration, ranges: Sequence[FileRange]) -> Iterator[Batch]:
    origin = Origin(migration.file.path)
    try:
        with Source(origin.path, migration.marks) as source:
            for file_range in ranges:
                sql = b"".join(source.slices(file_range.begin, file_range.end))
                yield Batch(sql, file_range.number, partial(_split, origin, file_range, sql), _data(source, file_range))
            source.finish()
    except ConfigError as exc:  # it could be read when it was checked
        raise changed(origin) from exc


def _data(source: Source, file_range: FileRange) -> Iterator[bytes] | None:
    return None if file_range.data is None else source.slices(*file_range.data)


def _split(origin: Origin, file_range: FileRange, sql: bytes) -> tuple[Statement, ...]:
    text = sql.decode()
    if file_range.data is not None:
        text += "\n\\.\n"  # in the place of the data
    cursor = Cursor(file_range.line, file_range.column)
    found = []
    for segment in segments(origin, PostgresLexer(headers.BOUNDARY).get_tokens(text)):
        cursor.advance(segment.lead)
        if segment.kind is SegmentKind.STATEMENT:
            found.append(statement_of(segment, cursor))
            pass_data(found[-1])
    return tuple(found)


def _reread(migration: Migration, section: Section) -> Iterator[Statement]:
    origin = Origin(migration.file.path)
    try:
        with Source(origin.path, migration.marks) as source:
            yield from _section(origin, source, section.number, headers.boundary(migration.file))
            source.finish()
    except ConfigError as exc:
        raise changed(origin) from exc


def _section(origin: Origin, source: Source, number: int, boundary: re.Pattern[str]) -> Iterator[Statement]:
    at = -1
    cursor = Cursor()
    for segment in segments(origin, PostgresLexer(boundary).read_tokens(source.read)):
        cursor.advance(segment.lead)
        if segment.kind is SegmentKind.STATEMENT:
            statement = statement_of(segment, cursor)
            if at == number:
                yield statement
            pass_data(statement)
        else:
            cursor.advance(segment.text)
            at += segment.kind is SegmentKind.HEADER
            if at > number:
                return
