"""Prisma: ``DIR/migration.sql``; the table keeps the SHA-256 of each file, and a row for each attempt.

Tried with Prisma's schema engine: a file is sent as one message, folders run in the order of their names as text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dbmigrate.importing.folders import folders_with, has_folders
from dbmigrate.importing.texts import as_one_message, file_name, folder, moment, qualified, read_text, sums_of
from dbmigrate.importing.values import ForeignMigration, Judgement, Reading, Row, State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dbmigrate.importing.folders import Folder
    from dbmigrate.importing.values import Answers, HistoryTable, Query, Source

_NAME = re.compile(r"([0-9]+)_(.*)", re.DOTALL)
_COLUMNS = frozenset({"id", "checksum", "finished_at", "migration_name", "rolled_back_at", "started_at"})
_READ = ("migration.sql", "down.sql")


class Prisma:
    """See `values.Tool`."""

    name = "prisma"

    def recognises(self, source: Source) -> bool:
        return has_folders(source, "migration.sql")

    def read(self, source: Source, answers: Answers) -> Reading:
        """The migrations. Raises MigrationFileError."""
        found = folders_with(source, "migration.sql", answers)
        left_out = dict(found.left_out)
        for each in found.migrations:
            left_out |= {file.path: "Prisma does not read it" for name, file in each.files.items() if name not in _READ}
        return Reading(tuple(_migration(source, each) for each in found.migrations), left_out)

    def owns(self, table: HistoryTable, neighbours: frozenset[str]) -> bool:
        return set(table.columns) >= _COLUMNS

    def history(self, query: Query, table: HistoryTable, answers: Answers) -> tuple[Row, ...]:
        """The newest attempt of each migration: after `migrate resolve --rolled-back` and a deploy there are two."""
        rows = query(
            "select distinct on (migration_name) migration_name, checksum, started_at, finished_at, rolled_back_at,"
            f" applied_steps_count from {qualified(table)} order by migration_name, started_at desc"
        )
        found = [_row(*row) for row in rows]
        return tuple(sorted(found, key=lambda row: row.key.encode()))

    def matches(self, migration: ForeignMigration, row: Row) -> bool:
        return file_name(folder(migration.path)) == row.key

    def verifies(self, migration: ForeignMigration, row: Row) -> bool | None:
        """Whether the sum is the file's. An applied file that was edited passes Prisma without a word."""
        return row.checksum in migration.sums.values() if row.checksum else None


TOOL = Prisma()


def _migration(source: Source, folder: Folder) -> ForeignMigration:
    match = _NAME.fullmatch(folder.name)
    up, down = folder.files["migration.sql"], folder.files.get("down.sql")
    return ForeignMigration(
        version=match[1] if match else folder.name,
        name=(match[2] if match else folder.name).replace("_", " "),
        path=up.path,
        ups=(as_one_message(read_text(source, up)),),
        downs=(as_one_message(read_text(source, down)),) if down else None,
        sort_key=(folder.name.encode(),),
        sums=sums_of(up.content, "sha256"),
        judgements=tuple(_judgements(source, folder)),
    )


def _judgements(source: Source, folder: Folder) -> Iterable[Judgement]:
    if down := folder.files.get("down.sql"):
        yield Judgement(
            f"{down.path} is taken as the down section; Prisma itself never runs it", read_text(source, down).place(1)
        )


def _row(*columns: object) -> Row:
    name, checksum, started_at, finished_at, rolled_back_at, steps = columns
    if rolled_back_at is not None:
        state, remark = State.PENDING, "it failed, and `prisma migrate resolve` says that it was rolled back"
    elif finished_at is None:
        state, remark = State.FAILED, "it was started and never finished"
    else:
        state, remark = State.APPLIED, "" if steps else "`prisma migrate resolve --applied` may have written the row"
    return Row(
        key=str(name),
        state=state,
        applied_at=moment(finished_at or started_at),
        checksum=str(checksum),
        name=str(name),
        remark=remark,
    )
