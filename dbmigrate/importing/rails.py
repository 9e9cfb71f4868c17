"""Rails: ``db/migrate/VERSION_name.rb``; its ``schema_migrations`` looks like ours, ``ar_internal_metadata`` tells."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dbmigrate.importing.code_files import CodeFile, Language, reading_of
from dbmigrate.importing.texts import file_name, qualified
from dbmigrate.importing.values import ForeignMigration, Reading, Row, State

if TYPE_CHECKING:
    from dbmigrate.importing.values import Answers, HistoryTable, Query, Source, SourceFile

_NAME = re.compile(r"([0-9]+)_(.+?)(?:\.[a-z_]+)?\.rb")
_CLASS = b"ActiveRecord::Migration"
_LANGUAGE = Language("Ruby", "Rails prints none; db/structure.sql, where it is used, is the schema")


class Rails:
    """See `values.Tool`."""

    name = "rails"

    def recognises(self, source: Source) -> bool:
        return any(map(_is_migration, source.files))

    def read(self, source: Source, answers: Answers) -> Reading:
        """The migrations, as code, in the order of their numbers."""
        found = sorted(map(_code, filter(_is_migration, source.files)), key=lambda each: int(each.version))
        return reading_of(source, answers, found, _LANGUAGE)

    def owns(self, table: HistoryTable, neighbours: frozenset[str]) -> bool:
        """The table of dbmate and of dbmigrate has the same column; only what stands beside it tells."""
        return table.columns == ("version",) and "ar_internal_metadata" in neighbours

    def history(self, query: Query, table: HistoryTable, answers: Answers) -> tuple[Row, ...]:
        """All rows are applied."""
        rows = query(f"select version from {qualified(table)} order by length(version), version")
        return tuple(Row(str(version), State.APPLIED) for (version,) in rows)

    def matches(self, migration: ForeignMigration, row: Row) -> bool:
        return migration.version.lstrip("0") == row.key.lstrip("0")

    def verifies(self, migration: ForeignMigration, row: Row) -> bool | None:
        """Rails keeps no checksums."""
        return None


TOOL = Rails()


def _is_migration(file: SourceFile) -> bool:
    return _NAME.fullmatch(file_name(file.path)) is not None and _CLASS in file.content


def _code(file: SourceFile) -> CodeFile:
    match = _NAME.fullmatch(file_name(file.path))
    assert match is not None
    return CodeFile(file.path, match[1], match[2].replace("_", " "), (int(match[1]),))
