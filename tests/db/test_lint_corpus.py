"""The corpus of the linter's tests is real SQL: what is said to run runs, what is said to fail fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbmigrate import Migrator
from dbmigrate.errors import MigrationFailed, MigrationFileError, NeedsAttention
from dbmigrate.api.migrator import Options
from tests.support import lint_library as library
from tests.support.lint_corpus import BASE, DANGEROUS, FAILING, SAFE, name_of

LIBRARY = [*library.SAFE, *(path for path in library.HAZARDS if name_of(path) not in library.ENDLESS)]


def migrator(path: Path, tmp_path: Path, database_url: str) -> Migrator:
    for file in (BASE, path):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return Migrator(database_url, Options(directories=(str(tmp_path),)))


@pytest.mark.parametrize("path", [path for path in (*SAFE, *DANGEROUS) if name_of(path) not in FAILING], ids=name_of)
def test_a_migration_of_the_corpus_runs(path: Path, tmp_path: Path, database_url: str) -> None:
    report = migrator(path, tmp_path, database_url).migrate()

    assert [outcome.step.name for outcome in report.done] == [BASE.name, path.name]


@pytest.mark.parametrize("path", [path for path in DANGEROUS if name_of(path) in FAILING], ids=name_of)
def test_a_broken_migration_of_the_corpus_fails(path: Path, tmp_path: Path, database_url: str) -> None:
    with pytest.raises((MigrationFailed, MigrationFileError, NeedsAttention)) as caught:
        migrator(path, tmp_path, database_url).migrate()

    assert caught.value.code in ("E220", "E401", "E501")


@pytest.mark.parametrize("path", LIBRARY, ids=name_of)
def test_a_migration_of_the_library_runs_unless_it_is_listed_as_failing(path: Path, tmp_path: Path, database_url: str) -> None:
    for file in (*library.BASE, path):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    migrator = Migrator(database_url, Options(directories=(str(tmp_path),)))

    if name_of(path) in library.FAILING:
        with pytest.raises((MigrationFailed, NeedsAttention)):
            migrator.migrate()
    else:
        assert [outcome.step.name for outcome in migrator.migrate().done][-1] == path.name
