"""knex: ``TIMESTAMP_name.js`` and the like; the table has the names of the files, with the batch of each."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dbmigrate.importing.code_files import CodeFile, Language, reading_of, refuse_locked
from dbmigrate.importing.texts import file_name, moment, qualified
from dbmigrate.importing.values import ForeignMigration, HistoryTable, Reading, Row, State

if TYPE_CHECKING:
    from dbmigrate.importing.values import Answers, Query, Source, SourceFile

_NAME = re.compile(r"([0-9]+)_(.+)\.(?:[cm]?[jt]s|coffee|ls)")
_UP = re.compile(rb"\bexports\.up\b|\bexport\s+(?:async\s+)?(?:function|const)\s+up\b|\bup\s*[:=]")
_OTHERS = re.compile(rb"\bpgm\b|queryRunner|queryInterface")  # node-pg-migrate, TypeORM, Sequelize
_COLUMNS = frozenset(("name", "batch", "migration_time"))
_LANGUAGE = Language("JavaScript", "knex prints none; `knex.schema.toString()` of each call does")


class Knex:
    """See `values.Tool`."""

    name = "knex"

    def recognises(self, source: Source) -> bool:
        return any(map(_is_migration, source.files))

    def read(self, source: Source, answers: Answers) -> Reading:
        """The migrations, as code, in the order of their file names."""
        files = sorted(filter(_is_migration, source.files), key=lambda file: file_name(file.path).encode())
        return reading_of(source, answers, [_code(file) for file in files], _LANGUAGE)

    def owns(self, table: HistoryTable, neighbours: frozenset[str]) -> bool:
        return set(table.columns) >= _COLUMNS

    def history(self, query: Query, table: HistoryTable, answers: Answers) -> tuple[Row, ...]:
        """All rows are applied. Raises LockNotAcquired E601."""
        lock = HistoryTable(table.schema, f"{table.name}_lock", ())
        refuse_locked(query, lock, "is_locked = 1", "wait, or `knex migrate:unlock` if nobody holds it any more")
        rows = query(f"select name, batch, migration_time from {qualified(table)} order by id")
        return tuple(Row(str(name), State.APPLIED, moment(at), remark=f"batch {batch}") for name, batch, at in rows)

    def matches(self, migration: ForeignMigration, row: Row) -> bool:
        """The table has the file's name with its extension; a project that was compiled has another one."""
        return _stem(file_name(migration.path)) == _stem(row.key)

    def verifies(self, migration: ForeignMigration, row: Row) -> bool | None:
        """knex keeps no checksums."""
        return None


TOOL = Knex()


def _is_migration(file: SourceFile) -> bool:
    named = _NAME.fullmatch(file_name(file.path)) is not None
    return named and bool(_UP.search(file.content)) and not _OTHERS.search(file.content)


def _code(file: SourceFile) -> CodeFile:
    match = _NAME.fullmatch(file_name(file.path))
    assert match is not None
    return CodeFile(file.path, match[1], match[2].replace("_", " "), (file_name(file.path).encode(),))


def _stem(name: str) -> str:
    return re.sub(r"\.(?:[cm]?[jt]s|coffee|ls)$", "", name)
