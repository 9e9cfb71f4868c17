"""Alembic: revisions in Python, each with the one before it; the table has the newest of each branch."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dbmigrate.importing.alembic_printed import is_printed, printed
from dbmigrate.importing.code_files import CodeFile, KnownSql, Language, assigned, in_order, parsed, reading_of
from dbmigrate.importing.given_sql import given_sql
from dbmigrate.importing.texts import file_name, qualified, read_text
from dbmigrate.importing.values import ForeignMigration, Reading, Row, State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dbmigrate.importing.values import Answers, HistoryTable, Query, Source

_REVISION = re.compile(rb"^down_revision\b", re.MULTILINE)
_LANGUAGE = Language(
    "Python",
    "`alembic upgrade base:heads --sql` prints that of all: give it for one of them",
    frozenset(("alembic_version",)),
)


class Alembic:
    """See `values.Tool`."""

    name = "alembic"

    def recognises(self, source: Source) -> bool:
        return any(file.path.endswith(".py") and _REVISION.search(file.content) for file in source.files)

    def read(self, source: Source, answers: Answers) -> Reading:
        """The revisions, as code. Raises MigrationFileError."""
        paths: dict[str, str] = {}
        before: dict[str, tuple[str, ...]] = {}
        for file in source.files:
            if not file.path.endswith(".py") or not _REVISION.search(file.content):
                continue
            text = read_text(source, file)
            body = parsed(text).body
            revision = assigned(body, "revision")
            if not isinstance(revision, str):
                raise text.error("a migration of Alembic without revision = '...'", 1)
            paths[revision] = file.path
            before[revision] = (*_names(assigned(body, "down_revision")), *_names(assigned(body, "depends_on")))
        order = in_order(before, sorted(paths))
        after = _descendants(before)
        found = [
            CodeFile(paths[each], each, _title(paths[each], each), (position, *sorted(after[each])))
            for position, each in enumerate(order)
        ]
        return reading_of(source, answers, found, _LANGUAGE, _known(source, answers, found))

    def owns(self, table: HistoryTable, neighbours: frozenset[str]) -> bool:
        return table.columns == ("version_num",)

    def history(self, query: Query, table: HistoryTable, answers: Answers) -> tuple[Row, ...]:
        """One row per head: it and everything before it is applied."""
        rows = query(f"select version_num from {qualified(table)} order by 1")
        return tuple(Row(str(revision), State.APPLIED, remark="and all before it") for (revision,) in rows)

    def matches(self, migration: ForeignMigration, row: Row) -> bool:
        """A row is that of its revision and of all before it; the sort key holds what comes after a migration."""
        return row.key == migration.version or row.key in migration.sort_key[1:]

    def verifies(self, migration: ForeignMigration, row: Row) -> bool | None:
        """Alembic keeps no checksums."""
        return None


TOOL = Alembic()


def _known(source: Source, answers: Answers, found: Sequence[CodeFile]) -> dict[str, KnownSql]:
    """The SQL of every revision in a printout that was given for any of them. Raises MigrationFileError E281."""
    given = {each.path: given_sql(source, answers, each.path) for each in found}
    printouts = {path: text for path, text in given.items() if text is not None and is_printed(text)}
    if not printouts:
        return {}
    all_of = printed({text.path: text for text in printouts.values()}.values())
    for each in found:
        text = printouts.get(each.path)
        if text is not None and each.version not in all_of.ups:
            hint = "print all of them: `alembic upgrade base:heads --sql`"
            raise text.error(f"there is no `-- Running upgrade ... -> {each.version}`", 1, hint=hint)
    return {version: KnownSql(ups, all_of.downs.get(version)) for version, ups in all_of.ups.items()}


def _names(value: object) -> tuple[str, ...]:
    """One revision, several of them (a merge), or none."""
    if isinstance(value, str):
        return (value,)
    return tuple(map(str, value)) if isinstance(value, tuple | list) else ()


def _descendants(before: Mapping[str, Sequence[str]]) -> Mapping[str, set[str]]:
    """For each revision all that come after it."""
    after: dict[str, set[str]] = {revision: set() for revision in before}
    for revision in before:
        waiting = list(before[revision])
        while waiting:
            earlier = waiting.pop()
            if earlier in after and revision not in after[earlier]:
                after[earlier].add(revision)
                waiting += before[earlier]
    return after


def _title(path: str, revision: str) -> str:
    name = file_name(path).removesuffix(".py").removeprefix(revision).strip("_-")
    return name.replace("_", " ") or revision
