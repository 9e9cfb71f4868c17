"""`status` opens with where it looks and where that database stands: on stderr, and as keys for programs."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest
from psycopg.conninfo import conninfo_to_dict


@pytest.fixture
def two(command, project):
    """The first of two migrations is applied."""
    project.migration("1_a", up="create table a (id int);", down="drop table a;")
    assert command("up").exit_code == 0
    project.migration("2_b", up="create table b (id int);", down="drop table b;")
    return command


def test_it_says_where_it_is_what_comes_next_and_when_something_changed(run, two, database_url):
    environ = {"STAGING_DATABASE_URL": database_url, "DBMIGRATE_NO_DUMP_SCHEMA": "true"}

    lines = run("-e", "staging", "status", env=environ).stderr.splitlines()

    name = conninfo_to_dict(database_url)["dbname"]
    assert lines[0].startswith("staging · ")
    assert lines[0].endswith(f"/{name} · version 1 · 1 pending, next 2_b.sql")
    assert re.fullmatch(r"last updated \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC · migrations in \./db/migrations", lines[1])


def test_in_a_pipe_stdout_has_the_lines_of_dbmate_alone(two):
    assert two("status").stdout == "[X] 1_a.sql\n[ ] 2_b.sql\n\nApplied: 1\nPending: 1\n"


def test_quiet_says_nothing(two):
    done = two("status", "--quiet")

    assert (done.exit_code, done.stdout, done.stderr) == (1, "", "")


def test_where_nothing_is_applied_or_pending_it_says_so(command, project):
    project.migration("1_a", up="select 1;", down="select 1;")

    before = command("status").stderr.splitlines()
    command("up")
    after = command("status").stderr.splitlines()

    assert before[0].endswith(" · no version is applied · 1 pending, next 1_a.sql")
    assert before[1:] == ["migrations in ./db/migrations"]
    assert after[0].endswith(" · version 1 · nothing pending")


def test_programs_get_the_same_keys(two, database_url):
    before = datetime.now(UTC)

    value = json.loads(two("status", "--json").stdout)

    assert value["environment"] is None
    assert value["database"].endswith(f"/{conninfo_to_dict(database_url)['dbname']}")
    assert (value["current"], value["pending"], value["next"]) == ("1", 1, {"version": "2", "file": "2_b.sql"})
    assert datetime.fromisoformat(value["last_updated"]) <= before
    assert value["location"] == ["./db/migrations"]


def test_a_rollback_is_an_update(two):
    first = json.loads(two("status", "--json").stdout)
    assert two("rollback").exit_code == 0

    second = json.loads(two("status", "--json").stdout)

    assert second["current"] is None
    assert datetime.fromisoformat(second["last_updated"]) > datetime.fromisoformat(first["last_updated"])


def test_a_history_of_dbmate_has_no_time(command, project, query, database_url):
    project.migration("1_a", up="select 1;", down="select 1;")
    query(
        database_url,
        "create table schema_migrations (version varchar primary key); insert into schema_migrations values ('1')",
    )

    value = json.loads(command("status", "--json").stdout)

    assert (value["current"], value["last_updated"], value["next"]) == ("1", None, None)


def test_a_password_is_not_shown(two, database_url):
    url = f"{database_url}&password=s3cret" if "?" in database_url else f"{database_url}?password=s3cret"

    done = two("status", env={"DATABASE_URL": url})

    assert done.exit_code == 0, done.stderr
    assert "s3cret" not in done.stdout + done.stderr
