"""SIGINT, SIGTERM, SIGHUP: the server stops working, what is half done is told, and the exit code says it."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.support import faults
from tests.support.environment import PACKAGE_PARENT
from tests.support.faults import FALSE, INVALID
from tests.support.proxy import TO_CLIENT, TO_SERVER, Action, Fault, Proxy

UP = ("up", "--no-dump-schema")
SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)]
each_signal = pytest.mark.parametrize(("number", "code"), SIGNALS, ids=["SIGINT", "SIGTERM", "SIGHUP"])
FAILED = "select version, step, error from schema_migrations_log where state = 'failed' order by event_id"


def ended(process) -> str:
    _, errors = process.communicate(timeout=30)
    assert "Traceback" not in errors
    return errors


@each_signal
def test_a_signal_in_a_transaction_cancels_rolls_back_and_is_logged(start, project, database_url, query, number, code):
    project.migration("1_a", up="create table a ();")
    project.migration("2_b", up="create table b ();\nselect pg_sleep(60);")
    process = start(*UP, env={"DATABASE_URL": database_url})
    pid = faults.backend(database_url, doing="%pg_sleep%")

    process.send_signal(number)

    assert faults.is_gone(database_url, pid, seconds=10)
    errors = ended(process)
    assert process.returncode == code, errors
    assert "rolled back; nothing of 2_b.sql was applied" in errors
    assert faults.versions(database_url) == ["1"]
    assert query(database_url, "select to_regclass('b')") == [(None,)]
    assert query(database_url, FAILED) == [("2", None, "2_b.sql was interrupted")]


@each_signal
def test_a_signal_in_a_migration_without_a_transaction_leaves_it_to_be_resumed(
    start, run, project, database_url, query, number, code
):
    project.migration("1_a", up="create table a (n int);\ninsert into a select 1 from pg_sleep(4);", up_options=FALSE)
    process = start(*UP, env={"DATABASE_URL": database_url})
    pid = faults.backend(database_url, doing="%pg_sleep%")

    process.send_signal(number)

    assert faults.is_gone(database_url, pid, seconds=10)
    errors = ended(process)
    assert process.returncode == code, errors
    assert "1_a.sql is unfinished: statement 1 is done, statement 2 was rolled back" in errors
    assert "dbmigrate resume" in errors
    assert run("up", env={"DATABASE_URL": database_url}).exit_code == 5
    assert run("resume", "--no-dump-schema", env={"DATABASE_URL": database_url}).exit_code == 0
    assert query(database_url, "select n from a") == [(1,)]


def test_a_signal_in_an_index_build_leaves_it_to_be_resumed(start, run, project, database_url, query):
    project.migration("1_a", up="create table a (n int);")
    project.migration("2_b", up="create index concurrently a_n on a (n);", up_options=FALSE)
    run("up", "--to", "1", "--no-dump-schema", env={"DATABASE_URL": database_url})
    with faults.transaction(database_url, "insert into a values (2)"):
        process = start(*UP, env={"DATABASE_URL": database_url})
        pid = faults.backend(database_url, doing="create index concurrently%")
        assert faults.waits_for_lock(database_url, pid)
        process.send_signal(signal.SIGTERM)
        errors = ended(process)
    assert process.returncode == 143, errors
    assert "statement 1 may have taken effect" in errors
    assert query(database_url, INVALID) == [("a_n",)]
    status = run("status", env={"DATABASE_URL": database_url})
    assert "stopped at statement 1" in status.stdout + status.stderr

    assert run("resume", "--no-dump-schema", env={"DATABASE_URL": database_url}).exit_code == 0

    assert query(database_url, INVALID) == []
    assert faults.versions(database_url) == ["1", "2"]


@each_signal
def test_a_signal_while_waiting_for_another_run_ends_the_wait(start, project, database_url, query, number, code):
    query(database_url, "create table a ()")
    project.migration("1_a", up="lock table a;")
    with faults.transaction(database_url, "lock table a"):
        first = start(*UP, "--lock-timeout", "0", env={"DATABASE_URL": database_url})
        faults.backend(database_url, doing="%lock table a%")
        second = start(*UP, env={"DATABASE_URL": database_url})
        faults.backend(database_url, doing="%pg_try_advisory_lock%", state="idle")

        second.send_signal(number)
        errors = ended(second)

        assert second.returncode == code, errors
    ended(first)
    assert first.returncode == 0
    assert faults.versions(database_url) == ["1"]


def test_a_second_signal_ends_the_process_at_once(server, start, project, database_url):
    project.migration("1_a", up="create table a ();\nselect pg_sleep(60);")
    with Proxy(server) as proxy:
        name = database_url.partition("?")[0].rpartition("/")[2]
        process = start(*UP, env={"DATABASE_URL": proxy.url(name)})
        pid = faults.backend(database_url, doing="%pg_sleep%")
        proxy.arm(Fault(TO_CLIENT, Action.BEFORE, call=lambda: time.sleep(5)))  # the server's answer takes its time
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        process.wait(timeout=3)

    assert process.returncode == -signal.SIGINT
    assert faults.is_gone(database_url, pid, seconds=15)
    assert faults.versions(database_url) == []


@each_signal
def test_a_signal_that_comes_after_the_commit_does_not_hide_it(
    server, start, run, project, database_url, query, number, code
):
    project.migration("1_a", up="create table a (n int);\ninsert into a values (1);")
    project.migration("2_b", up="insert into a values (2);")

    def interrupt() -> None:
        started[0].send_signal(number)
        time.sleep(0.5)

    started = []
    with Proxy(server) as proxy:
        # the answer to COMMIT of the first migration: the one before it is that of the tables' creation
        fault = Fault(TO_CLIENT, Action.BEFORE, text=b"COMMIT\0", kind=b"C", call=interrupt)
        proxy.arm(fault)
        name = database_url.partition("?")[0].rpartition("/")[2]
        started.append(start(*UP, env={"DATABASE_URL": proxy.url(name)}))
        errors = ended(started[0])

    assert fault.happened
    assert started[0].returncode == code, errors
    assert "interrupted after 1_a.sql was applied" in errors
    assert query(database_url, FAILED) == []
    assert faults.versions(database_url) == ["1"]
    assert run(*UP, env={"DATABASE_URL": database_url}).exit_code == 0
    assert query(database_url, "select n from a order by n") == [(1,), (2,)]


def test_a_signal_that_comes_after_a_step_was_committed_does_not_make_it_run_twice(
    server, start, run, project, database_url, query
):
    project.migration("1_a", up="create table a (n int);\ninsert into a values (1);", up_options=FALSE)

    def interrupt() -> None:
        started[0].send_signal(signal.SIGTERM)
        time.sleep(0.5)

    started = []
    with Proxy(server) as proxy:
        fault = Fault(TO_CLIENT, Action.BEFORE, text=b"COMMIT\0", kind=b"C", number=2, call=interrupt)
        proxy.arm(fault)
        name = database_url.partition("?")[0].rpartition("/")[2]
        started.append(start(*UP, env={"DATABASE_URL": proxy.url(name)}))
        errors = ended(started[0])

    assert fault.happened
    assert started[0].returncode == 143, errors
    assert "1_a.sql is unfinished: statements 1 to 2 are done" in errors
    resumed = run("resume", "--no-dump-schema", env={"DATABASE_URL": database_url})
    assert resumed.exit_code == 0, resumed.stderr
    assert query(database_url, "select n from a") == [(1,)]


def test_what_was_applied_before_a_signal_is_in_the_schema_file(start, project, database_url):
    project.migration("1_a", up="create table before_it ();")
    project.migration("2_b", up="select pg_sleep(60);")
    process = start("up", env={"DATABASE_URL": database_url})
    faults.backend(database_url, doing="%pg_sleep%")

    process.send_signal(signal.SIGTERM)
    errors = ended(process)

    assert process.returncode == 143
    assert "before_it" in project.schema_file.read_text(), errors


@each_signal
def test_a_signal_while_the_schema_file_is_written_says_what_is_applied_and_how_to_write_it(
    server, start, run, project, database_url, number, code
):
    project.migration("1_a", up="create table a ();")
    started = []

    def interrupt() -> None:
        started[0].send_signal(number)
        time.sleep(0.5)

    with Proxy(server) as proxy:  # the first thing that pg_dump asks for
        fault = Fault(TO_SERVER, Action.BEFORE, text=b"pg_is_in_recovery", call=interrupt, number=2)
        proxy.arm(fault)
        name = database_url.partition("?")[0].rpartition("/")[2]
        started.append(start("up", env={"DATABASE_URL": proxy.url(name)}))
        errors = ended(started[0])

    assert fault.happened
    assert started[0].returncode == code, errors
    assert "interrupted while the schema file was being written" in errors
    assert "1 applied" in errors
    assert "`dbmigrate dump` writes it" in errors
    assert faults.versions(database_url) == ["1"]
    assert run("dump", env={"DATABASE_URL": database_url}).exit_code == 0
    assert "create table public.a" in project.schema_file.read_text().lower()


def test_a_terminal_that_goes_away_with_its_signal_does_not_keep_the_work_from_being_undone(
    start, project, database_url, query
):
    """A lost ssh connection: SIGHUP, and every write to the terminal fails from then on."""
    project.migration("1_a", up="create table a ();\nselect pg_sleep(60);")
    terminal, end = os.openpty()
    process = start(*UP, env={"DATABASE_URL": database_url}, output=end)
    os.close(end)
    pid = faults.backend(database_url, doing="%pg_sleep%")

    os.close(terminal)
    process.send_signal(signal.SIGHUP)

    assert faults.is_gone(database_url, pid, seconds=10)
    assert process.wait(timeout=20) == 143
    assert query(database_url, FAILED) == [("1", None, "1_a.sql was interrupted")]


# imported by Python at its start; sends the signal when the command's module is about to be imported
EARLY = """
import os, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "dbmigrate.cli.run_plan":
            os.kill(os.getpid(), {number:d})

sys.meta_path.insert(0, Finder())
"""


@each_signal
def test_a_signal_before_anything_is_begun_is_told_for_what_it_is(run, tmp_path, number, code):
    early = tmp_path / "early"
    early.mkdir()
    (early / "sitecustomize.py").write_text(EARLY.format(number=number))
    path = f"{early}{os.pathsep}{PACKAGE_PARENT}"

    done = run("up", env={"DATABASE_URL": "postgres://nobody@127.0.0.1:9/nothing", "PYTHONPATH": path})

    assert done.exit_code == code
    assert f"error[E{code}]: interrupted" in done.stderr
