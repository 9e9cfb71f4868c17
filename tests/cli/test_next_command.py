"""An error ends with the command that comes next."""

from __future__ import annotations

import json
import re

import pytest

A = "create table a (id int);"


def last_line(done):
    return done.stderr.rstrip().splitlines()[-1]


@pytest.fixture
def applied(command, project):
    project.migration("1_a", up=A, down="drop table nothing;")
    assert command("up").exit_code == 0
    return project


@pytest.mark.parametrize("name", ["up", "migrate"])
def test_after_a_migration_that_failed(command, applied, name):
    applied.migration("2_b", up="select nothing;")

    done = command(name)

    assert done.exit_code == 4
    assert last_line(done) == (
        f"hint: correct the file, then run `dbmigrate {name}` again; `dbmigrate status` shows what is applied"
    )


def test_after_a_hint_of_its_own(command, applied, query, database_url):
    query(database_url, "create type mood as enum ('a')")
    applied.migration("2_b", up="alter type mood add value 'b'; select 'b'::mood;")

    assert last_line(command("up")) == (
        "hint: a new enum value can be used only after COMMIT: use it in the next file; then run `dbmigrate up` again"
    )


def test_after_a_rollback_that_failed(command, applied, query, database_url):
    done = command("rollback")

    assert done.exit_code == 4
    assert last_line(done) == (
        "hint: correct the down section, then run `dbmigrate rollback` again;"
        " if the change was undone by hand: `dbmigrate mark pending 1 --reason TEXT`"
    )
    query(database_url, "drop table a")
    assert command("mark", "pending", "1", "--reason", "undone by hand").exit_code == 0
    assert "[ ] 1_a.sql" in command("status").stdout


def test_after_a_migration_that_stopped_half_way(command, applied):
    applied.migration(
        "2_b", up="create table b ();\nselect nothing;", up_options="transaction:false", down="drop table b;"
    )

    done = command("up")

    assert done.exit_code == 5
    assert last_line(done) == (
        "hint: correct the file from that statement on, then continue with `dbmigrate resume`;"
        " `dbmigrate status` shows where it stopped"
    )


def test_an_irreversible_migration_and_one_whose_file_is_gone(command, project, query, database_url):
    project.migration("1_a", up=A, down_options="irreversible:true")
    command("up")

    assert "`dbmigrate mark pending 1 --reason TEXT`" in last_line(command("rollback"))

    (project.migrations / "1_a.sql").unlink()
    query(database_url, "update schema_migrations_log set down_sql = null")
    assert "`dbmigrate mark pending 1 --reason TEXT`" in last_line(command("rollback"))


def test_a_rehearsal_names_no_command_that_runs(command, applied):
    applied.migration("2_b", up="select nothing;")

    done = command("up", "--dry-run", "--execute", "--in-place")

    assert "run `dbmigrate up` again" not in done.stderr


# ------------------------------------------------------------------------------------------------------ applied already


def test_what_is_applied_already_says_since_when_and_by_whom(command, applied):
    applied.migration("2_b", up="create table b ();", down="drop table b;")
    command("up")

    older = command("mark", "applied", "1", "--reason", "x")
    newest = command("mark", "applied", "2", "--reason", "x")

    assert (older.exit_code, newest.exit_code) == (2, 2)
    since = r"error\[E241\]: version 1 was applied already on \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC by \S+@\S+\n"
    assert re.search(since, older.stderr), older.stderr
    assert last_line(older) == (
        "hint: to run it again: `dbmigrate rollback --all` undoes it and what came after it, then `dbmigrate up`"
    )
    assert last_line(newest) == "hint: to run it again: `dbmigrate redo`"


def test_what_is_pending_already_says_why_it_was_rolled_back(command, project):
    project.migration("1_a", up=A, down="drop table a;")
    never = command("mark", "pending", "1", "--reason", "x")
    command("up")
    command("rollback", "--reason", "INC-3")

    done = command("mark", "pending", "1", "--reason", "x")

    assert re.search(r"version 1 is pending already: it was rolled back on .* because INC-3\n", done.stderr), (
        done.stderr
    )
    assert last_line(done) == last_line(never) == "hint: `dbmigrate up` applies it"
    assert "error[E232]" in command("mark", "pending", "9", "--reason", "x").stderr


