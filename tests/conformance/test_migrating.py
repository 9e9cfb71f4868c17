"""M1 to M7: up, migrate, rollback."""

from __future__ import annotations

import pytest

from tests.conformance.programs import database_of, lines, said, with_parameters
from tests.conformance.seen import scalar, tables, versions

USERS = {
    "up": "create table users (id serial, name text);\ninsert into users (name) values ('alice');",
    "down": "drop table users;",
}
POSTS = {"up": "create table posts (id integer, name varchar(255));", "down": "drop table posts;"}


@pytest.fixture
def blog(project):
    project.migration("20151129054053_test_migration", **USERS)
    project.migration("20200227231541_test_posts", **POSTS)
    return project


# -- M1, M2


def test_m1_drop_create_migrate(program, blog, url):
    program.ok("drop", url=url)
    program.ok("create", url=url)
    done = program.ok("migrate", url=url)

    assert versions(url) == ["20151129054053", "20200227231541"]
    assert scalar(url, "select count(*) from users") == 1
    assert lines(done.stdout, "Applied") == [
        "Applied: 20151129054053_test_migration.sql in TIME",
        "Applied: 20200227231541_test_posts.sql in TIME",
    ]


def test_m2_up_creates_the_database(program, blog, absent_url):
    done = program.ok("up", url=absent_url)

    assert f"Creating: {database_of(absent_url)}\n" in said(done)
    assert versions(absent_url) == ["20151129054053", "20200227231541"]
    assert scalar(absent_url, "select count(*) from users") == 1


def test_m1_migrate_does_not(program, blog, absent_url):
    done = program("migrate", url=absent_url)

    assert done.exit_code != 0
    assert f'database "{database_of(absent_url)}" does not exist' in done.stderr


def test_m1_what_is_applied_is_not_applied_again(program, blog, url):
    program.ok("up", url=url)
    again = program.ok("up", url=url)

    assert lines(said(again), "Appl") == []
    assert scalar(url, "select count(*) from users") == 1


# -- M3


@pytest.mark.parametrize("command", ["rollback", "down"])
def test_m3_nothing_to_roll_back(program, blog, url, command):
    done = program(command, url=url)

    assert done.exit_code == 2
    assert "can't rollback: no migrations have been applied" in done.stderr


def test_m3_rollback_undoes_one_at_a_time(program, blog, url):
    program.ok("up", url=url)

    first = program.ok("rollback", url=url)
    assert lines(first.stdout, "Rolled") == ["Rolled back: 20200227231541_test_posts.sql in TIME"]
    assert (tables(url), versions(url)) == (["schema_migrations", "users"], ["20151129054053"])

    program.ok("down", url=url)
    assert (tables(url), versions(url)) == (["schema_migrations"], [])

    assert program("rollback", url=url).exit_code == 2


def test_m3_the_last_by_name_is_undone_not_the_last_by_time(program, project, url):
    project.migration("2_b", up="create table b (i int);", down="drop table b;")
    program.ok("up", url=url)
    project.migration("1_a", up="create table a (i int);", down="drop table a;")
    program.ok("up", url=url)

    program.ok("rollback", url=url)

    assert tables(url) == ["a", "schema_migrations"]


# -- M4, M5


@pytest.fixture
def late(program, project, url):
    """A project where 001 and 100 are applied, and 010 came after."""
    project.migration("001_a", up="create table a (i int);")
    project.migration("100_c", up="create table c (i int);")
    program.ok("up", url=url)
    project.migration("010_b", up="create table b (i int);")
    return project


def test_m4_an_older_version_is_applied_later(program, late, url):
    program.ok("migrate", url=url)

    assert versions(url) == ["001", "010", "100"]


@pytest.mark.parametrize(
    ("command", "options", "variables"), [("up", ["--strict"], {}), ("migrate", [], {"DBMATE_STRICT": "true"})]
)
def test_m5_strict_refuses_an_older_version(program, late, url, command, options, variables):
    done = program(command, *options, url=url, env=variables)

    assert done.exit_code == program.expects(dbmate=2, dbmigrate=7)
    assert (
        "migration `010` is out of order with already applied migrations, the version number has to be higher than"
        " the applied migration `100` in --strict mode" in done.stderr
    )
    assert versions(url) == ["001", "100"]


