"""Files and records that do not fit together: renamed, missing and foreign files, and what each command makes of it."""

from __future__ import annotations

import pytest

USERS = "create table users (id bigint primary key);"


@pytest.fixture
def dbmigrate(run, database_url):
    def run_it(*arguments, env=None):
        return run(*arguments, env={"DATABASE_URL": database_url, **(env or {})})

    return run_it


def versions(query, url):
    return [row[0] for row in query(url, "select version from public.schema_migrations order by version")]


# ------------------------------------------------------------------------------------------- another version: renamed


def test_an_applied_file_under_another_version_does_not_run_again(dbmigrate, project, database_url, query):
    project.migration("1_a", up="create table if not exists a (n int); insert into a values (1);")
    dbmigrate("up")
    (project.migrations / "1_a.sql").rename(project.migrations / "2_a.sql")

    done = dbmigrate("up")

    assert done.exit_code == 7
    assert "error[E720]: 2_a.sql is applied already, as version 1 (1_a.sql)" in done.stderr
    assert "dbmigrate repair" in done.stderr
    assert query(database_url, "select n from a") == [(1,)]
    assert versions(query, database_url) == ["1"]

    shown = dbmigrate("status", "--exit-code")
    assert shown.exit_code == 1
    assert "warning[W671]: 2_a.sql is applied already, as version 1 (1_a.sql)" in shown.stderr
    assert "has another version now" in dbmigrate("verify").stdout

    assert dbmigrate("repair", "--yes").exit_code == 0
    assert versions(query, database_url) == ["2"]
    again = dbmigrate("up")
    assert (again.exit_code, dbmigrate("verify").exit_code) == (0, 0), again.stderr
    assert query(database_url, "select n from a") == [(1,)]


def test_a_renamed_file_is_known_by_its_tokens_too(dbmigrate, project):
    path = project.migration("1_a", up=f"begin;\n{USERS}\ncommit;")
    dbmigrate("up")
    path.unlink()
    project.migration("20260101000000_a", up=f"-- reworded\n{USERS.upper()}")

    assert "error[E720]" in dbmigrate("up").stderr


def test_files_that_do_nothing_are_not_taken_for_one_another(dbmigrate, project, database_url, query):
    path = project.migration("1_a", up="-- later", down="")
    dbmigrate("up")
    path.unlink()
    project.migration("2_b", up="-- later", down="")

    done = dbmigrate("up")

    assert done.exit_code == 0, done.stderr
    assert "warning[W670]: the file of an applied migration is missing: 1_a.sql" in done.stderr
    assert versions(query, database_url) == ["1", "2"]


def test_a_migration_that_does_the_same_again_can_be_run_after_all(dbmigrate, project, database_url, query):
    path = project.migration("1_a", up="create table if not exists a ();")
    dbmigrate("up")
    path.rename(project.migrations / "2_a.sql")

    assert dbmigrate("mark", "pending", "1", "--reason", "squashed").exit_code == 0
    assert dbmigrate("up").exit_code == 0
    assert versions(query, database_url) == ["2"]


def test_two_files_of_one_content_are_followed_one_by_one(dbmigrate, project, database_url, query):
    for name in ("1_a", "2_b"):
        project.migration(name, up="create table if not exists a ();")
    dbmigrate("up")
    (project.migrations / "1_a.sql").rename(project.migrations / "3_b.sql")
    (project.migrations / "2_b.sql").rename(project.migrations / "4_a.sql")

    done = dbmigrate("repair", "--yes")

    assert done.exit_code == 0, done.stderr
    assert versions(query, database_url) == ["3", "4"]


def test_another_description_is_no_other_migration(dbmigrate, project):
    path = project.migration("1_a", up=USERS)
    dbmigrate("up")
    path.rename(project.migrations / "1_users.sql")

    assert (dbmigrate("up").exit_code, dbmigrate("verify").exit_code) == (0, 0)


# ------------------------------------------------------------------------------------- another file, of another service


@pytest.fixture
def shared(dbmigrate, project):
    """A database with 001_users.sql, seen from the directory of another service."""
    path = project.migration("001_users", up=USERS, down="drop table users;")
    dbmigrate("up")
    path.unlink()
    project.migration("001_ai", up="create table ai ();", down="drop table ai;")
    return dbmigrate


