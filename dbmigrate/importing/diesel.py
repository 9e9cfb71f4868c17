"""Diesel: ``DIR/up.sql``, ``down.sql`` and ``metadata.toml``; the version is the folder's name up to the first ``_``.

Read in diesel_migrations' migrations_internals/src/lib.rs. The table keeps the version without its dashes.
"""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen
from dbmigrate.importing.folders import folders_with, has_folders
from dbmigrate.importing.texts import (
    controls_transaction,
    moment,
    qualified,
    read_text,
    refuses_transaction,
    statements,
)
from dbmigrate.importing.values import ForeignMigration, Judgement, Part, Reading, Row, State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dbmigrate.importing.folders import Folder
    from dbmigrate.importing.values import Answers, HistoryTable, Query, Source

_COLUMNS = ("version", "run_on")
_KEY = "run_in_transaction"


class Diesel:
    """See `values.Tool`."""

    name = "diesel"

    def recognises(self, source: Source) -> bool:
        return has_folders(source, "up.sql")

    def read(self, source: Source, answers: Answers) -> Reading:
        """The migrations. Raises MigrationFileError."""
        found = folders_with(source, "up.sql", answers)
        left_out = dict(found.left_out)
        migrations: dict[str, ForeignMigration] = {}
        for each in found.migrations:
            migration = _migration(source, each)
            other = migrations.setdefault(migration.version, migration)
            if other is not migration:
                text = read_text(source, each.files["up.sql"])
                raise text.error(
                    f"{other.path} and {migration.path} have the same version", 1, hint="leave one out: --skip FILE"
                )
            left_out |= {
                file.path: "neither up.sql nor down.sql"
                for name, file in each.files.items()
                if name not in ("up.sql", "down.sql", "metadata.toml")
            }
        return Reading(tuple(sorted(migrations.values(), key=lambda each: each.sort_key)), left_out)

    def owns(self, table: HistoryTable, neighbours: frozenset[str]) -> bool:
        return table.columns == _COLUMNS

    def history(self, query: Query, table: HistoryTable, answers: Answers) -> tuple[Row, ...]:
        """All rows are applied: an undone migration has none."""
        rows = query(f"select version, run_on from {qualified(table)} order by run_on, version")
        return tuple(Row(str(version), State.APPLIED, moment(run_on)) for version, run_on in rows)

    def matches(self, migration: ForeignMigration, row: Row) -> bool:
        return migration.version == row.key

    def verifies(self, migration: ForeignMigration, row: Row) -> bool | None:
        """Diesel keeps no checksums."""
        return None


TOOL = Diesel()


@frozen
class _Metadata:
    """What ``metadata.toml`` says; `is_silent` where the file is there and has no word about transactions."""

    transaction: bool = True
    is_silent: bool = False


def _metadata(source: Source, folder: Folder) -> _Metadata:
    """The default of a missing key is false, that of a missing file true."""
    file = folder.files.get("metadata.toml")
    if file is None:
        return _Metadata()
    text = read_text(source, file)
    try:
        value = tomllib.loads(text.text).get(_KEY)
    except tomllib.TOMLDecodeError as exc:
        raise text.error(f"not valid TOML: {exc}", 1) from exc
    if value is None:
        return _Metadata(transaction=False, is_silent=True)
    if not isinstance(value, bool):
        raise text.error(f"{_KEY} must be true or false", _line_of(text.text), hint=f"write {_KEY} = false")
    return _Metadata(transaction=value)


def _line_of(text: str) -> int:
    lines = text.splitlines()
    return next((number for number, line in enumerate(lines, 1) if line.lstrip().startswith(_KEY)), 1)


def _migration(source: Source, folder: Folder) -> ForeignMigration:
    metadata = _metadata(source, folder)
    version, _, name = folder.name.partition("_")
    parts = {
        direction: (Part(read_text(source, folder.files[f"{direction}.sql"]).text, metadata.transaction),)
        for direction in ("up", "down")
        if f"{direction}.sql" in folder.files
    }
    return ForeignMigration(
        version=version.replace("-", ""),
        name=name.replace("_", " "),
        path=folder.files["up.sql"].path,
        ups=parts["up"],
        downs=parts.get("down"),
        sort_key=(version.replace("-", "").encode(),),
        judgements=tuple(_judgements(source, folder, metadata)),
    )


def _judgements(source: Source, folder: Folder, metadata: _Metadata) -> Iterable[Judgement]:
    """Also reads the statements, so that a quote without an end is found."""
    for name in ("up.sql", "down.sql"):
        if name in folder.files:
            text = read_text(source, folder.files[name])
            found = statements(text)
            needs_none = refuses_transaction(found) or controls_transaction(found)
            if metadata.is_silent and not needs_none:
                yield Judgement(
                    f"metadata.toml is there without {_KEY}, which is false to Diesel: converted to transaction:false",
                    text.place(1),
                    f"if that was not meant, write {_KEY} = true in {folder.path}/metadata.toml",
                )
