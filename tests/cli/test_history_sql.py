"""`history --sql`: the query that it prints shows in psql what `history` shows."""

from __future__ import annotations

import json

import pytest

from tests.support.psql import psql


@pytest.fixture
def logged(command, project):
    """A log with what succeeded, and two failures."""
    project.migration("1_a", up="create table a (id int);", down="drop table a;")
    assert command("up").exit_code == 0
    project.migration("2_b", up="create table b (id int); select 1/0;")
    for _ in range(2):
        assert command("up").exit_code == 4
    return command


@pytest.mark.parametrize("options", [(), ("-n", "2"), ("--failed",), ("--failed", "-n", "1")], ids=" ".join)
def test_the_query_shows_in_psql_what_history_shows(logged, database_url, options):
    entries = json.loads(logged("history", "--json", *options).stdout)["entries"]

    printed = logged("history", "--sql", *options)
    shown = psql(database_url, printed.stdout, "-A", "-t", "-v", "ON_ERROR_STOP=1", "-F", "|")

    assert (printed.exit_code, printed.stderr) == (0, "")
    assert shown.exit_code == 0, shown.stderr
    assert entries
    assert [line.split("|")[:3] for line in shown.stdout.splitlines()] == [
        [str(entry["event_id"]), entry["run_id"], entry["version"]] for entry in entries
    ]


def test_the_query_names_the_schema_and_quotes_what_has_to_be_quoted(command, project, database_url):
    project.migration("1_a", up="select 1;")
    table = ("--migrations-table", 'My app.ver"sions')
    assert command("up", *table).exit_code == 0

    printed = command("history", "--sql", *table).stdout
    shown = psql(database_url, printed, "-A", "-t", "-v", "ON_ERROR_STOP=1")

    assert '"My app"."ver""sions_log"' in printed
    assert (shown.exit_code, len(shown.stdout.splitlines())) == (0, 1), shown.stderr


def test_for_programs_it_is_a_value(logged):
    assert json.loads(logged("history", "--sql", "--json").stdout)["sql"].startswith("select event_id")


def test_without_a_log_there_is_nothing_to_query(command, project, database_url, query):
    query(database_url, "create table schema_migrations (version varchar primary key)")

    done = command("history", "--sql")

    assert (done.exit_code, done.stdout) == (0, "")
    assert "The log is empty" in done.stderr
