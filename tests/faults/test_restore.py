"""A restore that is disturbed: the target database is as it was, whatever happens."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.support.children import eventually

# a row takes as long as a test, but only where it is restored
SLOW = """
create function slow() returns boolean language plpgsql as
$$ begin if current_database() ~ '_restore_' then perform pg_sleep(600); end if; return true; end $$;
create table a (id int check (public.slow())); insert into a values (1);
"""


def name_of(url):
    return conninfo_to_dict(url)["dbname"]


@pytest.fixture
def restored(server, database_url):
    """The databases that a restore of the target has made; dropped at the end."""

    def names():
        prefix = f"{name_of(database_url)}_"
        rows = server.admin.execute(
            "select datname::text from pg_database where starts_with(datname::text, %s)", [prefix]
        )
        return [row[0] for row in rows.fetchall()]

    yield names
    for name in names():
        server.admin.execute(psycopg.sql.SQL("drop database {} with (force)").format(psycopg.sql.Identifier(name)))


@pytest.fixture
def environ(database_url):
    return {"DATABASE_URL": database_url, "DBMIGRATE_NO_DUMP_SCHEMA": "true"}


@pytest.fixture
def backup_of(run, project, environ):
    """Applies a migration and takes a backup; its path."""

    def backup_of(up):
        project.migration("1_a", up=up, down="drop table a;")
        assert run("up", env=environ).exit_code == 0
        done = run("backup", env=environ)
        assert done.exit_code == 0, done.stderr
        return done.stdout.strip()

    return backup_of


@pytest.fixture
def restoring(start, backup_of, environ, server, restored):
    """A restore that is in the middle of a table's rows."""
    process = start("restore", backup_of(SLOW), env=environ)

    def is_in_the_rows():
        rows = server.admin.execute(
            "select 1 from pg_stat_activity where datname = any(%s) and query ~ '^COPY' and wait_event = 'PgSleep'",
            [restored()],
        )
        return bool(rows.fetchall())

    eventually(is_in_the_rows)
    return process


def test_killed_in_the_middle_the_target_is_as_it_was_and_the_next_restore_names_what_is_left(
    restoring, restored, server, run, environ, query, database_url
):
    restoring.send_signal(signal.SIGKILL)
    restoring.wait(timeout=30)
    (left,) = restored()
    server.admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [left])

    status = run("status", env=environ)
    query(database_url, "create or replace function slow() returns boolean language sql as 'select true'")
    taken = run("backup", env=environ).stdout.strip()
    again = run("restore", taken, env=environ)

    assert (status.exit_code, "[X] 1_a.sql" in status.stdout) == (0, True)
    assert query(database_url, "select id from a") == [(1,)]
    assert again.exit_code == 0, again.stderr
    assert f"warning[W703]: the restore into {left} is not complete" in again.stderr
    assert len(restored()) == 2


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["SIGTERM", "SIGINT"])
def test_a_signal_ends_the_restore_and_drops_what_was_restored(restoring, restored, number, code, query, database_url):
    restoring.send_signal(number)
    _, complaints = restoring.communicate(timeout=60)

    assert restoring.returncode == code, complaints
    assert re.search(r"state: \S+ was not touched; what was restored so far \(\S+_restore_\d+\) is dropped", complaints)
    assert restored() == []
    assert query(database_url, "select id from a") == [(1,)]


def test_a_cut_connection_of_the_restore_drops_what_was_restored(restoring, restored, server, query, database_url):
    server.admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = any(%s)", [restored()])
    _, complaints = restoring.communicate(timeout=60)

    assert (restoring.returncode, "E431" in complaints) == (4, True), complaints
    assert restored() == []
    assert query(database_url, "select id from a") == [(1,)]


def test_a_truncated_backup_is_noticed_and_leaves_nothing(
    backup_of, run, environ, restored, project, query, database_url
):
    up = "create table a as select n as id, md5(n::text) as h from generate_series(1, 5000) n;"
    whole = (project.root / backup_of(up)).read_bytes()
    Path(project.root, "half.dump").write_bytes(whole[: len(whole) // 2])

    done = run("restore", "half.dump", "--replace", env=environ)

    assert (done.exit_code, "E431" in done.stderr) == (4, True), done.stderr
    assert "half.dump cannot be restored: could not read from input file" in done.stderr
    assert restored() == []
    assert query(database_url, "select count(*) from a") == [(5000,)]


def test_the_backup_of_another_project_stays_beside_the_target(
    backup_of, run, environ, restored, project, database_url, query
):
    taken = backup_of("create table a (id int);")
    for path in project.migrations.iterdir():
        path.unlink()
    project.migration("7_other", up="select 1;", down="select 1;")

    done = run("restore", taken, "--replace", env=environ)

    assert (done.exit_code, "E728" in done.stderr) == (7, True), done.stderr
    (kept,) = restored()
    assert f"the history of {kept} disagrees with the files: 1_a.sql (missing)" in done.stderr
    assert query(database_url, "select count(*) from a") == [(0,)]


def test_sessions_of_the_target_are_named_before_anything_is_restored(
    backup_of, run, environ, restored, database_url, query
):
    taken = backup_of("create table a (id int);")
    with psycopg.connect(make_conninfo(database_url, application_name="the shop")) as conn:
        pid = conn.info.backend_pid
        done = run("restore", taken, "--replace", env=environ)

    assert (done.exit_code, "E729" in done.stderr) == (7, True), done.stderr
    assert re.search(rf"session: pid {pid}: \S+ from \S+, the shop, idle, since ", done.stderr)
    assert "select pg_terminate_backend(pid) from pg_stat_activity where datname" in done.stderr
    assert restored() == []


def test_a_session_that_comes_during_the_restore_keeps_the_target_in_its_place(
    backup_of, start, environ, server, restored, database_url, query, project
):
    process = start("restore", backup_of(SLOW.replace("pg_sleep(600)", "pg_sleep(2)")), "--replace", env=environ)
    eventually(lambda: bool(restored()))
    with psycopg.connect(database_url) as conn:
        pid = conn.info.backend_pid
        _, complaints = process.communicate(timeout=60)

    assert (process.returncode, "E729" in complaints) == (7, True), complaints
    (kept,) = restored()
    assert f"pid {pid}: " in complaints
    assert f"was not touched; {kept} is complete" in complaints
    assert query(database_url, "select id from a") == [(1,)]
