"""What files say that they do: in `status -v`, `history -v`, the log, and JSON."""

from __future__ import annotations

import json

import pytest

USERS = """\
-- Purpose: Users who can log in
-- Rollback: none
-- Ticket: FLOW-123, see https://example.com/FLOW-123

-- migrate:up
-- Adds users.\x1b[31m
create table users ();

-- migrate:down
drop table users;
"""


@pytest.fixture
def command(run, database_url):
    values = {"DATABASE_URL": database_url, "DBMIGRATE_NO_DUMP_SCHEMA": "true"}
    return lambda *arguments, **more: run(*arguments, env={**values, **more})


def test_what_a_file_says_is_shown_and_logged(command, project, query, database_url):
    project.write("1_users.sql", USERS)
    project.migration("2_b", up="select 1")
    script = command("up", "--dry-run", "--no-locks").stdout

    assert command("up").exit_code == 0

    plain, verbose = command("status"), command("status", "-v")
    assert "Adds users" not in plain.stdout + plain.stderr
    assert verbose.stdout == plain.stdout
    assert "    Adds users.\\x1b[31m · FLOW-123 · https://example.com/FLOW-123\n" in verbose.stderr
    assert "    Purpose: Users who can log in\n    Rollback: none\n" in verbose.stderr
    row, other = json.loads(command("status", "--json").stdout)["migrations"]
    assert (row["description"], row["tickets"]) == ("Adds users.\x1b[31m", ["FLOW-123"])
    assert row["header"]["Rollback"] == "none"
    assert (other["description"], other["tickets"], other["links"], other["header"]) == (None, [], [], {})

    details = {"links": ["https://example.com/FLOW-123"], "tickets": ["FLOW-123"], "description": "Adds users.\x1b[31m"}
    assert query(database_url, "select details from schema_migrations_log order by 1 nulls first") == [
        (None,),
        (details,),
    ]
    assert json.dumps(details["links"])[1:-1] in script
    assert "Adds users" not in command("history").stdout
    assert "    Adds users.\\x1b[31m · FLOW-123" in command("history", "-v").stdout
    assert json.loads(command("history", "--json").stdout)["entries"][1]["details"] == details


def test_the_pattern_of_tickets_is_a_setting(command, project, query, database_url):
    project.migration("1_a", up="-- fixes #12, not FLOW-1\nselect 1")
    (project.root / "dbmigrate.toml").write_text('ticket-pattern = "#[0-9]+"\n')

    assert command("up").exit_code == 0
    assert query(database_url, "select details->'tickets' from schema_migrations_log") == [(["#12"],)]
    broken = command("status", DBMIGRATE_TICKET_PATTERN="(")
    assert broken.exit_code == 2
    assert "error[E205]: DBMIGRATE_TICKET_PATTERN (environment): '(' is not a regular expression" in broken.stderr
    assert '"tickets": []' in command("status", "--json", DBMIGRATE_TICKET_PATTERN="a^").stdout
