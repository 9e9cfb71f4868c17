"""`restore`: a backup becomes a database of its own, whose history is compared; with `--replace` it becomes the target."""

from __future__ import annotations

import json
import re

import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.support.catalog import fingerprint
from tests.support.moments import closed_window
from tests.support.psql import psql


def name_of(url):
    return conninfo_to_dict(url)["dbname"]


def beside(url, name):
    return make_conninfo(url, dbname=name)


@pytest.fixture
def made(server, database_url):
    """`made(url)`: the databases that restores have made of this target; dropped at the end."""
    begun = [name_of(database_url)]

    def names(url=database_url):
        begun.append(name_of(url))
        rows = server.admin.execute("select datname::text from pg_database order by datname").fetchall()
        found = [re.fullmatch(r"(.+)_(?:restore|before)_\d{14}", row[0]) for row in rows]
        return [each[0] for each in found if each and any(name.startswith(each[1]) for name in begun)]

    yield names
    for name in names():
        server.drop(name)


@pytest.fixture
def command(run, database_url):
    def run_it(*arguments, env=None):
        return run(*arguments, env={"DATABASE_URL": database_url, "DBMIGRATE_NO_DUMP_SCHEMA": "true", **(env or {})})

    return run_it


@pytest.fixture
def backup(command, project, query, database_url, made):
    """Two applied migrations and a row; then a backup, and after it another row."""
    project.migration("1_a", up="create table a (id int primary key, name text);", down="drop table a;")
    project.migration("2_b", up="create view b as select count(*) from a;", down="drop view b;")
    assert command("up").exit_code == 0
    query(database_url, "insert into a values (1, 'before')")
    done = command("backup")
    assert done.exit_code == 0, done.stderr
    query(database_url, "insert into a values (2, 'after')")
    return done.stdout.strip()


def fine(done):
    assert done.exit_code == 0, done.stderr
    return done


def test_a_backup_becomes_a_database_of_its_own_and_the_target_stays(command, backup, database_url, query, made):
    value = json.loads(fine(command("restore", backup, "--json")).stdout)

    assert re.fullmatch(rf"{name_of(database_url)}_restore_\d{{14}}", value["database"])
    assert made() == [value["database"]]
    assert (value["version"], value["applied"], value["pending"], value["replaced"]) == ("2", 2, 0, False)
    restored = beside(database_url, value["database"])
    assert query(restored, "select * from a") == [(1, "before")]
    assert query(database_url, "select id from a order by id") == [(1,), (2,)]
    query(database_url, "delete from a where id = 2")
    assert fingerprint(restored) == fingerprint(database_url)


def test_the_printed_renames_put_it_in_the_place_of_the_target(command, backup, database_url, query, server, made):
    shown = fine(command("restore", backup))

    done = psql(server.url("postgres"), shown.stdout, "-v", "ON_ERROR_STOP=1")

    assert done.exit_code == 0, done.stderr
    assert query(database_url, "select id from a") == [(1,)]
    (kept,) = made()
    assert re.fullmatch(rf"{name_of(database_url)}_before_\d{{14}}", kept)
    assert query(beside(database_url, kept), "select id from a order by id") == [(1,), (2,)]


def test_with_replace_it_is_the_target_and_the_database_before_is_kept(command, backup, database_url, query, made):
    secret = make_conninfo(database_url, password="s3cret-word")
    done = fine(command("restore", backup, "--replace", env={"DATABASE_URL": secret}))

    (kept,) = made()
    assert "s3cret-word" not in done.stdout + done.stderr
    assert f"what it was before is {kept}" in done.stdout
    assert query(database_url, "select id from a") == [(1,)]
    assert query(beside(database_url, kept), "select id from a order by id") == [(1,), (2,)]
    assert fine(command("verify")).exit_code == 0


def test_a_database_that_is_gone_is_restored_under_its_name(command, backup, database_url, query, server):
    server.drop(name_of(database_url))

    done = fine(command("restore", backup, "--replace"))

    assert query(database_url, "select id from a") == [(1,)]
    assert "what it was before" not in done.stdout


