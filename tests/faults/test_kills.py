"""SIGKILL, at every message of a run and at random instants: what comes next ends where an undisturbed run ends."""

from __future__ import annotations

import random
import signal
import time

import pytest

from tests.support import faults
from tests.support.children import eventually
from tests.support.faults import FALSE, INVALID, LONG, few
from tests.support.proxy import TO_SERVER, Action, Fault, Proxy

INSTANTS = 100 if LONG else 6
UP = ("up", "--no-dump-schema")


@pytest.fixture
def expected(project, twin_database_url):
    few(project)
    return faults.undisturbed(twin_database_url, project)


def kill(process) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=10)


def name_of(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


@pytest.fixture
def killed_at(server, start, make_database):
    """`killed_at(n, action) -> (url, whether message n came)`: a run that is killed at its n-th message."""

    def killed_at(number: int, action: Action) -> tuple[str, bool]:
        url = make_database()
        started = []
        with Proxy(server) as proxy:
            fault = proxy.arm(Fault(TO_SERVER, action, kind=b"Q", number=number, call=lambda: kill(started[0])))
            started.append(start(*UP, env={"DATABASE_URL": proxy.url(name_of(url))}))
            started[0].wait(timeout=60)
        return url, fault.happened

    return killed_at


@pytest.mark.matrix
@pytest.mark.slow
@pytest.mark.parametrize("action", [Action.BEFORE, Action.AFTER] if LONG else [Action.AFTER], ids=lambda it: it.name)
def test_killed_at_every_step_boundary_the_next_run_ends_as_if_nothing_had_happened(
    killed_at, project, expected, query, action
):
    ways = []
    for number in range(1, 200):
        url, came = killed_at(number, action)
        ways.append(faults.finish(url, project))
        assert faults.essence(url) == expected, f"killed at message {number}"
        assert query(url, INVALID) == []
        if not came:
            break

    assert not came
    assert len(ways) > 15
    assert ["up", "resume", "up"] in ways


def test_killed_at_a_random_instant_the_next_run_ends_as_if_nothing_had_happened(
    start, make_database, project, expected
):
    for _ in range(INSTANTS):
        url = make_database()
        process = start(*UP, env={"DATABASE_URL": url})
        time.sleep(random.uniform(0.15, 1.0))
        kill(process)

        faults.finish(url, project)

        assert faults.essence(url) == expected


def test_killed_while_an_index_is_built_the_next_run_builds_it_again(server, start, project, database_url, query):
    project.migration("1_a", up="create table a (n int);\ninsert into a values (1);")
    project.migration("2_b", up="create index concurrently a_n on a (n);", up_options=FALSE)
    start("up", "--to", "1", "--no-dump-schema", env={"DATABASE_URL": database_url}).wait(timeout=30)
    with faults.transaction(database_url, "insert into a values (2)"):
        process = start(*UP, env={"DATABASE_URL": database_url})
        pid = faults.backend(database_url, doing="create index concurrently%")
        assert faults.waits_for_lock(database_url, pid)
        kill(process)
        if server.major >= 14:
            assert faults.is_gone(database_url, pid, seconds=15)
    assert faults.is_gone(database_url, pid, seconds=15)
    # before 14 the server does not notice that nobody listens any more, and completes it
    assert query(database_url, INVALID) == ([("a_n",)] if server.major >= 14 else [])

    assert faults.finish(database_url, project) == ["up", "resume", "up"]

    assert query(database_url, INVALID) == []
    assert query(database_url, "select indisvalid from pg_index where indexrelid = 'a_n'::regclass") == [(True,)]


def test_killed_after_an_index_was_built_but_before_that_was_written_down_it_is_not_built_again(
    server, start, project, database_url, query
):
    project.migration("1_a", up="create table a (n int);")
    project.migration("2_b", up="create unique index concurrently a_n on a (n);", up_options=FALSE)
    started = []
    with Proxy(server) as proxy:
        fault = Fault(TO_SERVER, Action.BEFORE, text=b"update ", kind=b"Q", call=lambda: kill(started[0]))
        proxy.arm(fault)
        started.append(start(*UP, env={"DATABASE_URL": proxy.url(name_of(database_url))}))
        started[0].wait(timeout=60)
    assert fault.happened
    built = "select 'a_n'::regclass::oid"
    oid = query(database_url, built)

    assert faults.finish(database_url, project) == ["up", "resume", "up"]

    assert query(database_url, built) == oid
    assert faults.versions(database_url) == ["1", "2"]


def test_a_killed_rollback_without_a_transaction_is_resumed_where_it_stopped(
    server, start, run, project, database_url, query
):
    project.migration(
        "1_a",
        up="create table tally (n int);\ninsert into tally values (1);\n"
        "create index concurrently tally_n on tally (n);",
        down="drop index concurrently tally_n;\ninsert into tally values (2);\ninsert into tally values (3);",
        up_options=FALSE,
        down_options=FALSE,
    )
    env = {"DATABASE_URL": database_url}
    assert run(*UP, env=env).exit_code == 0
    started = []
    with Proxy(server) as proxy:  # the first message with the text is the log entry of the migration
        stop = Fault(TO_SERVER, Action.BEFORE, text=b"values (3)", number=2, call=lambda: kill(started[0]))
        proxy.arm(stop)
        started.append(start("rollback", "--no-dump-schema", env={"DATABASE_URL": proxy.url(name_of(database_url))}))
        started[0].wait(timeout=60)

    refused, resumed = run("rollback", env=env), run("resume", "--no-dump-schema", env=env)

    assert (refused.exit_code, "E502" in refused.stderr) == (5, True)
    assert "1_a.sql (down, without a transaction)" in refused.stderr
    assert resumed.exit_code == 0, resumed.stderr
    assert query(database_url, "select n from tally order by n") == [(1,), (2,), (3,)]
    assert faults.versions(database_url) == []


def test_a_rollback_killed_before_its_first_statement_has_not_begun(server, start, run, project, database_url, query):
    project.migration(
        "1_a",
        up="create table tally (n int);\ninsert into tally values (1);",
        down="insert into tally values (2);\ninsert into tally values (3);",
        up_options=FALSE,
        down_options=FALSE,
    )
    env = {"DATABASE_URL": database_url}
    assert run(*UP, env=env).exit_code == 0
    started = []
    with Proxy(server) as proxy:  # the first message with the text is the log entry of the migration
        stop = Fault(TO_SERVER, Action.BEFORE, text=b"values (2)", number=2, call=lambda: kill(started[0]))
        proxy.arm(stop)
        started.append(start("rollback", "--no-dump-schema", env={"DATABASE_URL": proxy.url(name_of(database_url))}))
        started[0].wait(timeout=60)

    again = run("rollback", "--no-dump-schema", env=env)

    assert again.exit_code == 0, again.stderr
    assert query(database_url, "select n from tally order by n") == [(1,), (2,), (3,)]


def test_the_locks_of_a_killed_run_are_free_within_seconds(start, project, database_url, server):
    if server.major < 14:
        pytest.skip("the server looks for a vanished client since PostgreSQL 14")
    project.migration("1_a", up="create table a ();\nselect pg_sleep(60);")
    process = start(*UP, env={"DATABASE_URL": database_url})
    pid = faults.backend(database_url, doing="%pg_sleep%")

    kill(process)

    assert faults.is_gone(database_url, pid, seconds=15)
    assert faults.versions(database_url) == []


def test_a_run_that_is_stopped_in_its_transaction_lets_go_of_its_locks(start, project, database_url, query):
    project.migration("1_a", up="create table a ();")
    # a savepoint is no statement of a file that is sent in one message, which would end without the run
    project.migration("2_b", up="savepoint s;\nalter table a add column n int;\nselect pg_sleep(2);")
    url = f"{database_url}&idle_in_transaction_session_timeout=1s"  # a minute where the URL does not say it
    process = start(*UP, env={"DATABASE_URL": url})
    pid = faults.backend(database_url, doing="%pg_sleep%")

    process.send_signal(signal.SIGSTOP)
    gone = faults.is_gone(database_url, pid, seconds=20)
    process.send_signal(signal.SIGCONT)
    _, errors = process.communicate(timeout=30)

    assert gone
    assert process.returncode in (3, 4), errors
    assert "rolled back; nothing of 2_b.sql was applied" in errors
    assert query(database_url, "select count(*) from pg_attribute where attrelid = 'a'::regclass and attnum > 0") == [
        (0,)
    ]
    assert faults.versions(database_url) == ["1"]


@pytest.mark.parametrize(
    ("number", "exit_code"), [(signal.SIGCONT, 0), (signal.SIGKILL, -signal.SIGKILL)], ids=["goes on", "killed"]
)
def test_a_small_migration_ends_without_a_run_that_is_stopped(start, project, database_url, query, number, exit_code):
    """It is one message: the server needs nobody to commit it, and holds its locks no longer than that takes."""
    project.migration("1_a", up="create table a ();")
    project.migration("2_b", up="alter table a add column n int;\nselect pg_sleep(1);")
    process = start(*UP, env={"DATABASE_URL": database_url})
    faults.backend(database_url, doing="%pg_sleep%")

    process.send_signal(signal.SIGSTOP)
    committed = eventually(lambda: faults.versions(database_url) == ["1", "2"])
    holders = query(database_url, "select count(*) from pg_locks where relation = 'a'::regclass and granted")
    process.send_signal(number)
    process.communicate(timeout=30)

    assert committed
    assert holders == [(0,)]
    assert process.returncode == exit_code
    assert query(database_url, "select version, state from schema_migrations_log order by event_id") == [
        ("1", "done"),
        ("2", "done"),
    ]
    assert faults.finish(database_url, project) == ["up"]


def test_a_transaction_of_ours_that_hangs_is_ended_by_the_server_after_a_minute(database_url, project, query):
    project.migration("1_a", up="create table seen as select current_setting('idle_in_transaction_session_timeout');")

    faults.finish(database_url, project)

    assert query(database_url, "select * from seen") == [("1min",)]