@pytest.mark.parametrize(
    "command", [("up",), ("migrate",), ("up", "--dry-run"), ("rollback",), ("redo",), ("deploy",), ("repair", "--yes")]
)
def test_a_version_that_was_applied_from_another_file_stops(shared, query, database_url, command):
    done = shared(*command)

    assert done.exit_code == 7
    assert "error[E721]: version 001 was applied from 001_users.sql, not from 001_ai.sql" in done.stderr
    assert "--migrations-table" in done.stderr
    assert versions(query, database_url) == ["001"]
    assert query(database_url, "select to_regclass('users') is null, to_regclass('ai') is null") == [(False, True)]
    assert query(database_url, "select count(*) from schema_migrations_log where file = '001_ai.sql'") == [(0,)]


def test_questions_name_both_files(shared):
    status, verified = shared("status", "--exit-code"), shared("verify")

    assert (status.exit_code, verified.exit_code) == (1, 1)
    assert "warning[W672]: version 001 was applied from 001_users.sql, not from 001_ai.sql" in status.stderr
    assert "001_ai.sql was never applied: its version was applied from another file (001_users.sql)" in verified.stdout


def test_a_table_of_its_own_keeps_services_apart(shared, query, database_url):
    done = shared("up", "--migrations-table", "ai_schema_migrations")

    assert done.exit_code == 0, done.stderr
    assert query(database_url, "select version from ai_schema_migrations") == [("001",)]


# -------------------------------------------------------------------------------------------------------- missing files


def test_a_missing_file_is_a_warning_of_up_and_status(dbmigrate, project, database_url, query):
    gone = project.migration("1_a", up=USERS)
    project.migration("2_b", up="create table b ();")
    dbmigrate("up")
    gone.unlink()

    nothing, status = dbmigrate("up"), dbmigrate("status")
    project.migration("3_c", up="create table c ();")
    something = dbmigrate("up")

    for done in (nothing, status, something):
        assert done.exit_code == 0, done.stderr
        assert done.stderr.count("warning[W670]: the file of an applied migration is missing: 1_a.sql") == 1
    assert dbmigrate("status", "--exit-code").exit_code == 1
    assert dbmigrate("status", "--quiet").exit_code == 1
    assert versions(query, database_url) == ["1", "2", "3"]


def test_many_missing_files_are_counted(dbmigrate, project):
    paths = [project.migration(f"{number}_a", up=f"create table t{number} ();") for number in range(1, 6)]
    dbmigrate("up")
    for path in paths[:4]:
        path.unlink()

    assert (
        "the files of 4 applied migrations are missing: 1_a.sql, 2_a.sql, 3_a.sql and 1 more" in dbmigrate("up").stderr
    )


# ------------------------------------------------------------------------------------------------------- BEGIN, COMMIT


@pytest.mark.parametrize(("begin", "end"), [("BEGIN;", "COMMIT;"), ("start transaction;", "end;"), ("", "commit;")])
def test_taking_out_a_redundant_wrapper_is_no_change_of_the_file(dbmigrate, project, begin, end):
    path = project.migration("1_a", up=f"{begin}\n{USERS}\n{end}", down=f"{begin}\ndrop table users;\n{end}")
    first = dbmigrate("up")
    assert first.stderr.count("W201") == 1
    path.write_text(path.read_text().replace(begin, "").replace(end, ""))
    project.migration("2_b", up="create table b ();")

    done = dbmigrate("up")

    assert done.exit_code == 0, done.stderr
    assert "note[W304]: 1_a.sql was edited" in done.stderr
    assert dbmigrate("verify").exit_code == 0


def test_the_wrapper_of_an_applied_file_is_not_spoken_of(dbmigrate, project):
    project.migration("1_a", up=f"begin;\n{USERS}\ncommit;", down="begin;\ndrop table users;\ncommit;")
    dbmigrate("up")

    for command in ("up", "redo", "rollback"):
        done = dbmigrate(command)
        assert (done.exit_code, "W201" in done.stderr) == (0, False), done.stderr


def test_blocks_of_a_section_without_a_transaction_count(dbmigrate, project):
    path = project.migration("1_a", up=f"begin;\n{USERS}\ncommit;", up_options="transaction:false")
    dbmigrate("up")
    path.write_text(path.read_text().replace("begin;", "").replace("commit;", ""))

    assert "error[E701]" in dbmigrate("up").stderr
