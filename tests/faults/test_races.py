"""Many runs at once: one does the work, the others wait for it, and nothing is done twice."""

from __future__ import annotations

import random
import signal
import subprocess
import threading
import time

import psycopg
import pytest

from dbmigrate.execution import run_lock
from tests.support import faults
from tests.support.faults import FALSE, INVALID, LONG, forty

ROUNDS = 20 if LONG else 2
RUNNERS = 8
UP = ("up", "--no-dump-schema")


@pytest.fixture
def expected(project, twin_database_url):
    forty(project)
    # long enough for every runner to have looked at the history before the first one has written to it
    project.migration("100_first", up="select pg_sleep(1.5);\ncreate table first ();")
    return faults.undisturbed(twin_database_url, project)


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, errors = process.communicate(timeout=120)
    return process.returncode, errors


@pytest.mark.parametrize("number", range(ROUNDS))
def test_eight_runners_at_once_all_succeed_and_nothing_is_done_twice(start, database_url, query, expected, number):
    processes = [start(*UP, env={"DATABASE_URL": database_url}) for _ in range(RUNNERS)]

    ends = [ended(process) for process in processes]

    assert [end for end in ends if end[0] != 0] == []
    assert faults.essence(database_url) == expected
    done = "select count(*), count(distinct version), count(distinct run_id) from schema_migrations_log"
    assert query(database_url, f"{done} where step is null and state = 'done'") == [(41, 41, 1)]


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_runner_that_is_killed_does_not_take_the_others_with_it(
    start, project, database_url, query, expected, number
):
    processes = [start(*UP, env={"DATABASE_URL": database_url}) for _ in range(RUNNERS)]
    time.sleep(random.uniform(0.2, 3.0))
    victim = _holder(query, database_url, processes) or random.choice(processes)
    victim.send_signal(signal.SIGKILL)

    ends = [ended(process) for process in processes if process is not victim]

    # the only thing that may stop the others is a migration without a transaction that was left half-way
    codes = {code for code, _ in ends}
    assert codes <= {0} or (codes <= {0, 5} and all("E502" in text for code, text in ends if code == 5)), ends
    assert faults.finish(database_url, project) == (["up"] if codes == {0} else ["up", "resume", "up"])
    assert faults.essence(database_url) == expected


def _holder(query, url: str, processes):
    """The process that does the work at this moment; its id ends its session's name, unless that was cut off."""
    names = query(
        url,
        "select application_name from pg_stat_activity join pg_locks using (pid)"
        " where locktype = 'advisory' and granted",
    )
    return next((each for each in processes for (name,) in names if name.endswith(f":{each.pid}")), None)


def test_runners_of_up_and_rollback_take_turns(start, project, database_url, query):
    for number in (1, 2, 3):
        project.migration(f"{number}_t", up=f"create table t{number} ();", down=f"drop table t{number};")
    commands = [UP, UP, ("rollback", "--all", "--no-dump-schema"), UP, ("rollback", "--no-dump-schema"), UP]

    processes = [start(*words, env={"DATABASE_URL": database_url}) for words in commands]
    ends = [ended(process) for process in processes]

    # a rollback that came first had nothing to do, which is a usage error
    assert all(code == 0 or (code == 2 and "E231" in text) for code, text in ends), ends
    tables = query(database_url, "select substr(tablename, 2) from pg_tables where tablename like 't_' order by 1")
    assert [row[0] for row in tables] == faults.versions(database_url)


def test_two_rollbacks_at_once_undo_two_migrations_not_one_twice(start, run, project, database_url, query):
    project.migration("1_a", up="create table a ();", down="drop table a;")
    project.migration("2_b", up="create table b (n int);", down="drop table b;")
    project.migration("3_c", up="insert into b values (1);", down="update b set n = n + 10;")
    project.migration("4_d", up="insert into b values (5);", down="update b set n = n + 100;")
    assert run(*UP, env={"DATABASE_URL": database_url}).exit_code == 0

    processes = [start("rollback", "--no-dump-schema", env={"DATABASE_URL": database_url}) for _ in range(2)]
    ends = [ended(process) for process in processes]

    assert [code for code, _ in ends] == [0, 0], ends
    assert faults.versions(database_url) == ["1", "2"]
    assert query(database_url, "select n from b order by n") == [(111,), (115,)]


def test_a_run_in_the_middle_of_a_migration_without_a_transaction_is_waited_for(
    start, run, project, database_url, query
):
    project.migration("1_a", up="create table a ();\nselect pg_sleep(1.5);\ncreate table b ();", up_options=FALSE)
    first = start(*UP, env={"DATABASE_URL": database_url})
    faults.backend(database_url, doing="%pg_sleep%")

    second = run(*UP, env={"DATABASE_URL": database_url})

    assert second.exit_code == 0, second.stderr
    assert ended(first)[0] == 0
    assert query(database_url, INVALID) == []


def test_a_lock_that_a_migration_gave_away_lets_nobody_run_anything_twice(start, project, database_url, query):
    project.migration("1_a", up="create table tally (n int);\nselect pg_advisory_unlock_all();\nselect pg_sleep(1);")
    project.migration("2_b", up="insert into tally values (1);\nselect pg_sleep(0.5);", up_options=FALSE)
    project.migration("3_c", up="insert into tally values (2);")
    processes = [start(*UP, env={"DATABASE_URL": database_url}) for _ in range(3)]

    ends = [ended(process) for process in processes]

    assert {code for code, _ in ends} <= {0, 4, 5, 6}, ends
    assert 0 in {code for code, _ in ends}
    assert query(database_url, "select n from tally order by n") == [(1,), (2,)]
    assert faults.versions(database_url) == ["1", "2", "3"]


def test_a_lock_that_went_to_somebody_else_ends_the_run_before_its_next_statement(start, project, database_url, query):
    query(database_url, "create table gate ()")
    up = "create table a ();\nselect pg_advisory_unlock_all();\nlock table gate;"
    project.migration("1_a", up=up, up_options="lock_timeout:0")
    project.migration("2_b", up="create table b ();")
    # granted at the COMMIT of the first file, to whoever waits for it
    take = f"select pg_advisory_lock({run_lock.key_for('public.schema_migrations').sql})"
    with psycopg.connect(database_url, autocommit=True) as other:
        taking = threading.Thread(target=other.execute, args=(take,), daemon=True)
        with faults.transaction(database_url, "lock table gate"):
            process = start(*UP, env={"DATABASE_URL": database_url})
            assert faults.waits_for_lock(database_url, faults.backend(database_url, doing="%lock table gate%"))
            taking.start()
            assert faults.waits_for_lock(database_url, other.info.backend_pid)
        taking.join(timeout=30)

        code, errors = ended(process)

    assert (code, "E601" in errors, "the migration lock was lost to another run" in errors) == (6, True, True), errors
    assert faults.versions(database_url) == ["1"]
    assert query(database_url, "select to_regclass('b')") == [(None,)]
    assert query(database_url, "select version, state from schema_migrations_log order by event_id") == [
        ("1", "done"),
        ("2", "failed"),
    ]
