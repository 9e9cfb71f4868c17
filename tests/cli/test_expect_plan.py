"""`--expect-plan`: what was reviewed is what runs, or nothing runs."""

from __future__ import annotations

import re

import pytest

from tests.support.catalog import fingerprint

USERS = "create table users (id bigint primary key);"


@pytest.fixture
def run_here(run, database_url):
    def command(*arguments):
        return run(*arguments, env={"DATABASE_URL": database_url})

    return command


@pytest.fixture
def digest(run_here):
    """The hash that a dry run shows."""

    def of(*arguments):
        shown = run_here(*(arguments or ("up",)), "--dry-run")
        assert shown.exit_code == 0, shown.stderr
        return re.search(r"^-- plan sha256:([0-9a-f]{64})$", shown.stdout, re.MULTILINE)[1]

    return of


def test_the_reviewed_plan_runs(run_here, digest, project, database_url, query):
    project.migration("1_a", up=USERS)

    done = run_here("up", "--expect-plan", digest())

    assert done.exit_code == 0, done.stderr
    assert query(database_url, "select version from schema_migrations") == [("1",)]


def test_the_script_and_the_talk_show_the_same_hash_every_time(run_here, digest, project):
    project.migration("1_a", up=USERS)
    reviewed = digest()

    shown = run_here("up", "--dry-run")

    assert f"plan sha256:{reviewed}\nhint: run exactly this plan with --expect-plan {reviewed[:12]}\n" in shown.stderr
    assert digest() == reviewed


def test_a_dry_run_with_nothing_to_do_does_not_say_how_to_run_it(run_here, digest, project):
    project.migration("1_a", up=USERS)
    run_here("up")

    shown = run_here("up", "--dry-run")

    assert f"plan sha256:{digest()}\n" in shown.stderr
    assert "--expect-plan" not in shown.stderr


def _edit_a_comment(project):
    project.migration("2_b", up="create table b (id int); -- harmless")


def _edit_the_down_section(project):
    project.migration("2_b", up="create table b (id int);", down="drop table b cascade;")


def _add_a_file(project):
    project.migration("4_c", up="create table c (id int);")


def _add_an_older_file(project):
    project.migration("0_c", up="create table c (id int);")


def _take_a_file_away(project):
    (project.migrations / "3_d.sql").unlink()


def _rename_a_file(project):
    (project.migrations / "2_b.sql").rename(project.migrations / "2_bb.sql")


@pytest.mark.parametrize(
    "change",
    [
        _edit_a_comment,
        _edit_the_down_section,
        _add_a_file,
        _add_an_older_file,
        _take_a_file_away,
        _rename_a_file,
    ],
    ids=lambda change: change.__name__.strip("_"),
)
def test_other_files_than_the_reviewed_ones_change_nothing(run_here, digest, project, database_url, change):
    project.migration("1_a", up=USERS)
    run_here("up")
    project.migration("2_b", up="create table b (id int);")
    project.migration("3_d", up="create table d (id int);")
    reviewed = digest()
    before = fingerprint(database_url)

    change(project)
    refused = run_here("up", "--expect-plan", reviewed)

    assert refused.exit_code == 7
    assert "error[E712]" in refused.stderr
    assert fingerprint(database_url) == before


def test_another_start_version_changes_nothing(run_here, digest, project, database_url, query):
    project.migration("1_a", up=USERS)
    project.migration("2_b", up="create table b (id int);")
    reviewed = digest()
    run_here("up", "--to", "1")
    before = fingerprint(database_url)

    refused = run_here("up", "--expect-plan", reviewed)

    assert refused.exit_code == 7
    assert fingerprint(database_url) == before


def test_a_version_that_somebody_recorded_meanwhile_changes_nothing(run_here, digest, project, database_url, query):
    """The steps are the same, the place that they start from is not."""
    project.migration("1_a", up=USERS)
    run_here("up")
    project.migration("2_b", up="create table b (id int);")
    reviewed = digest()
    query(database_url, "insert into schema_migrations values ('0')")
    before = fingerprint(database_url)

    refused = run_here("up", "--expect-plan", reviewed)

    assert refused.exit_code == 7
    assert fingerprint(database_url) == before


