"""Settings that a role or a database carries with it: none of them breaks a run, or it is named."""

from __future__ import annotations

import pytest


def name_of(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


@pytest.fixture
def set_for_database(database_url, query):
    def change(setting: str, value: str) -> None:
        query(database_url, f"alter database {name_of(database_url)} set {setting} = '{value}'")

    return change


SLOW_FILE = "create table a (id int);\nselect pg_sleep(0.6);\ninsert into a values (1);"


@pytest.mark.parametrize(
    "setting",
    ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout"],
)
def test_a_time_out_of_the_database_does_not_end_a_migration(
    project, run, server, database_url, query, set_for_database, setting
) -> None:
    if setting == "idle_session_timeout" and server.major < 14:
        pytest.skip("PostgreSQL 13 has no such setting")
    set_for_database(setting, "200ms")
    project.migration("1_a", up=SLOW_FILE, down="drop table a;")
    project.migration("2_b", up="select pg_sleep(0.5);\ncreate table b (id int);", up_options="transaction:false")

    done = run("up", "--no-dump-schema", env={"DATABASE_URL": database_url})

    assert done.exit_code == 0, done.stderr
    assert query(database_url, "select version from schema_migrations order by 1") == [("1",), ("2",)]


def test_transaction_timeout_is_named_when_it_ends_a_migration(
    project, run, server, database_url, query, set_for_database
) -> None:
    """It cannot be switched off for the user: he set it to end long transactions. The session dies of it (25P04)."""
    if server.major < 17:
        pytest.skip("transaction_timeout came with PostgreSQL 17")
    set_for_database("transaction_timeout", "300ms")
    project.migration("1_a", up=SLOW_FILE)

    done = run("up", "--no-dump-schema", env={"DATABASE_URL": database_url})

    assert done.exit_code in (3, 4)
    assert "transaction timeout" in done.stderr
    assert "rolled back; nothing of 1_a.sql was applied" in done.stderr
    assert query(database_url, "select to_regclass('a')") == [(None,)]


def test_a_small_time_out_of_the_database_breaks_no_concurrent_index(
    project, run, database_url, query, set_for_database
) -> None:
    query(database_url, "create table t as select generate_series(1, 200000) as n")
    set_for_database("statement_timeout", "5ms")
    set_for_database("lock_timeout", "1ms")
    project.migration("1_i", up="create index concurrently i on t (n);", up_options="transaction:false")

    done = run("up", "--no-dump-schema", env={"DATABASE_URL": database_url})

    assert done.exit_code == 0, done.stderr
    query(database_url, "set statement_timeout = 0; select 1")
    assert query(database_url, "select indisvalid from pg_index where indexrelid = 'i'::regclass") == [(True,)]


def test_a_time_out_in_the_url_is_the_users_own(project, run, database_url) -> None:
    project.migration("1_a", up="select pg_sleep(5);")

    done = run("up", "--no-dump-schema", env={"DATABASE_URL": f"{database_url}&statement_timeout=300ms"})

    assert done.exit_code == 4
    assert "57014" in done.stderr
    assert "statement_timeout" in done.stderr


def test_backslashes_are_plain_characters_whatever_the_database_says(
    project, run, server, database_url, query, set_for_database
) -> None:
    if server.major >= 19:
        pytest.skip("standard_conforming_strings cannot be changed any more")
    set_for_database("standard_conforming_strings", "off")
    project.migration("1_a", up=r"create table a as select 'C:\temp\' as path, 'x; y' as other;")

    done = run("up", "--no-dump-schema", env={"DATABASE_URL": database_url})

    assert done.exit_code == 0, done.stderr
    assert query(database_url, "select path, other from a") == [("C:\\temp\\", "x; y")]


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII", "WIN1252"])
def test_files_are_sent_as_utf_8_whatever_encoding_the_database_asks_for(
    project, run, database_url, query, set_for_database, encoding
) -> None:
    set_for_database("client_encoding", encoding)
    project.migration("1_a", up="create table a as select 'Žluťoučký kůň €' as text;")

    done = run("up", "--no-dump-schema", env={"DATABASE_URL": database_url})

    assert done.exit_code == 0, done.stderr
    assert query(database_url, "set client_encoding = 'UTF8'; select text, length(text) from a") == [
        ("Žluťoučký kůň €", 15)
    ]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("search_path", ""),
        ("search_path", '"$user", pg_catalog'),
        ("DateStyle", "German"),
        ("IntervalStyle", "postgres_verbose"),
        ("bytea_output", "escape"),
        ("default_transaction_isolation", "serializable"),
        ("default_transaction_deferrable", "on"),
        ("row_security", "off"),
        ("check_function_bodies", "off"),
        ("extra_float_digits", "-15"),
        ("lc_messages", "C"),
        ("TimeZone", "Asia/Kathmandu"),
        ("quote_all_identifiers", "on"),
        ("transform_null_equals", "on"),
        ("synchronous_commit", "remote_apply"),
    ],
)
def test_other_settings_of_the_database_change_nothing(
    project, run, database_url, query, set_for_database, setting, value
) -> None:
    if setting == "search_path":
        query(database_url, f"alter database {name_of(database_url)} set search_path = {value or chr(39) * 2}")
    else:
        set_for_database(setting, value)
    project.migration("1_a", up="create table public.a (id int);", down="drop table public.a;")
    project.migration("2_b", up="create table public.b (id int);", up_options="transaction:false")
    env = {"DATABASE_URL": database_url}

    done = run("up", "--no-dump-schema", env=env)
    status = run("status", env=env)
    history = run("history", env=env)

    assert done.exit_code == 0, done.stderr
    assert status.stdout == "[X] 1_a.sql\n[X] 2_b.sql\n\nApplied: 2\nPending: 0\n"
    assert history.exit_code == 0, history.stderr