# ------------------------------------------------------------------------------------------- on the same database again


@pytest.fixture
def staging(run, project, database_url):
    """Runs a command on the environment staging, which is the test's database; there is no other."""
    project.migration("1_a", up=A, down="drop table nothing;")

    def run_it(*arguments):
        return run(*arguments, env={"STAGING_DATABASE_URL": database_url, "DBMIGRATE_NO_DUMP_SCHEMA": "true"})

    assert run_it("-e", "staging", "up").exit_code == 0
    return run_it


HINT = "correct the file, then run `dbmigrate -e staging up` again; `dbmigrate -e staging status` shows what is applied"


@pytest.mark.parametrize("words", [("-e", "staging", "up"), ("up", "--env", "staging")], ids=["before", "behind"])
def test_the_command_that_comes_next_is_for_the_same_environment(staging, project, words):
    project.migration("2_b", up="select nothing;")

    assert last_line(staging(*words)) == f"hint: {HINT}"


def test_so_it_is_for_programs(staging, project):
    project.migration("2_b", up="select nothing;")

    done = staging("-e", "staging", "up", "--json")
    lines = staging("-e", "staging", "up", "--log-format", "json").stderr.splitlines()

    assert json.loads(done.stdout)["error"]["hint"] == HINT
    assert json.loads(lines[-1])["hint"] == HINT


def test_so_are_warnings_answers_and_what_status_says(staging, project):
    project.migration("2_b", up="create table b ();\nselect nothing;", up_options="transaction:false")
    staging("-e", "staging", "up")
    project.migrations.joinpath("1_a.sql").unlink()

    done = staging("-e", "staging", "status")
    verified = staging("-e", "staging", "verify")

    assert "    hint: continue with `dbmigrate -e staging resume`\n" in done.stderr
    assert "  hint: `dbmigrate -e staging verify` says how to restore or forget each;" in done.stderr
    assert "run `dbmigrate -e staging repair --forget 1 --reason TEXT`\n" in verified.stdout


def test_what_the_user_wrote_stays_as_it_is(staging, project):
    project.migration("2_b", up="-- then run `dbmigrate up`\nselect `dbmigrate status`;")

    done = staging("-e", "staging", "up")

    assert done.exit_code == 4
    assert "| select `dbmigrate status`;" in done.stderr


def test_a_new_file_is_applied_where_it_was_made(run, tmp_path):
    (tmp_path / "dbmigrate.toml").write_text('[service.ai]\ndir = "ai"\n')

    done = run("--service", "ai", "new", "create_a")

    assert done.stderr.endswith("then: dbmigrate --service ai up\n")


# ------------------------------------------------------------------------------------------------------ first mistakes


def test_a_database_that_is_missing_or_there_already(run, server, make_database, tmp_path):
    url = make_database()
    gone = url.replace("dbmigrate_test", "dbmigrate_gone")

    assert last_line(run("create", env={"DATABASE_URL": url})) == "hint: `dbmigrate up` applies what is pending to it"
    assert last_line(run("history", env={"DATABASE_URL": gone})) == (
        "hint: `dbmigrate up` creates it and applies the migrations; `dbmigrate create` only creates it"
    )


def test_a_schema_file_for_a_database_that_has_tables(command, applied, database_url):
    assert command("dump", env={"DBMIGRATE_NO_DUMP_SCHEMA": ""}).exit_code == 0

    done = command("load")

    assert done.exit_code == 4
    assert last_line(done) == (
        "hint: a schema file is for an empty database; `dbmigrate up` applies migrations to one that has tables"
    )


def test_without_a_database_there_are_three_ways_on(run, project):
    assert last_line(run("up")) == (
        "hint: set DATABASE_URL=postgres://user@host/name in the environment or in .env;"
        " embedded: is a server of its own, `dbmigrate demo` shows one"
    )
    assert last_line(run("-e", "staging", "up")) == (
        "hint: set STAGING_DATABASE_URL=postgres://user@host/name in the environment or in .env"
    )
