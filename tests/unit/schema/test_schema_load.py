"""What is sent to the server for a schema file."""

from __future__ import annotations

import pytest

from dbmigrate.errors import PlanError
from dbmigrate.schema.load import prepare


def test_psql_lines_of_pg_dump_are_blanked():
    text = "\\restrict dbmate\n\n  \\connect app\nSELECT 1;\r\n\\unrestrict dbmate\r\n"

    assert prepare(text, path="s.sql") == "\n\n  \nSELECT 1;\r\n\r\n"


def test_settings_that_older_servers_refuse_are_blanked():
    text = "SET lock_timeout = 0;\nSET transaction_timeout = 0;\nSELECT 'SET transaction_timeout = 0;';"

    assert prepare(text, path="s.sql") == "SET lock_timeout = 0;\n\nSELECT 'SET transaction_timeout = 0;';"


def test_the_schema_public_may_be_there_already():
    assert prepare("CREATE SCHEMA public;", path="s.sql") == "CREATE SCHEMA IF NOT EXISTS public;"


@pytest.mark.parametrize(
    "text",
    [
        "SELECT '\n\\restrict x\n';",
        "CREATE FUNCTION f() AS $$\n\\! rm\n$$;\n",
        "-- only a comment",
        "SELECT 1",
        "",
        "SELECT 'hello\\world';   \n\n\n",
    ],
)
def test_everything_else_is_sent_as_it_is(text):
    assert prepare(text, path="s.sql") == text


def test_a_byte_order_mark_is_dropped():
    assert prepare("\ufeff\\restrict x\nSELECT 1;", path="s.sql") == "\nSELECT 1;"


@pytest.mark.parametrize("command", ["\\! rm", "\\quit", "\\i other.sql", "\\restrictx", "\\."])
def test_another_psql_command_is_refused_with_its_place(command):
    with pytest.raises(PlanError) as caught:
        prepare(f"SELECT 1;\n\n  {command}\n", path="db/schema.sql")

    assert caught.value.code == "E238"
    assert str(caught.value.place) == "db/schema.sql:3:3"
    assert command in caught.value.message


def test_a_nul_character_is_refused_for_it_would_end_the_text():
    with pytest.raises(PlanError) as caught:
        prepare("SELECT 1;\nSELECT '\0';", path="s.sql")

    assert (caught.value.code, str(caught.value.place)) == ("E238", "s.sql:2:9")


def test_copied_data_becomes_rows_on_their_own_lines():
    text = 'COPY app.t (a, "b;") FROM stdin;\n1\t\\N\nit\'s\tx\\ty\\n\\\\z\n\t\n\\.\nSELECT 1;\n'

    assert prepare(text, path="s.sql") == (
        'INSERT INTO app.t (a, "b;") OVERRIDING SYSTEM VALUE VALUES\n'
        "('1', NULL),\n('it''s', E'x\ty\\n\\\\z'),\n('', '')\n;\nSELECT 1;\n"
    )


def test_copied_data_without_rows_is_blanked():
    assert prepare("COPY app.t (a) FROM stdin;\n\\.\nSELECT 1;", path="s.sql") == "\n\nSELECT 1;"


@pytest.mark.parametrize(
    ("text", "line"),
    [("\nCOPY t FROM stdin WITH (FORMAT csv);\n1\n\\.\n", 2), ("COPY t FROM stdin;\na\n\\x41\n\\.\n", 3)],
)
def test_data_in_another_format_is_refused_with_its_place(text, line):
    with pytest.raises(PlanError) as caught:
        prepare(text, path="s.sql")

    assert caught.value.code == "E238"
    assert caught.value.place is not None
    assert caught.value.place.line == line
