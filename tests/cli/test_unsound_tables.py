"""Tracking tables that would lose what is written, or refuse it in mid-run: nothing runs, and how to fix it."""

from __future__ import annotations

import re

import pytest


@pytest.fixture
def dbmigrate(run, database_url, project):
    project.migration("20260101000000_a", up="create table a ();")
    return lambda *words: run("--no-dump-schema", *words, env={"DATABASE_URL": database_url})


TABLE = "create table schema_migrations (version varchar primary key)"
UNSOUND = {
    "unlogged": "create unlogged table schema_migrations (version varchar primary key)",
    "too short": "create table schema_migrations (version varchar(6) primary key)",
    "a further column": f"{TABLE}; alter table schema_migrations add applied_by text not null",
    "two further columns": f'{TABLE}; alter table schema_migrations add a int not null, add "B c" text not null',
    "a domain that is not null": f"{TABLE}; create domain d as text not null; alter table schema_migrations add b d",
    "not unique": "create table schema_migrations (version varchar)",
    "unique for some rows": "create table schema_migrations (version varchar);"
    " create unique index on schema_migrations (version) where version <> '1'",
    "a child": "create table parent (version varchar); create table schema_migrations (primary key (version))"
    " inherits (parent)",
    "a partition": "create table parent (version varchar) partition by list (version);"
    " create table schema_migrations partition of parent (primary key (version)) for values in ('1')",
    "an integer": "create table schema_migrations (version bigint primary key)",
    "of fixed length": "create table schema_migrations (version char(20) primary key)",
}


@pytest.mark.parametrize("table", UNSOUND)
def test_it_is_refused_before_anything_runs_and_mended_by_what_the_hint_says(dbmigrate, database_url, query, table):
    query(database_url, UNSOUND[table])

    done = dbmigrate("up")

    assert done.exit_code == 7, done.stderr
    assert "error[E714]" in done.stderr
    assert query(database_url, "select to_regclass('a')") == [(None,)]
    fix = re.search(r"hint: (?:to fix it|if it is yours): (alter table [^;\n]+)", done.stderr)
    assert fix, done.stderr
    query(database_url, fix[1])
    again = dbmigrate("up")
    assert again.exit_code == 0, again.stderr


@pytest.mark.parametrize(
    "table",
    [
        "create table schema_migrations (version varchar primary key) partition by list (version)",
        "create table schema_migrations (version varchar primary key);"
        " create table child () inherits (schema_migrations)",
        "create table schema_migrations (version varchar generated always as (base) stored primary key, base text)",
    ],
)
def test_what_no_single_statement_mends_is_refused_as_well(dbmigrate, database_url, query, table):
    query(database_url, table)

    done = dbmigrate("up")

    assert done.exit_code == 7, done.stderr
    assert "error[E714]" in done.stderr
    assert query(database_url, "select to_regclass('a')") == [(None,)]


SOUND = {
    "dbmate's of today": TABLE,
    "dbmate's of version 1": "create table schema_migrations (version varchar(255) primary key)",
    "dbmate's of version 2": "create table schema_migrations (version varchar(128) primary key)",
    "text": "create table schema_migrations (version text primary key)",
    "with a further column": f"{TABLE}; alter table schema_migrations add at timestamptz not null default now()",
    "with a number": f"{TABLE}; alter table schema_migrations add id int generated always as identity",
    "a unique index": "create table schema_migrations (version varchar);"
    " create unique index on schema_migrations (version)",
    "a parent whose child is gone": f"{TABLE}; create table child () inherits (schema_migrations); drop table child",
}


@pytest.mark.parametrize("table", SOUND)
def test_what_works_is_used(dbmigrate, database_url, query, table):
    query(database_url, SOUND[table])

    done = dbmigrate("up")

    assert done.exit_code == 0, done.stderr
    assert query(database_url, "select version from schema_migrations") == [("20260101000000",)]


ON_THE_LOG = {
    "unlogged": "alter table schema_migrations_log set unlogged",
    "a further column": "alter table schema_migrations_log add ticket text;"
    " update schema_migrations_log set ticket = ''; alter table schema_migrations_log alter ticket set not null",
    "no primary key": "alter table schema_migrations_log drop constraint schema_migrations_log_pkey",
}


