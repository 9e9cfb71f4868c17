"""`verify`, `history`, `repair`, `baseline`, `mark`: what the history says, and how it is corrected."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

USERS = "create table users (id bigint primary key);"


@pytest.fixture
def dbmigrate(run, database_url):
    def run_it(*arguments, env=None):
        return run(*arguments, env={"DATABASE_URL": database_url, **(env or {})})

    return run_it


def versions(query, url):
    return [row[0] for row in query(url, "select version from public.schema_migrations order by version")]


def edit(path, old, new):
    path.write_text(path.read_text().replace(old, new))


def test_up_stops_on_an_edited_file_and_runs_nothing(dbmigrate, project, database_url, query):
    path = project.migration("1_a", up=USERS)
    dbmigrate("up")
    edit(path, "bigint", "int")
    project.migration("2_b", up="create table b ();")

    done = dbmigrate("up")

    assert done.exit_code == 7
    assert "1_a.sql was changed after it was applied" in done.stderr
    assert "state: nothing was run" in done.stderr
    assert versions(query, database_url) == ["1"]


def test_a_cosmetic_edit_is_a_note(dbmigrate, project, database_url, query):
    path = project.migration("1_a", up=USERS)
    dbmigrate("up")
    path.write_bytes(
        path.read_text().replace("create table", "CREATE  TABLE /* again */").encode().replace(b"\n", b"\r\n")
    )
    project.migration("2_b", up="create table b ();")

    done = dbmigrate("up")

    assert done.exit_code == 0, done.stderr
    assert "note[W304]: 1_a.sql was edited after it was applied, but only in its layout" in done.stderr
    assert versions(query, database_url) == ["1", "2"]


def test_verify_agrees_with_what_was_just_applied(dbmigrate, project):
    project.migration("1_a", up=USERS)
    dbmigrate("up")

    done = dbmigrate("verify")

    assert (done.exit_code, done.stdout) == (0, "")


def test_verify_names_what_differs_with_both_sums_and_the_commit(dbmigrate, project):
    def git(*arguments):
        subprocess.run(
            ["git", "-c", "user.name=Ann", "-c", "user.email=ann@example.com", *arguments],
            cwd=project.root,
            check=True,
            capture_output=True,
        )

    path = project.migration("1_a", up=USERS)
    project.migration("2_b", up="create table b ();")
    gone = project.migration("3_c", up="create table c ();")
    git("init")
    git("add", ".")
    git("commit", "-m", "all of it")
    dbmigrate("up", "--no-dump-schema")
    edit(path, "bigint", "int")
    git("commit", "-am", "narrow the key")
    gone.unlink()

    done = dbmigrate("verify")

    assert done.exit_code == 1
    assert "1_a.sql was changed after it was applied" in done.stdout
    assert done.stdout.count("sha256 ") >= 3
    assert "Ann" in done.stdout
    assert "narrow the key" in done.stdout
    assert "git checkout " in done.stdout
    assert "3_c.sql is applied, but its file is gone" in done.stdout
    assert "2_b" not in done.stdout
    assert dbmigrate("verify", "--warn-only").exit_code == 0
    assert dbmigrate("validate").exit_code == 1


def test_verify_in_json(dbmigrate, project):
    path = project.migration("1_a", up=USERS)
    dbmigrate("up")
    edit(path, "bigint", "int")

    answer = json.loads(dbmigrate("verify", "--json").stdout)

    assert [(item["deviation"], item["version"]) for item in answer["findings"]] == [("changed", "1")]


def test_a_new_version_for_the_same_content_is_a_rename(dbmigrate, project, database_url, query):
    path = project.migration("1_a", up=USERS)
    dbmigrate("up")
    path.rename(path.with_name("20260101000000_a.sql"))

    found = dbmigrate("verify")
    assert found.exit_code == 1
    assert "its file has another version now" in found.stdout

    assert dbmigrate("repair", "--yes").exit_code == 0
    assert versions(query, database_url) == ["20260101000000"]
    assert dbmigrate("verify").exit_code == 0


def test_repair_shows_what_it_will_change_and_does_nothing_without_a_yes(dbmigrate, project):
    path = project.migration("1_a", up=USERS)
    dbmigrate("up")
    edit(path, "bigint", "int")

    done = dbmigrate("repair")

    assert done.exit_code == 7
    assert "accept 1_a.sql as it is now" in done.stderr
    assert re.search(r"error\[E706\]: change the records of \S+@\S+ needs a confirmation", done.stderr)
    assert "--yes" in done.stderr
    assert dbmigrate("verify").exit_code == 1


def test_repair_accepts_an_edited_file(dbmigrate, project):
    path = project.migration("1_a", up=USERS)
    dbmigrate("up")
    edit(path, "bigint", "int")

    assert dbmigrate("repair", "--yes", "--reason", "typo").exit_code == 0

    assert dbmigrate("verify").exit_code == 0
    assert dbmigrate("up").exit_code == 0
    assert "reason: typo" in dbmigrate("history", "-n", "1").stdout


def test_repair_forgets_missing_files_only_when_told_to(dbmigrate, project, database_url, query):
    path = project.migration("1_a", up=USERS)
    dbmigrate("up")
    path.unlink()

    assert dbmigrate("repair", "--yes").exit_code == 0
    assert versions(query, database_url) == ["1"]
    assert dbmigrate("repair", "--yes", "--forget-missing").exit_code == 0
    assert versions(query, database_url) == []


def test_baseline_records_without_running(dbmigrate, project, database_url, query):
    for number in (1, 2, 3):
        project.migration(f"{number}_x", up=f"create table t{number} ();")

    assert dbmigrate("baseline", "2").exit_code == 0

    assert versions(query, database_url) == ["1", "2"]
    assert query(database_url, "select count(*) from pg_tables where tablename like 't_'") == [(0,)]
    assert dbmigrate("up").exit_code == 0
    assert versions(query, database_url) == ["1", "2", "3"]
    again = dbmigrate("baseline", "2")
    assert again.exit_code == 2
    assert "E240" in again.stderr


def test_baseline_of_an_unknown_version_records_nothing(dbmigrate, project, database_url, query):
    project.migration("1_x", up="select 1;")

    assert dbmigrate("baseline", "9").exit_code == 2

    assert query(database_url, "select to_regclass('schema_migrations')") == [(None,)]


def test_mark_changes_the_record_alone_and_wants_a_reason(dbmigrate, project, database_url, query):
    project.migration("1_x", up="create table t ();")

    assert dbmigrate("mark", "applied", "1").exit_code == 2
    assert dbmigrate("mark", "applied", "1", "--reason", "made by hand").exit_code == 0
    assert versions(query, database_url) == ["1"]
    assert dbmigrate("mark", "applied", "1", "--reason", "again").exit_code == 2
    assert dbmigrate("mark", "pending", "1", "--reason", "was wrong").exit_code == 0

    assert versions(query, database_url) == []
    events = json.loads(dbmigrate("history", "--json").stdout)["entries"]
    assert [(event["kind"], event["reason"]) for event in events] == [("mark", "was wrong"), ("mark", "made by hand")]


def test_history_shows_failures_and_who_and_when(dbmigrate, project):
    project.migration("1_a", up=USERS)
    project.migration("2_b", up="select 1/0;")
    dbmigrate("up")

    shown = dbmigrate("history")
    assert shown.exit_code == 0
    first, error, second = shown.stdout.splitlines()
    assert "up       failed  2_b.sql" in first
    assert "division by zero" in error
    assert "up       done    1_a.sql" in second
    assert "1_a" not in dbmigrate("history", "--failed").stdout
    assert "The log" not in shown.stderr


def test_history_works_where_only_dbmate_has_been(dbmigrate, project, database_url, query):
    query(database_url, "create table schema_migrations (version varchar primary key)")
    query(database_url, "insert into schema_migrations values ('1')")

    done, failed = dbmigrate("history"), dbmigrate("history", "--failed")

    assert (done.exit_code, done.stdout, failed.exit_code, failed.stdout) == (0, "", 0, "")
    hint = "hint: `dbmigrate status` shows what is applied, and what is pending"
    assert done.stderr.splitlines() == ["The log is empty", hint]
    assert failed.stderr == "The log has no failure\n"
    assert json.loads(dbmigrate("history", "--json").stdout)["entries"] == []
    assert query(database_url, "select to_regclass('schema_migrations_log')") == [(None,)]


def test_rollback_of_a_version_whose_file_is_gone_uses_the_log(dbmigrate, project, database_url, query):
    path = project.migration("1_a", up=USERS, down="drop table users;")
    dbmigrate("up")
    path.unlink()

    done = dbmigrate("rollback")

    assert done.exit_code == 0, done.stderr
    assert "kept in the log" in done.stderr
    assert query(database_url, "select to_regclass('users')") == [(None,)]
    assert versions(query, database_url) == []


def test_rollback_without_file_and_log_says_what_to_do(dbmigrate, project, database_url, query):
    query(database_url, "create table schema_migrations (version varchar primary key)")
    query(database_url, "insert into schema_migrations values ('1')")

    done = dbmigrate("rollback")

    assert done.exit_code == 2
    assert "E234" in done.stderr


def test_a_strict_run_refuses_a_late_version(dbmigrate, project, database_url, query):
    project.migration("2_b", up="select 1;")
    dbmigrate("up")
    project.migration("1_a", up="select 1;")

    refused = dbmigrate("up", "--strict")
    assert refused.exit_code == 7
    assert "out of order" in refused.stderr
    assert versions(query, database_url) == ["2"]

    applied = dbmigrate("up")
    assert applied.exit_code == 0
    assert "note[W301]: 1_a.sql is applied out of order" in applied.stderr


def test_a_protected_environment_is_strict_unless_told_otherwise(run, project, database_url, query):
    env = {"PRODUCTION_DATABASE_URL": database_url}
    project.migration("2_b", up="select 1;")
    run("up", "-e", "production", "--yes", env=env)
    project.migration("1_a", up="select 1;")

    assert "error[E702]" in run("up", "-e", "production", "--yes", env=env).stderr
    assert run("up", "-e", "production", env={**env, "DBMIGRATE_PROTECTED": "live"}).exit_code == 0

    project.migration("0_z", up="select 1;")
    assert run("up", "-e", "production", "--no-strict", "--yes", env=env).exit_code == 0
    assert versions(query, database_url) == ["0", "1", "2"]
