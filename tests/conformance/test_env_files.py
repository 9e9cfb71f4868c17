"""E1 to E9: env files."""

from __future__ import annotations

import pytest

from tests.conformance.seen import tables

INVALID = "INVALID ENV FILE\n"


@pytest.fixture(autouse=True)
def _migration(project):
    project.migration("1_a", up="create table a (i int);", down="drop table a;")


def test_e1_dot_env_is_read_without_being_asked_for(program, project, url):
    (project.root / ".env").write_text(f"DATABASE_URL={url}\n")

    program.ok("migrate")

    assert tables(url) == ["a", "schema_migrations"]


def test_e2_one_named_file(program, project, url):
    (project.root / "first.env").write_text(f"DATABASE_URL={url}\n")

    program.ok("--env-file", "first.env", "migrate")

    assert tables(url) == ["a", "schema_migrations"]


def test_e2_named_files_replace_dot_env(program, project, url, twin_url):
    (project.root / ".env").write_text(f"DATABASE_URL={twin_url}\n")
    (project.root / "first.env").write_text(f"DATABASE_URL={url}\n")

    program.ok("--env-file", "first.env", "migrate")

    assert (tables(url), tables(twin_url)) == (["a", "schema_migrations"], [])


def test_e3_of_two_files_the_first_that_sets_a_name_wins(program, project, url, twin_url):
    (project.root / "first.env").write_text(f"OTHER=1\nDATABASE_URL={url}\n")
    (project.root / "second.env").write_text(f"DATABASE_URL={twin_url}\nDBMATE_MIGRATIONS_TABLE=history\n")

    program.ok("--env-file", "first.env", "--env-file", "second.env", "migrate")

    assert (tables(url), tables(twin_url)) == (["a", "history"], [])


def test_e4_a_missing_file_is_no_error(program, url):
    program.ok("--env-file", "nowhere.env", "migrate", url=url)

    assert tables(url) == ["a", "schema_migrations"]


def test_e5_the_environment_of_the_process_is_not_overridden(program, project, url, twin_url):
    (project.root / ".env").write_text(f"DATABASE_URL={twin_url}\n")

    program.ok("migrate", url=url)

    assert (tables(url), tables(twin_url)) == (["a", "schema_migrations"], [])


def test_e5_not_even_where_it_is_set_to_nothing(program, project, url):
    (project.root / ".env").write_text(f"DATABASE_URL={url}\n")

    done = program("migrate", url="")

    assert done.exit_code == 2
    assert tables(url) == []


@pytest.mark.parametrize(
    "contents",
    [
        pytest.param([INVALID], id="e6-invalid"),
        pytest.param([INVALID, "DATABASE_URL={}\n"], id="e7-invalid-valid"),
        pytest.param(["DATABASE_URL={}\n", INVALID], id="e8-valid-invalid"),
        pytest.param(["DATABASE_URL={}\n", INVALID, "A=b\n"], id="e9-valid-invalid-valid"),
    ],
)
def test_e6_to_e9_a_file_that_cannot_be_read_stops_everything(program, project, url, contents):
    options = []
    for number, content in enumerate(contents):
        (project.root / f"{number}.env").write_text(content.format(url))
        options += ["--env-file", f"{number}.env"]

    done = program(*options, "migrate")

    assert done.exit_code == program.expects(dbmate=3, dbmigrate=2)
    assert tables(url) == []


@pytest.mark.parametrize(
    ("line", "table"),
    [
        ("export DBMATE_MIGRATIONS_TABLE=exported", "exported"),
        ("DBMATE_MIGRATIONS_TABLE = spaced ", "spaced"),
        ('DBMATE_MIGRATIONS_TABLE="double" # comment', "double"),
        ("DBMATE_MIGRATIONS_TABLE=ab#cd", '"ab#cd"'),
        ("DBMATE_MIGRATIONS_TABLE=ab #cd", "ab"),
        ('DBMATE_MIGRATIONS_TABLE="l1\\nl2"', '"l1\nl2"'),
        ('DBMATE_MIGRATIONS_TABLE="l1\nl2"', '"l1\nl2"'),
        ("DBMATE_MIGRATIONS_TABLE=first\nDBMATE_MIGRATIONS_TABLE=last", "last"),
        ("# comment\n\nDBMATE_MIGRATIONS_TABLE=crlf\r\nA=b\r\n", "crlf"),
    ],
)
def test_e1_values_are_read_alike(program, project, url, query, line, table):
    (project.root / ".env").write_bytes(f"{line}\n".encode())

    program.ok("migrate", url=url)

    assert query(url, f"select version from {table}") == [("1",)]