def test_settings_comment_and_rights_of_the_database_come_back(command, backup, database_url, query, server, made):
    name = sql.Identifier(name_of(database_url))
    for statement in (
        "alter database {} set search_path = 'a b', public",
        "alter database {} set statement_timeout = '17s'",
        "comment on database {} is 'it''s; DATABASE of two\n lines'",
        "revoke connect on database {} from public",
        "alter role current_user in database {} set work_mem = '7MB'",
    ):
        server.admin.execute(sql.SQL(statement).format(name))
    taken = fine(command("backup")).stdout.strip()

    value = json.loads(fine(command("restore", taken, "--json")).stdout)

    about = """select shobj_description(oid, 'pg_database'), array(select unnest(datacl)::text order by 1), encoding, datcollate, datctype,
                      (select array_agg((setrole, setconfig)::text order by setrole) from pg_db_role_setting
                        where setdatabase = oid)
                 from pg_database where datname = %s"""
    restored, original = (
        server.admin.execute(about, [each]).fetchall()[0] for each in (value["database"], name_of(database_url))
    )
    assert restored == original
    assert "17s" in str(restored)


@pytest.mark.parametrize("name", ["a b=c d'e", 'say "hi"' + "Ünï" * 11])
def test_names_of_databases_are_names_whatever_is_in_them(run, project, make_database, query, made, name):
    url = make_database(name)
    environ = {"DATABASE_URL": url, "DBMIGRATE_NO_DUMP_SCHEMA": "true"}
    project.migration("1_a", up="create table a (id int);", down="drop table a;")
    fine(run("up", env=environ))
    taken = fine(run("backup", env=environ)).stdout.strip()
    query(url, "drop table a")

    fine(run("restore", taken, "--replace", env=environ))

    assert query(url, "select count(*) from a") == [(0,)]
    (kept,) = made(url)
    assert len(kept.encode()) <= 63


def test_bytes_of_a_database_without_an_encoding_come_back(run, project, server, make_database, query, made):
    url = make_database()
    name = name_of(url)
    server.drop(name)
    server.admin.execute(
        sql.SQL("create database {} template template0 encoding 'SQL_ASCII' locale 'C'").format(sql.Identifier(name))
    )
    query(make_conninfo(url, client_encoding="SQL_ASCII"), "create table a (n text); insert into a values (E'caf\\xe9')")
    environ = {"DATABASE_URL": url, "DBMIGRATE_NO_DUMP_SCHEMA": "true"}
    project.migration("1_a", up="select 1;")
    fine(run("up", env=environ))
    taken = fine(run("backup", env=environ)).stdout.strip()

    fine(run("restore", taken, "--replace", env=environ))

    assert query(make_conninfo(url, client_encoding="SQL_ASCII"), "select n::bytea from a") == [(b"caf\xe9",)]


# ------------------------------------------------------------------------------------------------------------- refused


def test_an_edited_file_is_a_mismatch_that_stops_the_replacement(command, backup, project, database_url, query, made):
    project.migration("2_b", up="create view b as select 1 as one;", down="drop view b;")

    done = command("restore", backup, "--replace")

    assert (done.exit_code, "E728" in done.stderr) == (7, True), done.stderr
    (restored,) = made()
    assert f"the history of {restored} disagrees with the files: 2_b.sql (changed)" in done.stderr
    assert f"was not touched; {restored} holds what was restored" in done.stderr
    assert f'ALTER DATABASE "{restored}" RENAME TO' in done.stderr
    assert query(database_url, "select id from a order by id") == [(1,), (2,)]


def test_a_backup_without_a_history_is_a_mismatch(command, project, database_url, query, made):
    query(database_url, "create table a (id int)")
    taken = fine(command("backup")).stdout.strip()
    project.migration("1_a", up="create table if not exists a (id int);", down="select 1;")

    done = command("restore", taken)

    assert (done.exit_code, "records no migration" in done.stderr) == (7, True), done.stderr


