"""An error ends with the command that comes next."""

from __future__ import annotations

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
