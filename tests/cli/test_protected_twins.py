"""No other name of a protected environment's database gets past its protection."""

from __future__ import annotations

import pytest

UP = "create table a ();"


@pytest.fixture
def applied(query):
    def count(url):
        return query(url, "select to_regclass('a') is not null") == [(True,)]

    return count


def other_spelling(url):
    return url.replace("postgres://", "postgresql://") + "&application_name=other&connect_timeout=9"


@pytest.mark.parametrize("name", ["PRODUCTION_URL", "PRODUCTION_DB_URL", "Production_POSTGRES_URL", "LIVE_PG_URL"])
def test_a_variable_of_a_protected_name_is_protected(run, project, database_url, applied, name):
    project.migration("1_a", up=UP)

    done = run("up", "-e", name, env={name: database_url})

    assert done.exit_code == 7, done.stderr
    assert f"error[E707]: {name} is protected" in done.stderr
    assert not applied(database_url)


def test_a_name_that_only_looks_alike_is_not(run, project, database_url, applied):
    project.migration("1_a", up=UP)

    for name in ("REPRODUCTION_URL", "DATABASE_URL"):
        assert run("up", "-e", name, env={name: database_url}).exit_code == 0
    assert applied(database_url)


@pytest.mark.parametrize("variable", ["PRODUCTION_DATABASE_URL", "PROD_URL", "LIVE_DATABASE_URL_FILE"])
@pytest.mark.parametrize("way", ["DATABASE_URL", "--url", "-e staging"])
def test_the_database_of_a_protected_environment_is_protected_by_any_name(
    run, project, database_url, applied, variable, way
):
    project.migration("1_a", up=UP)
    value = database_url
    if variable.endswith("_FILE"):
        (project.root / "url").write_text(f"{database_url}\n")
        value = "url"
    env = {variable: value}
    options = ("--url", other_spelling(database_url)) if way == "--url" else ("-e", "staging") if "-e" in way else ()
    if way != "--url":
        env["DATABASE_URL" if way == "DATABASE_URL" else "STAGING_DATABASE_URL"] = other_spelling(database_url)
    protected = variable.removesuffix("_FILE").split("_")[0].lower()

    done = run("up", *options, env=env)

    assert done.exit_code == 7, done.stderr
    by = variable.removesuffix("_FILE")
    assert f"error[E707]: {protected} is protected, and {by} names this database" in done.stderr
    assert not applied(database_url)
    assert run("up", *options, "--yes", env=env).exit_code == 0
    assert run("drop", *options, env=env).exit_code == 7
    assert applied(database_url)


def test_it_is_strict_as_well(run, project, database_url, query):
    env = {"DATABASE_URL": database_url, "PRODUCTION_DATABASE_URL": database_url}
    project.migration("2_b", up=UP)
    run("up", "--yes", env=env)
    project.migration("1_a", up="select 1;")

    assert "error[E702]" in run("up", "--yes", env=env).stderr
    assert run("up", "--yes", "--no-strict", env=env).exit_code == 0


def test_another_database_of_the_same_server_is_not_protected(run, project, database_url, applied):
    project.migration("1_a", up=UP)
    name = database_url.split("/")[3].split("?")[0]
    env = {"DATABASE_URL": database_url, "PRODUCTION_DATABASE_URL": database_url.replace(name, f"{name}x")}

    assert run("up", env=env).exit_code == 0
    assert applied(database_url)


def test_a_protected_url_that_cannot_be_read_is_in_nobodys_way(run, project, database_url):
    project.migration("1_a", up=UP)

    assert run("up", env={"DATABASE_URL": database_url, "PRODUCTION_DATABASE_URL": "nonsense://"}).exit_code == 0