@pytest.mark.parametrize("change", ON_THE_LOG)
def test_the_log_has_to_be_sound_too(dbmigrate, project, database_url, query, change):
    assert dbmigrate("up").exit_code == 0
    query(database_url, ON_THE_LOG[change])
    project.migration("20260102000000_b", up="create table b ();")

    done = dbmigrate("up")

    assert done.exit_code == 7, done.stderr
    assert "error[E714]" in done.stderr
    assert query(database_url, "select to_regclass('b')") == [(None,)]
    query(database_url, re.search(r"to fix it: (alter table [^;\n]+)", done.stderr)[1])
    assert dbmigrate("up").exit_code == 0


def test_a_log_without_a_column_that_it_needs_is_refused_by_readers_too(dbmigrate, database_url, query):
    assert dbmigrate("up").exit_code == 0
    query(database_url, "alter table schema_migrations_log drop column state")

    done = dbmigrate("status")

    assert done.exit_code == 7, done.stderr
    assert "its column state is gone" in done.stderr


@pytest.mark.parametrize(
    "words",
    [("migrate",), ("up", "--dry-run"), ("mark", "applied", "20260101000000", "--reason", "x"), ("rollback",)],
    ids=" ".join,
)
def test_every_command_that_writes_refuses_it(dbmigrate, database_url, query, words):
    query(
        database_url, f"{TABLE}; insert into schema_migrations values ('1'); alter table schema_migrations set unlogged"
    )

    done = dbmigrate(*words)

    assert done.exit_code == 7, done.stderr
    assert "alter table public.schema_migrations set logged" in done.stderr


@pytest.mark.parametrize("words", [("status",), ("verify",)], ids=" ".join)
def test_readers_say_it_and_go_on(dbmigrate, database_url, query, words):
    query(database_url, f"{TABLE}; alter table schema_migrations set unlogged")

    done = dbmigrate(*words)

    assert done.exit_code == 0, done.stderr
    assert "warning[W667]: public.schema_migrations cannot be written to: it is unlogged" in done.stderr


def test_a_table_that_would_last_as_long_as_the_session_is_refused(dbmigrate):
    done = dbmigrate("--migrations-table", "pg_temp.schema_migrations", "up")

    assert done.exit_code == 2
    assert "error[E205]" in done.stderr


RAILS = "create table ar_internal_metadata (key varchar primary key, value varchar)"
OTHERS = {
    "Rails": f"{TABLE}; {RAILS}; insert into schema_migrations values ('20250101000000')",
    "golang-migrate": "create table schema_migrations (version bigint primary key, dirty boolean not null);"
    " insert into schema_migrations values (7, false)",
    "Ecto": "create table schema_migrations (version bigint primary key, inserted_at timestamp)",
    "a hand-made script": "create table schema_migrations (migration_name text primary key, at timestamptz)",
}


@pytest.mark.parametrize("tool", OTHERS)
@pytest.mark.parametrize("words", [("up",), ("status",), ("verify",)], ids=" ".join)
def test_another_tools_table_is_named_and_never_written_to(dbmigrate, database_url, query, tool, words):
    query(database_url, OTHERS[tool])
    before = query(database_url, "select * from schema_migrations")

    done = dbmigrate(*words)

    assert done.exit_code == 7, done.stderr
    assert f"error[E713]: public.schema_migrations is the history of {tool}" in done.stderr
    assert "--migrations-table dbmigrate_migrations" in done.stderr
    assert "remove" not in done.stderr
    assert query(database_url, "select * from schema_migrations") == before
    assert query(database_url, "select to_regclass('a'), to_regclass('schema_migrations_log')") == [(None, None)]
    assert dbmigrate("--migrations-table", "dbmigrate_migrations", "up").exit_code == 0


def test_a_history_of_ours_beside_rails_goes_on(dbmigrate, project, database_url, query):
    assert dbmigrate("up").exit_code == 0
    query(database_url, RAILS)
    project.migration("20260102000000_b", up="create table b ();")

    assert dbmigrate("up").exit_code == 0
