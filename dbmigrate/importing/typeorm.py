"""TypeORM: classes whose names end with 13 digits; the table has these names and the digits."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dbmigrate.importing.code_files import CodeFile, Language, reading_of
from dbmigrate.importing.texts import qualified, read_text
from dbmigrate.importing.values import ForeignMigration, Reading, Row, State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbmigrate.importing.values import Answers, HistoryTable, Query, Source

_CLASS = re.compile(r"\b(?:class\s+|exports\.|name\s*[:=]\s*[\"'])([A-Za-z_$][\w$]*?)([0-9]{13})\b")
_MARK = re.compile(rb"\bMigrationInterface\b|\bqueryRunner\b")
_LANGUAGE = Language("TypeScript or JavaScript", "TypeORM prints none; it is in the calls of queryRunner.query")


class TypeORM:
    """See `values.Tool`."""

    name = "typeorm"

    def recognises(self, source: Source) -> bool:
        return any(True for _ in _migrations(source))

    def read(self, source: Source, answers: Answers) -> Reading:
        """The migrations, as code, in the order of their digits. Raises MigrationFileError."""
        found = sorted(_migrations(source), key=lambda each: str(each.sort_key))
        return reading_of(source, answers, found, _LANGUAGE)

    def owns(self, table: HistoryTable, neighbours: frozenset[str]) -> bool:
        return table.columns == ("id", "timestamp", "name")

    def history(self, query: Query, table: HistoryTable, answers: Answers) -> tuple[Row, ...]:
        """All rows are applied; one that ``--fake`` wrote looks like any other."""
        rows = query(f'select name from {qualified(table)} order by "timestamp", id')
        return tuple(Row(str(name), State.APPLIED) for (name,) in rows)

    def matches(self, migration: ForeignMigration, row: Row) -> bool:
        return f"{migration.name}{migration.version}" == row.key

    def verifies(self, migration: ForeignMigration, row: Row) -> bool | None:
        """TypeORM keeps no checksums."""
        return None


TOOL = TypeORM()


def _migrations(source: Source) -> Iterator[CodeFile]:
    for file in source.files:
        if file.path.endswith((".ts", ".js", ".mts", ".mjs", ".cts", ".cjs")) and _MARK.search(file.content):
            found = _CLASS.search(read_text(source, file).text)
            if found:
                yield CodeFile(file.path, found[2], found[1], (found[2],))