def test_m5_strict_accepts_newer_ones(program, project, url):
    for name in ("001_a", "010_b", "100_c"):
        project.migration(name, up="select 1;")
        program.ok("migrate", "--strict", url=url)

    assert versions(url) == ["001", "010", "100"]


# -- M6


@pytest.mark.parametrize(("before", "line_end"), [("select 'ascii';", "\n"), ("select 'ünïcödé 日本';", "\r\n")])
@pytest.mark.parametrize("direction", ["up", "down"])
def test_m6_the_place_of_an_error(program, project, url, direction, before, line_end):
    wrong = f"{before}\n  {before} create table b (i intx);"
    sections = {"up": "select 1;", "down": ""} | {direction: wrong}
    text = f"-- migrate:up\n{sections['up']}\n-- migrate:down\n{sections['down']}\n"
    project.write("1_a.sql", text.replace("\n", line_end))
    done = program("up", url=url)
    if direction == "down":
        done = program("rollback", url=url)

    column = len(f"  {before} create table b (i ") + 1
    line = {"up": 3, "down": 5}[direction]
    assert done.exit_code == program.expects(dbmate=2, dbmigrate=4)
    assert 'type "intx" does not exist' in done.stderr
    # dbmate counts from the header of the section
    place = program.expects(dbmate=f"line: 3, column: {column},", dbmigrate=f"1_a.sql:{line}:{column}\n")
    assert place in done.stderr
    assert versions(url) == {"up": [], "down": ["1"]}[direction]


def test_m6_an_error_without_a_place(program, project, url):
    project.migration("1_a", up="create table a (i int);\nselect 1/0;")

    done = program("up", url=url)

    assert "division by zero" in done.stderr
    assert tables(url) == ["schema_migrations"]


def test_m6_what_was_applied_before_a_failure_stays(program, project, url):
    project.migration("1_a", up="create table a (i int);")
    project.migration("2_b", up="create table b (i int); select 1/0;")
    project.migration("3_c", up="create table c (i int);")

    assert program("up", url=url).exit_code != 0

    assert (tables(url), versions(url)) == (["a", "schema_migrations"], ["1"])


# -- M7


@pytest.mark.parametrize(
    ("options", "variables"), [(["--verbose"], {}), (["-v"], {}), ([], {"DBMATE_VERBOSE": "true"})]
)
def test_m7_verbose_tells_the_rows(program, project, url, options, variables):
    project.migration(
        "1_a",
        up="create table a (i int); insert into a values (1), (2), (3);",
        down="delete from a where i = 1; drop table a;",
    )

    up = program.ok("up", *options, url=url, env=variables)
    down = program.ok("rollback", *options, url=url, env=variables)

    assert lines(up.stdout, "Rows", "Applied") == ["Rows affected: 3", "Applied: 1_a.sql in TIME"]
    assert lines(down.stdout, "Rows", "Rolled") == ["Rows affected: 0", "Rolled back: 1_a.sql in TIME"]


def test_m7_comments_alone_affect_no_rows(program, project, url):
    project.migration("1_a", up="-- nothing")

    assert lines(said(program.ok("up", "-v", url=url)), "Rows") == []


def test_m7_without_verbose_nothing_is_said_of_rows(program, project, url):
    project.migration("1_a", up="create table a as select 1;")

    assert lines(said(program.ok("up", url=url)), "Rows") == []


def test_m7_every_step_is_announced(program, blog, url):
    up = program.ok("up", url=url)
    down = program.ok("rollback", url=url)

    assert lines(said(up), "Applying") == [
        "Applying: 20151129054053_test_migration.sql",
        "Applying: 20200227231541_test_posts.sql",
    ]
    assert lines(said(down), "Rolling") == ["Rolling back: 20200227231541_test_posts.sql"]


# -- sessions


def test_m1_settings_of_the_url_hold_in_migrations(program, project, url):
    project.migration("1_a", up="create table a as select current_setting('lock_timeout') v;")

    program.ok("up", url=with_parameters(url, lock_timeout="1234ms"))

    assert scalar(url, "select v from a") == "1234ms"