def test_a_plan_that_ran_does_not_run_again(run_here, digest, project):
    project.migration("1_a", up=USERS)
    reviewed = digest()

    first = run_here("up", "--expect-plan", reviewed)
    second = run_here("up", "--expect-plan", reviewed)

    assert (first.exit_code, second.exit_code) == (0, 7)


def test_a_missing_database_is_not_created_for_another_plan(run, make_database, server, project, query):
    project.migration("1_a", up=USERS)
    url = server.url("dbmigrate_expect_plan")

    refused = run("up", "--expect-plan", "0" * 64, env={"DATABASE_URL": url})

    assert refused.exit_code == 7
    assert query(server.url("postgres"), "select 1 from pg_database where datname = 'dbmigrate_expect_plan'") == []


def test_a_rollback_has_a_plan_too(run_here, digest, project, database_url, query):
    project.migration("1_a", up=USERS, down="drop table users;")
    project.migration("2_b", up="create table b (id int);", down="drop table b;")
    run_here("up")
    one, all_ = digest("rollback"), digest("rollback", "--all")

    refused = run_here("rollback", "--expect-plan", all_)
    done = run_here("rollback", "--expect-plan", one)

    assert (refused.exit_code, done.exit_code) == (7, 0)
    assert query(database_url, "select version from schema_migrations") == [("1",)]


def test_the_first_twelve_digits_and_the_prefix_are_enough(run_here, digest, project):
    project.migration("1_a", up=USERS)

    done = run_here("up", "--expect-plan", f"SHA256:{digest()[:12].upper()}")

    assert done.exit_code == 0, done.stderr


@pytest.mark.parametrize("text", ["", "sha256:", "123", "x" * 64, "0" * 65, "0123456789a"])
def test_what_is_no_hash_is_a_wrong_option(run_here, project, text):
    project.migration("1_a", up=USERS)

    refused = run_here("up", "--expect-plan", text)

    assert refused.exit_code == 2
    assert "error[E205]" in refused.stderr


@pytest.mark.parametrize(
    "parameters",
    [
        "search_path=app",
        "role=pg_monitor",
        "options=-c%20search_path%3Dapp",
        "lock_timeout=3s",
        "timezone=UTC",
        "my.own=1",
    ],
)
def test_another_setting_of_the_url_is_another_plan(run, digest, project, database_url, query, parameters):
    """The same SQL does something else under it, and the script says so."""
    project.migration("1_a", up=USERS)
    query(database_url, "create schema app")
    reviewed = digest()
    before = fingerprint(database_url)
    env = {"DATABASE_URL": f"{database_url}{'&' if '?' in database_url else '?'}{parameters}"}

    refused = run("up", "--expect-plan", reviewed, env=env)

    assert refused.exit_code == 7
    assert "error[E712]" in refused.stderr
    assert fingerprint(database_url) == before


def test_the_same_settings_of_the_url_are_the_same_plan(run, project, database_url):
    project.migration("1_a", up=USERS)
    env = {"DATABASE_URL": f"{database_url}{'&' if '?' in database_url else '?'}timezone=UTC"}
    shown = run("up", "--dry-run", env=env)
    reviewed = re.search(r"^-- plan sha256:([0-9a-f]{64})$", shown.stdout, re.MULTILINE)[1]

    assert run("up", "--expect-plan", reviewed, env=env).exit_code == 0


@pytest.mark.parametrize("option", ["--lock-timeout", "--timeout"])
def test_another_limit_of_the_run_is_another_plan(run_here, digest, project, option):
    project.migration("1_a", up=USERS)

    limited = digest("up", option, "3s")

    assert run_here("up", "--expect-plan", limited).exit_code == 7
    assert run_here("up", option, "3s", "--expect-plan", limited).exit_code == 0
