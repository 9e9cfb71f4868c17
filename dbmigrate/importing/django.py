"""Django: ``APP/migrations/NAME.py``; the table has a row for each migration of each app.

A squashed migration lists what it ``replaces``. Django runs it where none of these is applied, and counts it as applied
where all of them are (django/db/migrations/loader.py). So it says nothing new where their files are still there.
"""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen
from dbmigrate.importing.code_files import CodeFile, Language, elements, in_order, parsed, reading_of
from dbmigrate.importing.texts import file_name, folder, moment, qualified, read_text
from dbmigrate.importing.values import ForeignMigration, Reading, Row, State

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

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
        every = {each.key: each for each in _modules(source)}
        squashed = {key: each for key, each in every.items() if all(map(every.__contains__, each.replaces))}
        squashed = {key: each for key, each in squashed.items() if each.replaces}
        kept = {key: each for key, each in every.items() if key not in squashed}
        instead = {old: key for key, each in kept.items() for old in each.replaces}
        before = {key: _before(each, squashed, instead) for key, each in kept.items()}
        order = in_order(before, sorted(kept))
        found = [
            # its sort key names what a row of the table may be about
            CodeFile(kept[key].path, key, key.replace(".", " ").replace("_", " "), (position, *kept[key].replaces))
            for position, key in enumerate(order)
        ]
        reading = reading_of(source, answers, found, _LANGUAGE)
        reason = "squashed: the migrations that it replaces have files"
        return replace(reading, left_out={**reading.left_out, **{each.path: reason for each in squashed.values()}})

    def owns(self, table: HistoryTable, neighbours: frozenset[str]) -> bool:
        return table.columns == ("id", "app", "name", "applied")

    def history(self, query: Query, table: HistoryTable, answers: Answers) -> tuple[Row, ...]:
        """All rows are applied; one that ``--fake`` wrote looks like any other."""
        rows = query(f"select app, name, applied from {qualified(table)} order by applied, id")
        return tuple(Row(f"{app}.{name}", State.APPLIED, moment(applied)) for app, name, applied in rows)

    def matches(self, migration: ForeignMigration, row: Row) -> bool:
        """The rows of what a squashed migration replaces are its own: Django needs all of them, the catalog tells."""
        return row.key == migration.version or row.key in migration.sort_key[1:]

    def verifies(self, migration: ForeignMigration, row: Row) -> bool | None:
        """Django keeps no checksums."""
        return None


TOOL = Django()


@frozen
class _Module:
    """A migration; others are known by ``APP.NAME``."""

    key: str
    path: str
    dependencies: tuple[str, ...]
    replaces: tuple[str, ...]


def _modules(source: Source) -> Iterator[_Module]:
    for file in source.files:
        if _is_migration(source, file):
            body = parsed(read_text(source, file)).body
            listed = (_listed(body, name) for name in ("dependencies", "replaces"))
            yield _Module(f"{_app(source, file)}.{_name(file)}", file.path, *listed)


def _before(module: _Module, squashed: Mapping[str, _Module], instead: Mapping[str, str]) -> list[str]:
    """What it depends on: a squashed migration stands for what it replaces, or the other way round."""
    found: list[str] = []
    waiting, opened = list(module.dependencies), set[str]()
    while waiting:
        key = waiting.pop(0)
        if key in squashed and key not in opened:
            opened.add(key)
            waiting += squashed[key].replaces
        else:
            found.append(instead.get(key, key))
    return [key for key in dict.fromkeys(found) if key != module.key]


def _is_migration(source: Source, file: SourceFile) -> bool:
    place = f"/{source.directory}/{folder(file.path)}".rstrip("/")
    return file.path.endswith(".py") and place.endswith("/migrations") and bool(_CLASS.search(file.content))


def _name(file: SourceFile) -> str:
    return file_name(file.path).removesuffix(".py")


def _app(source: Source, file: SourceFile) -> str:
    """The folder above ``migrations``, which is the app's label unless its configuration says otherwise."""
    return f"/{source.directory.rstrip('/')}/{file.path}".split("/")[-3]


def _listed(body: Sequence[ast.stmt], name: str) -> tuple[str, ...]:
    """Pairs of app and name that the class Migration lists."""
    classes = [each for each in body if isinstance(each, ast.ClassDef) and each.name == "Migration"]
    pairs = (_literal(each) for node in classes[:1] for each in elements(node.body, name))
    return tuple(f"{pair[0]}.{pair[1]}" for pair in pairs if isinstance(pair, tuple) and len(pair) == 2)


def _literal(node: ast.expr) -> object:
    """None for a call, such as that of `swappable_dependency`."""
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None
