"""Django: ``APP/migrations/NAME.py``; the table has a row for each migration of each app."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from dbmigrate.importing.code_files import CodeFile, Language, assigned, in_order, parsed, reading_of
from dbmigrate.importing.texts import file_name, folder, moment, qualified, read_text
from dbmigrate.importing.values import ForeignMigration, Reading, Row, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.importing.values import Answers, HistoryTable, Query, Source, SourceFile

_CLASS = re.compile(rb"^class\s+Migration\b", re.MULTILINE)
_LANGUAGE = Language("Python", "`manage.py sqlmigrate APP NAME` prints it", frozenset(("django_migrations",)))


class Django:
    """See `values.Tool`."""

    name = "django"

    def recognises(self, source: Source) -> bool:
        return any(_is_migration(source, file) for file in source.files)

    def read(self, source: Source, answers: Answers) -> Reading:
        """The migrations of all apps, as code. Raises MigrationFileError."""
        paths: dict[str, str] = {}
        before: dict[str, list[str]] = {}
        for file in source.files:
            if _is_migration(source, file):
                key = f"{_app(source, file)}.{_name(file)}"
                paths[key] = file.path
                before[key] = _dependencies(parsed(read_text(source, file)).body)
        order = in_order(before, sorted(paths))
        found = [
            CodeFile(paths[key], key, key.replace(".", " ").replace("_", " "), (position,))
            for position, key in enumerate(order)
        ]
        return reading_of(source, answers, found, _LANGUAGE)

    def owns(self, table: HistoryTable, neighbours: frozenset[str]) -> bool:
        return table.columns == ("id", "app", "name", "applied")

    def history(self, query: Query, table: HistoryTable, answers: Answers) -> tuple[Row, ...]:
        """All rows are applied; one that ``--fake`` wrote looks like any other."""
        rows = query(f"select app, name, applied from {qualified(table)} order by applied, id")
        return tuple(Row(f"{app}.{name}", State.APPLIED, moment(applied)) for app, name, applied in rows)

    def matches(self, migration: ForeignMigration, row: Row) -> bool:
        return migration.version == row.key

    def verifies(self, migration: ForeignMigration, row: Row) -> bool | None:
        """Django keeps no checksums."""
        return None


TOOL = Django()


def _is_migration(source: Source, file: SourceFile) -> bool:
    place = f"/{source.directory}/{folder(file.path)}".rstrip("/")
    return file.path.endswith(".py") and place.endswith("/migrations") and bool(_CLASS.search(file.content))


def _name(file: SourceFile) -> str:
    return file_name(file.path).removesuffix(".py")


def _app(source: Source, file: SourceFile) -> str:
    """The folder above ``migrations``, which is the app's label unless its configuration says otherwise."""
    return f"/{source.directory.rstrip('/')}/{file.path}".split("/")[-3]


def _dependencies(body: Sequence[ast.stmt]) -> list[str]:
    classes = [each for each in body if isinstance(each, ast.ClassDef) and each.name == "Migration"]
    listed = assigned(classes[0].body, "dependencies") if classes else None
    pairs = listed if isinstance(listed, list | tuple) else []
    return [f"{pair[0]}.{pair[1]}" for pair in pairs if isinstance(pair, tuple) and len(pair) == 2]
