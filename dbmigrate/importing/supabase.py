"""Supabase: ``supabase/migrations/TIMESTAMP_name.sql``; the table keeps the statements that ran.

Read in the CLI's pkg/migration/file.go and list.go: it cuts a file into statements, and sends them in one batch.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING

from dbmigrate.importing.texts import (
    as_one_message,
    file_name,
    folder,
    qualified,
    read_text,
    refuses_transaction,
    statements,
)
from dbmigrate.importing.values import ForeignMigration, Judgement, Reading, Row, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dbmigrate.importing.texts import Text
    from dbmigrate.importing.values import Answers, HistoryTable, Query, Source, SourceFile

_NAME = re.compile(r"([0-9]+)_(.*)\.sql", re.DOTALL)
_FIRST = re.compile(r"([0-9]{14})_init\.sql")
_FIRST_THAT_RUNS = 20211209000000  # older ones were made by a CLI that put its own schema there
_PLACE = "supabase/migrations"
_COLUMNS = {"version", "statements"}
_SPACE_OR_COMMENT = re.compile(r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)*", re.DOTALL)


class Supabase:
    """See `values.Tool`."""

    name = "supabase"

    def recognises(self, source: Source) -> bool:
        """By where the files are: any numbered file could be one."""
        paths = [f"{source.directory}/{file.path}" for file in source.files if _NAME.fullmatch(file_name(file.path))]
        return any(folder(path).endswith(_PLACE) for path in paths)

    def read(self, source: Source, answers: Answers) -> Reading:
        """The migrations. Raises MigrationFileError."""
        files = sorted(_files(source), key=lambda file: file_name(file.path).encode())
        left_out: dict[str, str] = {}
        migrations = []
        for number, file in enumerate(files):
            reason = _why_not(file, answers, is_first=number == 0)
            if reason:
                left_out[file.path] = reason
            else:
                migrations.append(_migration(source, file))
        return Reading(tuple(migrations), left_out)

    def owns(self, table: HistoryTable, neighbours: frozenset[str]) -> bool:
        """The schema is the platform's name for it; older tables have no column ``name``."""
        columns = set(table.columns)
        return columns >= _COLUMNS or (table.schema == "supabase_migrations" and table.name == "schema_migrations")

    def history(self, query: Query, table: HistoryTable, answers: Answers) -> tuple[Row, ...]:
        """All rows are applied: `migration repair --status reverted` deletes one."""
        columns = ", ".join(name if name in table.columns else f"null as {name}" for name in ("statements", "name"))
        rows = query(f"select version, {columns} from {qualified(table)} order by version")
        return tuple(_row(*row) for row in rows)

    def matches(self, migration: ForeignMigration, row: Row) -> bool:
        return migration.version == row.key

    def verifies(self, migration: ForeignMigration, row: Row) -> bool | None:
        """Whether the statements are those of the file; None in old rows, and after `migration repair`."""
        return row.checksum in migration.sums.values() if row.checksum else None


TOOL = Supabase()


def _files(source: Source) -> Iterable[SourceFile]:
    """The files of the one folder that the CLI reads: SOURCE itself, or supabase/migrations below it."""
    sql = [file for file in source.files if file.path.endswith(".sql")]
    below = [file for file in sql if f"/{folder(file.path)}".endswith(("/migrations", f"/{_PLACE}"))]
    top = [file for file in sql if not folder(file.path)]
    return top if any(_NAME.fullmatch(file.path) for file in top) else below


def _why_not(file: SourceFile, answers: Answers, *, is_first: bool) -> str:
    name = file_name(file.path)
    if file.path in answers.skip:
        return "left out, as asked"
    if not _NAME.fullmatch(name):
        return "its name has no timestamp, so Supabase passes it over"
    if is_first and (old := _FIRST.fullmatch(name)) and int(old[1]) < _FIRST_THAT_RUNS:
        return "an init file from before December 2021, which Supabase passes over"
    return ""


def _migration(source: Source, file: SourceFile) -> ForeignMigration:
    match = _NAME.fullmatch(file_name(file.path))
    assert match is not None
    text = read_text(source, file)
    return ForeignMigration(
        version=match[1],
        name=match[2].replace("_", " "),
        path=file.path,
        ups=(as_one_message(text),),
        downs=None,
        sort_key=(file_name(file.path).encode(),),
        sums={"statements": _sum(_split(text))},
        judgements=tuple(_judgements(text)),
    )


def _judgements(text: Text) -> Iterable[Judgement]:
    found = statements(text)
    if refuses_transaction(found) and len(found) > 1:
        yield Judgement(
            "several statements, one of which PostgreSQL refuses in a transaction: converted to transaction:false",
            text.place(next(each.line for each in found if refuses_transaction([each]))),
        )


def _split(text: Text) -> list[str]:
    """As the CLI does: comments before a statement belong to it."""
    return [(each.lead + each.sql).strip().removesuffix(";").strip() for each in statements(text)]


def _sum(split: Sequence[str]) -> str:
    """Comments at the end of a file are an element of their own in the table, and no statement."""
    kept = [each.replace("\r\n", "\n") for each in split if not _is_comment(each)]
    return hashlib.sha256(json.dumps(kept).encode()).hexdigest()


def _is_comment(sql: str) -> bool:
    match = _SPACE_OR_COMMENT.match(sql)
    return match is not None and match.end() == len(sql)


def _row(*columns: object) -> Row:
    version, split, name = columns
    kept = [str(each) for each in split] if isinstance(split, list) else None
    return Row(
        key=str(version),
        state=State.APPLIED,
        checksum=_sum(kept) if kept is not None else None,
        name=str(name) if name is not None else None,
        sql="".join(f"{each};\n\n" for each in kept).rstrip("\n") + "\n" if kept else None,
        remark="" if kept is not None else "without its statements: an old row, or one of `migration repair`",
    )
