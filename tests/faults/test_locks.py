"""The migration lock: who waits for whom, what the waiting one says, and what it must not stand in the way of."""

from __future__ import annotations

import signal
import time

import pytest

from tests.support import faults
from tests.support.faults import FALSE, INVALID

UP = ("up", "--no-dump-schema")
HELD = "select count(*) from pg_locks where locktype = 'advisory' and granted"


@pytest.fixture
def holder(start, project, database_url):
    """A run that works for some seconds, and the variables of the environment to meet it with."""
    project.migration("1_slow", up="create table a ();\nselect pg_sleep(3);")
    env = {"DATABASE_URL": database_url}
    process = start(*UP, env=env)
    faults.backend(database_url, doing="%pg_sleep%")
    return process, env


def test_a_run_that_waits_names_who_it_waits_for(holder, run):
    process, env = holder

    done = run(*UP, env=env)

    assert done.exit_code == 0, done.stderr
    assert "Waiting for the migration lock, held by process " in done.stderr
    assert "dbmigrate up " in done.stderr
    assert "connected 20" in done.stderr
    assert process.wait(timeout=10) == 0


@pytest.mark.parametrize("wait", ["0", "1s"])
def test_a_run_that_may_not_wait_ends_with_6_and_names_who_is_at_work(holder, run, wait, database_url):
    process, env = holder
    started = time.monotonic()

    done = run(*UP, "--lock-wait", wait, env=env)

    assert done.exit_code == 6
    assert time.monotonic() - started < 4
    assert "error[E601]: another run holds the migration lock: process " in done.stderr
    assert "select pg_terminate_backend(" in done.stderr
    assert process.wait(timeout=10) == 0
    assert faults.versions(database_url) == ["1"]


def test_the_lock_ends_with_the_run(holder, query):
    process, env = holder
    assert query(env["DATABASE_URL"], HELD) != [(0,)]

    process.wait(timeout=10)

    assert query(env["DATABASE_URL"], HELD) == [(0,)]


def test_an_index_is_built_while_another_run_waits(start, run, project, database_url, query):
    project.migration("1_a", up="create table a (n int);")
    project.migration("2_b", up="create index concurrently a_n on a (n);", up_options=FALSE)
    env = {"DATABASE_URL": database_url}
    run("up", "--to", "1", "--no-dump-schema", env=env)
    with faults.transaction(database_url, "insert into a values (1)"):
        first = start(*UP, env=env)
        pid = faults.backend(database_url, doing="create index concurrently%")
        assert faults.waits_for_lock(database_url, pid)
        second = start(*UP, env=env)
        faults.backend(database_url, doing="%pg_try_advisory_lock%", state="idle")

    ends = [process.wait(timeout=30) for process in (first, second)]

    assert ends == [0, 0], second.stderr.read()
    assert query(database_url, INVALID) == []


def test_a_run_that_waits_has_nothing_open_on_the_server(holder, start, query):
    process, env = holder
    second = start(*UP, env=env)
    pid = faults.backend(env["DATABASE_URL"], doing="%pg_try_advisory_lock%", state="idle")

    looks = [
        query(env["DATABASE_URL"], "select backend_xmin, xact_start from pg_stat_activity where pid = %s", (pid,))
        for _ in range(20)
    ]

    assert [(None, None)] in looks
    second.send_signal(signal.SIGTERM)
    process.wait(timeout=10)


def test_runs_on_other_tracking_tables_do_not_wait_for_each_other(holder, run):
    process, env = holder

    done = run(*UP, "--migrations-table", "other_migrations", "--lock-wait", "0", "--to", "1", env=env)

    assert process.wait(timeout=10) == 0
    assert done.exit_code == 4, done.stderr  # on the table that the other one has made meanwhile, not on the lock
    assert 'relation "a" already exists' in done.stderr


def test_a_lock_dropped_by_the_file_is_taken_again(run, project, database_url, query):
    held = (
        "select 1 / count(*) from pg_locks"
        " where locktype = 'advisory' and granted and objsubid = 2 and pid = pg_backend_pid();"
    )
    up = f"create table a (n int);\ndiscard all;\ninsert into a values (1);\n{held}"
    project.migration("1_a", up=up, up_options=FALSE)
    project.migration("2_b", up=f"{held}\ninsert into a values (2);")

    done = run(*UP, env={"DATABASE_URL": database_url})

    assert done.exit_code == 0, done.stderr
    assert query(database_url, "select n from a order by n") == [(1,), (2,)]
