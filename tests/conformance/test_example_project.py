"""The example project: what dbmate can run of it has the same effect when dbmigrate runs it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.conformance.programs import Name

ROOT = Path(__file__).parent.parent.parent
EXAMPLE = ROOT / "db" / "migrations"
NOT_FOR_DBMATE = re.findall(r"^\| `(\d+_\w+\.sql)` \|", (ROOT / "db" / "README.md").read_text(), re.MULTILINE)


@pytest.fixture
def shared_files(project) -> list[str]:
    """The names of the files that both programs run, copied into the project."""
    names = sorted(path.name for path in EXAMPLE.glob("*.sql") if path.name not in NOT_FOR_DBMATE)
    for name in names:
        shutil.copy(EXAMPLE / name, project.migrations)
    return names


def test_both_make_the_same_database(dbmate, dbmigrate, project, shared_files, url, twin_url):
    dbmate.ok("up", url=url)
    dbmigrate.ok("up", url=twin_url)

    assert dumped(dbmigrate, project, url) == dumped(dbmigrate, project, twin_url)


@pytest.mark.matrix
@pytest.mark.slow
def test_both_undo_it_alike(dbmate, dbmigrate, project, shared_files, url, twin_url):
    dbmate.ok("up", url=url)
    dbmigrate.ok("up", url=twin_url)
    half = len(shared_files) // 2
    for _ in range(half):
        dbmate.ok("rollback", url=url)
    dbmigrate.ok("rollback", "-n", str(half), url=twin_url)
    assert dumped(dbmigrate, project, url) == dumped(dbmigrate, project, twin_url)

    dbmigrate.ok("up", url=url)
    dbmate.ok("up", url=twin_url)
    assert dumped(dbmigrate, project, url) == dumped(dbmigrate, project, twin_url)

    dbmigrate.ok("rollback", "--all", url=url)
    for _ in shared_files:
        dbmate.ok("rollback", url=twin_url)
    assert dumped(dbmigrate, project, url) == dumped(dbmigrate, project, twin_url)


def dumped(dbmigrate, project, url) -> str:
    """The schema and the versions, as dbmigrate writes them."""
    dbmigrate.dumping().ok("dump", url=url)
    return project.schema_file.read_text()


@pytest.mark.parametrize("name", NOT_FOR_DBMATE)
def test_the_others_are_what_the_readme_says(program, project, shared_files, url, name):
    """Each of them, behind those that it needs, is run by dbmigrate and not by dbmate."""
    for path in project.migrations.iterdir():
        if path.name > name:
            path.unlink()
    program.ok("up", url=url)
    shutil.copy(EXAMPLE / name, project.migrations)

    done = program("up", url=url)

    assert (done.exit_code == 0) == (program.name is Name.DBMIGRATE)


def test_the_readme_names_three_of_eighteen():
    assert (len(NOT_FOR_DBMATE), len(list(EXAMPLE.glob("*.sql")))) == (3, 18)