def test_later_migrations_are_pending_there(command, backup, project, made):
    project.migration("3_c", up="create table c (id int);", down="drop table c;")
    fine(command("up"))

    value = json.loads(fine(command("restore", backup, "--json")).stdout)

    assert (value["version"], value["applied"], value["pending"]) == ("2", 2, 1)


def test_without_migrations_nothing_can_be_compared_and_that_is_said(run, backup, database_url, tmp_path, made):
    elsewhere = tmp_path / "empty"
    elsewhere.mkdir()

    done = run("restore", tmp_path / backup, env={"DATABASE_URL": database_url}, cwd=elsewhere)

    assert (done.exit_code, "warning[W702]" in done.stderr) == (0, True), done.stderr


def test_a_protected_environment_needs_the_name_of_the_database(run, backup, database_url, query, made):
    environ = {"PRODUCTION_DATABASE_URL": database_url, "DBMIGRATE_NO_DUMP_SCHEMA": "true"}

    def restore(*options):
        return run("-e", "production", "restore", backup, *options, env=environ)

    silent, wrong = restore("--replace"), restore("--replace", "--confirm", "other")
    assert [silent.exit_code, wrong.exit_code] == [7, 7]
    assert "E707" in silent.stderr
    assert "E709" in wrong.stderr
    assert made() == []
    fine(restore())
    fine(restore("--replace", "--confirm", name_of(database_url)))
    assert query(database_url, "select id from a") == [(1,)]


def test_outside_the_window_a_backup_takes_no_place_but_its_own(run, backup, project, database_url, query, made):
    environ = {"PRODUCTION_DATABASE_URL": database_url, "DBMIGRATE_NO_DUMP_SCHEMA": "true"}
    (project.root / "dbmigrate.toml").write_text(f'[environments.production]\nwindow = "{closed_window()}"\n')
    replace = ("--replace", "--confirm", name_of(database_url))

    def restore(*options):
        return run("-e", "production", "restore", backup, *options, env=environ)

    closed = restore(*replace)
    assert (closed.exit_code, "E788" in closed.stderr, made()) == (7, True, [])
    fine(restore())
    allowed = fine(restore(*replace, "--outside-window", "INC-1"))
    assert "W786" in allowed.stderr
    assert query(database_url, "select id from a") == [(1,)]


@pytest.mark.parametrize("text", [b"select 1;\n", b"PGDMP" + bytes(100)])
def test_another_file_is_not_a_backup(command, project, made, text):
    (project.root / "other").write_bytes(text)

    done = command("restore", "other")

    assert (done.exit_code, "E227" in done.stderr) == (2, True), done.stderr
    assert made() == []


def test_a_missing_file_is_an_error(command, project, made):
    done = command("restore", "nowhere")

    assert (done.exit_code, "E207" in done.stderr) == (2, True), done.stderr
    assert made() == []


def test_a_role_that_may_not_create_databases_is_told_so(command, backup, server, database_url, made):
    role = f"{name_of(database_url)}_reader"
    server.admin.execute(sql.SQL("create role {} login password 'x'").format(sql.Identifier(role)))
    try:
        done = command("restore", backup, env={"DATABASE_URL": make_conninfo(database_url, user=role, password="x")})

        assert (done.exit_code, "E418" in done.stderr) == (4, True), done.stderr
        assert "permission denied to create database" in done.stderr
        assert made() == []
    finally:
        server.admin.execute(sql.SQL("drop role {}").format(sql.Identifier(role)))


def test_a_role_that_is_gone_is_named(command, backup, server, query, database_url, made):
    role = f"{name_of(database_url)}_owner"
    server.admin.execute(sql.SQL("create role {}").format(sql.Identifier(role)))
    query(database_url, sql.SQL("alter table a owner to {}").format(sql.Identifier(role)).as_string(None))
    taken = fine(command("backup")).stdout.strip()
    query(database_url, "alter table a owner to current_user")
    server.admin.execute(sql.SQL("drop role {}").format(sql.Identifier(role)))

    done = command("restore", taken)

    assert (done.exit_code, "E431" in done.stderr) == (4, True), done.stderr
    assert f'role "{role}" does not exist' in done.stderr
    assert "make those that the backup names" in done.stderr
    assert made() == []


