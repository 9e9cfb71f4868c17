"""What is run of a migration file that was checked: its statements again, or its bytes as they are, batch by batch.

Whatever is given out was compared with the file that was checked before: nothing of a changed file is ever run.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from dbmigrate.errors import ConfigError
from dbmigrate.migrations import headers
from dbmigrate.migrations.source import Cursor, Origin, Source, changed
from dbmigrate.migrations.statement_stream import pass_data, pieces, statement_of
from dbmigrate.model import Batch
from dbmigrate.sql import PieceKind, PostgresLexer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbmigrate.model import Cut, Migration, Section, Statement

__all__ = ["batches", "statements"]


def statements(migration: Migration, section: Section) -> Iterator[Statement]:
    """What has to be run for one section, in order; redundant BEGIN and COMMIT are left out.

    Read from the file once more if it is too large to be kept. Raises MigrationFileError E222 at the latest after the
    last statement if the file is not the one that was checked any more, or is gone.
    """
    found = _reread(migration, section) if section.statements is None else iter(section.statements)
    if not section.redundant:
        return found
    return (statement for ordinal, statement in enumerate(found) if ordinal not in section.redundant)


def batches(migration: Migration, section: Section) -> Iterator[Batch] | None:
    """The same statements in batches, straight from the file's bytes. None where it is not known where to cut.

    Raises MigrationFileError E222 as `statements` does.
    """
    if section.cuts is None:
        return None
    return _batches(migration, section.cuts)


def _batches(migration: Migration, cuts: Sequence[Cut]) -> Iterator[Batch]:
    origin = Origin(migration.file.path)
    try:
        with Source(origin.path, migration.marks) as source:
            for cut in cuts:
                sql = b"".join(source.slices(cut.begin, cut.end))
                yield Batch(sql, cut.number, partial(_split, origin, cut, sql), _data(source, cut))
            source.finish()
    except ConfigError as exc:  # it could be read when it was checked
        raise changed(origin) from exc


def _data(source: Source, cut: Cut) -> Iterator[bytes] | None:
    return None if cut.data is None else source.slices(*cut.data)


def _split(origin: Origin, cut: Cut, sql: bytes) -> tuple[Statement, ...]:
    text = sql.decode()
    if cut.data is not None:
        text += "\n\\.\n"  # in the place of the data
    cursor = Cursor(cut.line, cut.column)
    found = []
    for piece in pieces(origin, PostgresLexer(headers.BOUNDARY).get_tokens(text)):
        cursor.advance(piece.lead)
        if piece.kind is PieceKind.STATEMENT:
            found.append(statement_of(piece, cursor))
            pass_data(found[-1])
    return tuple(found)


def _reread(migration: Migration, section: Section) -> Iterator[Statement]:
    origin = Origin(migration.file.path)
    try:
        with Source(origin.path, migration.marks) as source:
            yield from _section(origin, source, section.number)
            source.finish()
    except ConfigError as exc:
        raise changed(origin) from exc


def _section(origin: Origin, source: Source, number: int) -> Iterator[Statement]:
    at = -1
    cursor = Cursor()
    for piece in pieces(origin, PostgresLexer(headers.BOUNDARY).read_tokens(source.read)):
        cursor.advance(piece.lead)
        if piece.kind is PieceKind.STATEMENT:
            statement = statement_of(piece, cursor)
            if at == number:
                yield statement
            pass_data(statement)
        else:
            cursor.advance(piece.text)
            at += piece.kind is PieceKind.HEADER
            if at > number:
                return
