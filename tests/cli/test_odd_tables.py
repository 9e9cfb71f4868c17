"""Tracking tables that are not as they should be: what is refused, what is told, what is never run twice."""

from __future__ import annotations

import pytest


@pytest.fixture
def dbmigrate(run, database_url):
    def run_it(*arguments):
        return run(*arguments, env={"DATABASE_URL": database_url})

    return run_it


def test_row_level_security_that_hides_rows_is_refused_by_readers_too(run, server, database_url, query, project):
    project.migration("1_a", up="create table a (id int);")
    assert run("up", env={"DATABASE_URL": database_url}).exit_code == 0
    query(database_url, "alter table schema_migrations enable row level security")
    query(database_url, "create role dbmigrate_rls_reader")
    query(database_url, "grant select, insert on schema_migrations, schema_migrations_log to dbmigrate_rls_reader")
    separator = "&" if "?" in database_url else "?"
    url = f"{database_url}{separator}role=dbmigrate_rls_reader"

    try:
        for command in ("status", "up", "verify"):
            done = run(command, env={"DATABASE_URL": url})

            assert done.exit_code == 7, done.stderr
            assert "E705" in done.stderr
    finally:
        query(database_url, "drop owned by dbmigrate_rls_reader")
        query(database_url, "drop role dbmigrate_rls_reader")


def test_a_version_table_that_is_gone_while_the_log_is_there_is_refused(dbmigrate, project, database_url, query):
    project.migration("1_a", up="create table if not exists a (id int); insert into a values (1);")
    assert dbmigrate("up").exit_code == 0
    query(database_url, "drop table schema_migrations")

    done = dbmigrate("up")

    assert done.exit_code == 7
    assert "drop it too to start with an empty history" in done.stderr
    assert query(database_url, "select count(*) from a") == [(1,)]


def test_a_file_without_a_transaction_that_drops_the_version_table_needs_a_person(
    dbmigrate, project, database_url, query
):
    project.migration(
        "1_a", up="create table a (id int);\ndrop table schema_migrations;", up_options="transaction:false"
    )

    done = dbmigrate("up")

    assert done.exit_code == 5
    assert "every statement of 1_a.sql is done" in done.stderr
    assert "[!] 1_a.sql" in dbmigrate("status").stdout
    assert dbmigrate("up").exit_code != 0
    assert query(database_url, "select count(*) from a") == [(0,)]


def test_a_null_version_is_no_version(dbmigrate, project, database_url, query):
    query(database_url, "create table schema_migrations (version varchar unique)")
    query(database_url, "insert into schema_migrations values (null), ('1')")
    project.migration("1_a", up="select 1;")
    project.migration("2_b", up="select 1;")

    assert dbmigrate("up").exit_code == 0
    assert "Applied: 2" in dbmigrate("status").stdout
    assert dbmigrate("verify").exit_code == 0


def test_a_version_that_is_recorded_twice_cannot_be_rolled_back(dbmigrate, project, database_url, query):
    project.migration("1_a", up="create table a ();", down="drop table a;")
    twice = "alter table schema_migrations drop constraint schema_migrations_pkey; insert into schema_migrations values"
    project.migration("2_b", up="select 1;", down=f"{twice} ('1');")
    assert dbmigrate("up").exit_code == 0

    done = dbmigrate("rollback", "--steps", "2")

    assert done.exit_code == 4
    assert "1_a.sql: its version is recorded 2 times instead of once" in done.stderr
    assert query(database_url, "select to_regclass('a')::text") == [("a",)]


def test_a_fixed_length_version_column_is_refused(dbmigrate, project, database_url, query):
    query(database_url, "create table schema_migrations (version char(20) primary key)")
    project.migration("1_a", up="select 1;")

    done = dbmigrate("up")

    assert done.exit_code == 7
    assert "E714" in done.stderr


def test_a_table_name_that_leaves_no_room_for_the_logs_is_refused(dbmigrate, project, database_url, query):
    project.migration("1_a", up="select 1;")

    done = dbmigrate("up", "--migrations-table", "x" * 60)

    assert done.exit_code == 2
    assert query(database_url, "select count(*) from pg_tables where tablename like 'x%%'") == [(0,)]


def test_a_rollback_of_an_edited_file_says_so(dbmigrate, project):
    path = project.migration("1_a", up="create table a (id int);", down="drop table a;")
    dbmigrate("up")
    path.write_text(path.read_text().replace("drop table a;", "drop table if exists a;"))

    done = dbmigrate("rollback")

    assert done.exit_code == 0
    assert "warning[W308]" in done.stderr


def test_a_log_that_an_older_version_made_is_given_its_new_columns(dbmigrate, project, database_url, query):
    project.migration("1_a", up="select 1;")
    dbmigrate("up")
    query(database_url, "alter table schema_migrations_log drop column reason, drop column git_dirty")
    project.migration("2_b", up="select 1;")

    assert dbmigrate("status").exit_code == 0
    done = dbmigrate("up", "--reason", "new")

    assert done.exit_code == 0, done.stderr
    assert query(database_url, "select version, reason from schema_migrations_log order by event_id") == [
        ("1", None),
        ("2", "new"),
    ]
    assert dbmigrate("history").exit_code == 0
