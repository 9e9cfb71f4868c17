"""`version-order = "numeric"`: the number of the version decides wherever something comes first or last."""

from __future__ import annotations

import json

import pytest

NUMERIC = ("--version-order", "numeric")
LONG = "9" * 39


@pytest.fixture
def dbmigrate(run, database_url):
    def run_it(*arguments, env=None):
        return run(*arguments, env={"DATABASE_URL": database_url, **(env or {})})

    return run_it


@pytest.fixture
def numbered(project):
    """9_a, 10_b, 100_c, and one of forty digits, where only the order of numbers works: each alters the one before."""
    names = ["9_a", "10_b", "100_c", f"1{LONG}_d"]
    for number, name in enumerate(names):
        up = "create table t0 ();" if not number else f"alter table t{number - 1} rename to t{number};"
        down = "drop table t0;" if not number else f"alter table t{number} rename to t{number - 1};"
        project.migration(name, up=up, down=down)
    return names


def settings_file(project):
    (project.root / "dbmigrate.toml").write_text('version-order = "numeric"\n')


def applied(query, url):
    return [row[0] for row in query(url, "select file from schema_migrations_log order by event_id")]


@pytest.mark.parametrize("way", ["flag", "variable", "project file"])
def test_up_and_rollback_go_by_number(dbmigrate, project, numbered, database_url, query, way):
    options = NUMERIC if way == "flag" else ()
    env = {"DBMIGRATE_VERSION_ORDER": "numeric"} if way == "variable" else {}
    if way == "project file":
        settings_file(project)

    done = dbmigrate("up", *options, env=env)

    assert done.exit_code == 0, done.stderr
    assert "W302" not in done.stderr
    assert applied(query, database_url) == [f"{name}.sql" for name in numbered]
    undone = dbmigrate("rollback", "--to", "9", *options, env=env)
    assert undone.exit_code == 0, undone.stderr
    assert applied(query, database_url)[4:] == [f"{name}.sql" for name in numbered[:0:-1]]


def test_what_is_last_goes_by_number(dbmigrate, project, numbered):
    settings_file(project)
    dbmigrate("up", "--to", "10")

    status = json.loads(dbmigrate("status", "--json").stdout)
    assert [row["version"] for row in status["migrations"]] == ["9", "10", "100", f"1{LONG}"]
    assert "10_b.sql" in dbmigrate("rollback", "--dry-run").stdout
    assert "9_a.sql" not in dbmigrate("rollback", "--dry-run").stdout
    report = json.loads(dbmigrate("up", "--to", "100", "--json").stdout.splitlines()[-1])
    assert report["version"] == "100"
    strict = dbmigrate("up", "--strict")
    assert strict.exit_code == 0, strict.stderr


def test_strict_refuses_what_has_a_lower_number(dbmigrate, project, numbered):
    settings_file(project)
    dbmigrate("up")
    project.migration("20_e", up="create table e ();")

    done = dbmigrate("up", "--strict")

    assert done.exit_code == 7
    assert "`20` is out of order" in done.stderr
    assert "byte by byte" not in done.stderr
    assert "20_e.sql is pending, though a higher version is applied" in dbmigrate("verify").stdout


def test_a_missing_version_has_its_place_by_number(dbmigrate, project, numbered, database_url, query):
    settings_file(project)
    dbmigrate("up")
    (project.migrations / f"1{LONG}_d.sql").unlink()
    (project.migrations / "9_a.sql").unlink()

    assert dbmigrate("rollback", "-n", "2").exit_code == 0
    assert applied(query, database_url)[4:] == [f"1{LONG}_d.sql", "100_c.sql"]


def test_check_lint_and_drift_go_by_number(dbmigrate, project, numbered):
    settings_file(project)
    dbmigrate("up")

    for command in (("check", "--no-lint"), ("drift", "--against", "migrations")):
        done = dbmigrate(*command)
        assert done.exit_code == 0, done.stdout + done.stderr


def test_environments_side_by_side_go_by_number(dbmigrate, project, numbered, database_url):
    settings_file(project)
    env = {"DEV_DATABASE_URL": database_url}
    dbmigrate("up", "--to", "10")

    table = json.loads(dbmigrate("status", "--all", "--json", env=env).stdout)

    assert [row["version"] for row in table["migrations"]] == ["9", "10", "100", f"1{LONG}"]


def test_where_the_orders_differ_the_setting_is_named(dbmigrate, project, database_url):
    for name in ("9_a", "10_b"):
        project.migration(name, up=f"create table t{name} ();")

    for command in ("status", "up", "status"):
        done = dbmigrate(command)
        assert "warning[W302]: 10_b.sql runs before 9_a.sql: files are ordered by name, not by number" in done.stderr
        assert 'version-order = "numeric"' in done.stderr
    assert "W302" in dbmigrate("status", "--all", env={"DEV_DATABASE_URL": database_url}).stderr


def test_the_refusal_says_that_it_is_byte_order_and_names_the_setting(dbmigrate, project):
    project.migration("9_a", up="create table a ();")
    dbmigrate("up")
    project.migration("10_b", up="create table b ();")

    done = dbmigrate("up", "--strict")

    assert done.exit_code == 7
    assert "(versions are compared byte by byte, so `10` comes before `9`)" in done.stderr
    assert 'version-order = "numeric"' in done.stderr
    assert "--version-order numeric" in done.stderr
    assert dbmigrate("up", "--strict", *NUMERIC).exit_code == 0


def test_an_unknown_order_is_refused(dbmigrate, project):
    done = dbmigrate("status", "--version-order", "natural")

    assert done.exit_code == 2
    assert "error[E205]: --version-order: unknown order 'natural'" in done.stderr
    assert "hint: use name or numeric" in done.stderr


def test_a_version_may_be_as_long_as_a_file_name(dbmigrate, project, database_url, query):
    """Nothing makes a number of a version: Python refuses more than 4300 digits, bigint more than 19."""
    longest = "1" * 249
    project.migration(longest, up="create table a ();", down="drop table a;")
    project.migration(f"2{LONG}_b", up="create table b ();", down="drop table b;")

    for order in ("name", "numeric"):
        for command in (("up",), ("status",), ("verify",), ("rollback", "--all"), ("up", "--dry-run")):
            done = dbmigrate(*command, "--version-order", order)
            assert done.exit_code == 0, done.stderr
    assert dbmigrate("baseline", f"2{LONG}").exit_code == 0
    assert "did you mean" not in dbmigrate("up", "--to", "9" * 5000).stderr
