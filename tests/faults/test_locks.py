"""The migration lock: who waits for whom, what the waiting one says, and what it must not stand in the way of."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.support import faults
from tests.support.children import eventually
from tests.support.databases import query
from tests.support.faults import FALSE, INVALID

UP = ("up", "--no-dump-schema")
HELD = "select count(*) from pg_locks where locktype = 'advisory' and granted"


@dataclass(frozen=True)
class Holder:
    """A run that holds the lock until `let_go` is called, and the variables of the environment to meet it with."""

    process: subprocess.Popen[str]
    env: dict[str, str]
    let_go: Callable[[], None]


@pytest.fixture
def holder(start, project, database_url, query):
    """How long it works is up to the test, not to the clock: its migration waits for a table that the test holds."""
    query(database_url, "create table gate ()")
    project.migration("1_slow", up="create table a ();\nlock table gate;", up_options="lock_timeout:0")
    env = {"DATABASE_URL": database_url}
    with faults.transaction(database_url, "lock table gate") as gate:
        process = start(*UP, env=env)
        assert faults.waits_for_lock(database_url, faults.backend(database_url, doing="%lock table gate%"))
        yield Holder(process, env, gate.rollback)


def lines_of(process: subprocess.Popen[str]) -> list[str]:
    """The lines of its stderr, as they come."""
    told: list[str] = []
    threading.Thread(target=lambda: told.extend(process.stderr or ()), daemon=True).start()
    return told


def test_a_run_that_waits_names_who_it_waits_for(holder, start):
    second = start(*UP, env=holder.env)
    told = lines_of(second)
    assert eventually(lambda: any(line.startswith("Waiting for the migration lock") for line in told), seconds=30), told

    holder.let_go()

    assert holder.process.wait(timeout=30) == 0
    assert second.wait(timeout=30) == 0, told
    line = next(line for line in told if line.startswith("Waiting for the migration lock, held by process "))
    assert "dbmigrate up " in line
    assert "connected 20" in line


@pytest.mark.parametrize("wait", ["0", "1s"])
def test_a_run_that_may_not_wait_ends_with_6_and_names_who_is_at_work(holder, run, wait, database_url):
    done = run(*UP, "--lock-wait", wait, env=holder.env)
    holder.let_go()

    assert done.exit_code == 6, done.stderr
    assert "error[E601]: another run holds the migration lock: process " in done.stderr
    assert "select pg_terminate_backend(" in done.stderr
    assert f"waited {float(wait.rstrip('s')):g} s (--lock-wait)" in done.stderr
    assert holder.process.wait(timeout=30) == 0
    assert faults.versions(database_url) == ["1"]


def test_the_lock_ends_with_the_run(holder, query):
    url = holder.env["DATABASE_URL"]
    assert query(url, HELD) != [(0,)]

    holder.let_go()
    holder.process.wait(timeout=30)

    assert eventually(lambda: query(url, HELD) == [(0,)], seconds=10)


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
    url = holder.env["DATABASE_URL"]
    second = start(*UP, env=holder.env)
    pid = faults.backend(url, doing="%pg_try_advisory_lock%", state="idle")

    looks = [
        query(url, "select backend_xmin, xact_start from pg_stat_activity where pid = %s", (pid,)) for _ in range(20)
    ]

    assert [(None, None)] in looks
    second.send_signal(signal.SIGTERM)
    holder.let_go()
    holder.process.wait(timeout=30)


def test_runs_on_other_tracking_tables_do_not_wait_for_each_other(holder, start, database_url):
    second = start(*UP, "--migrations-table", "other_migrations", "--lock-wait", "0", "--to", "1", env=holder.env)
    told = lines_of(second)
    waiting = "select count(*) from pg_stat_activity where query like '%lock table gate%' and wait_event_type = 'Lock'"
    assert eventually(lambda: query(database_url, waiting) == [(2,)], seconds=30), told

    holder.let_go()

    assert holder.process.wait(timeout=30) == 0
    assert second.wait(timeout=30) == 4, told  # on the table that both make, not on the lock
    assert eventually(lambda: any("error[E401]" in line for line in told)), told


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
