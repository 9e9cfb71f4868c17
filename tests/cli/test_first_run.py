"""A first run on a database that is not empty: another tool's history, tables that nobody recorded, or nothing."""

from __future__ import annotations

import pytest


@pytest.fixture
def dbmigrate(run, database_url, project):
    project.migration("20260101000000_a", up="create table a ();")
    project.migration("20260102000000_b", up="create table b ();")

    def run_it(*words, **env):
        return run("--no-dump-schema", *words, env={"DATABASE_URL": database_url, **env})

    return run_it


@pytest.fixture
def protected(dbmigrate, database_url):
    env = {"PRODUCTION_DATABASE_URL": database_url, "DATABASE_URL": ""}
    return lambda *words: dbmigrate("-e", "production", *words, **env)


FLYWAY = (
    "create table flyway_schema_history (installed_rank int primary key, version varchar(50), description varchar(200),"
    " type varchar(20), script varchar(1000), checksum int, installed_by varchar(100), installed_on timestamp,"
    " execution_time int, success boolean)"
)
OURS, THEIRS = "'20260101000000'", "'20240101000000'"
HISTORIES = {
    "Flyway": (FLYWAY, "insert into flyway_schema_history (installed_rank, version) values (1, {})"),
    "golang-migrate": (
        "create schema other; create table other.schema_migrations (version bigint primary key, dirty boolean)",
        "insert into other.schema_migrations values ({}::bigint, false)",
    ),
    "Alembic": (
        "create table alembic_version (version_num varchar(32) primary key)",
        "insert into alembic_version values ({})",
    ),
    "knex": (
        "create table knex_migrations (id serial, name varchar(255), batch int, migration_time timestamptz)",
        "insert into knex_migrations (name) values ({} || '_a.sql')",
    ),
    "goose": (
        "create table goose_db_version (id int, version_id bigint, is_applied boolean, tstamp timestamp)",
        "insert into goose_db_version (version_id) values (0), ({}::bigint)",
    ),
    "a hand-made script": (
        "create table migration_records (service text, version text, name text)",
        "insert into migration_records (version) values ({})",
    ),
    "Supabase": (
        "create schema supabase_migrations;"
        " create table supabase_migrations.schema_migrations (version text, statements text[], name text)",
        "insert into supabase_migrations.schema_migrations values ({})",
    ),
}


@pytest.mark.parametrize("words", [("up",), ("migrate",), ("up", "--dry-run")], ids=" ".join)
@pytest.mark.parametrize("tool", HISTORIES)
def test_files_that_another_tool_has_recorded_are_not_run_again(dbmigrate, database_url, query, tool, words):
    table, row = HISTORIES[tool]
    query(database_url, f"{table}; {row.format(OURS)}")

    done = dbmigrate(*words)

    assert done.exit_code == 7, done.stderr
    assert "error[E715]" in done.stderr
    assert f"the history of {tool}, has recorded 20260101000000" in done.stderr
    assert "dbmigrate baseline VERSION" in done.stderr
    assert query(database_url, "select to_regclass('a'), to_regclass('public.schema_migrations')") == [(None, None)]


@pytest.mark.parametrize("tool", HISTORIES)
def test_another_tools_history_without_a_match_is_a_warning(dbmigrate, database_url, query, tool):
    table, row = HISTORIES[tool]
    query(database_url, f"{table}; {row.format(THEIRS)}")

    done = dbmigrate("up")

    assert done.exit_code == 0, done.stderr
    assert done.stderr.count("warning[W666]") == 1
    assert f"is the history of {tool}" in done.stderr
    assert query(database_url, "select count(*) from schema_migrations") == [(2,)]
    assert "W666" not in dbmigrate("up").stderr


def test_tables_without_a_history_are_a_warning(dbmigrate, database_url, query):
    query(database_url, "create table orders (id int); create table customers (id int)")

    done = dbmigrate("up")

    assert done.exit_code == 0, done.stderr
    assert "warning[W666]" in done.stderr
    assert "the database has 2 tables (public.customers, public.orders)" in done.stderr


@pytest.mark.parametrize(
    "made",
    [
        "select 1",
        "create schema auth; create table auth.users (id int); create table auth.schema_migrations (version varchar)",
        "create extension if not exists pg_stat_statements",
        "create view v as select 1",
        "create schema s; create table s.schema_migrations (version varchar primary key); create table s.t (id int)",
        "create table schema_migrations (version varchar primary key)",
    ],
)
def test_what_is_nobodys_business_is_not_told(dbmigrate, protected, database_url, query, made):
    query(database_url, made)

    done = protected("up", "--yes")

    assert done.exit_code == 0, done.stderr
    assert "W666" not in done.stderr


@pytest.mark.parametrize("there", ["create table orders (id int)", FLYWAY])
def test_a_protected_environment_stops(protected, database_url, query, there):
    query(database_url, there)

    done = protected("up", "--yes")

    assert done.exit_code == 7, done.stderr
    assert "error[E716]" in done.stderr
    assert query(database_url, "select to_regclass('a')") == [(None,)]
    assert protected("up", "--yes", "--allow-existing").exit_code == 0


def test_what_was_allowed_once_is_not_asked_again(protected, project, database_url, query):
    query(database_url, "create table orders (id int)")
    assert protected("up", "--yes", "--allow-existing").exit_code == 0
    project.migration("20260103000000_c", up="create table c ();")

    assert protected("up", "--yes").exit_code == 0


def test_baseline_is_the_way_in(dbmigrate, database_url, query):
    query(database_url, f"create table a (); {FLYWAY}; insert into flyway_schema_history values (1, '20260101000000')")
    assert dbmigrate("up").exit_code == 7

    assert dbmigrate("baseline", "20260101000000").exit_code == 0
    done = dbmigrate("up")

    assert done.exit_code == 0, done.stderr
    assert query(database_url, "select count(*) from schema_migrations") == [(2,)]


@pytest.mark.parametrize("words", [("status",), ("verify",)], ids=" ".join)
def test_readers_say_what_they_see(dbmigrate, database_url, query, words):
    query(database_url, f"{FLYWAY}; insert into flyway_schema_history values (1, '20260101000000')")

    done = dbmigrate(*words)

    assert done.exit_code == 0, done.stderr
    assert "public.flyway_schema_history is the history of Flyway, which has recorded 20260101000000" in done.stderr


def test_a_table_that_may_not_be_read_stops_nobody(dbmigrate, database_url, query):
    """Row level security would run its owner's code."""
    query(database_url, f"{FLYWAY}; insert into flyway_schema_history values (1, '20260101000000')")
    query(database_url, "alter table flyway_schema_history enable row level security")

    done = dbmigrate("up")

    assert done.exit_code == 0, done.stderr
    assert "is the history of Flyway" in done.stderr


def test_a_service_with_a_schema_of_its_own_is_not_bothered_by_the_others(dbmigrate, database_url, query):
    query(database_url, f"create schema mine; create table orders (id int); {FLYWAY}")
    separator = "&" if "?" in database_url else "?"

    done = dbmigrate("up", DATABASE_URL=f"{database_url}{separator}search_path=mine")

    assert done.exit_code == 0, done.stderr
    assert "W666" not in done.stderr
