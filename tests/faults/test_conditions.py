"""Preconditions and postconditions under locks, time-outs, signals, lost sessions and poolers."""

from __future__ import annotations

import signal
import threading

import pytest

from dbmigrate.api.migrator import Migrator, Options
from dbmigrate.api.records import Upkeep
from dbmigrate.errors import ConnectionFailed, Error
from dbmigrate.execution.lock_retries import Pacing
from dbmigrate.execution.resume import Decision
from tests.support import faults
from tests.support.pgbouncer import PROGRAM, pgbouncer

LOCKED = "lock table a in access exclusive mode"
ASKED = "select count(*) = 0 from a"
SLOW = "select pg_sleep(60) is not null"
STEPS = " transaction:false"
keys = pytest.mark.parametrize("key", ["require", "check"])
ways = pytest.mark.parametrize("option", ["", STEPS], ids=["transaction", "steps"])


def write(project, key, asked, option=""):
    text = f"-- migrate:up{option}\n-- migrate:{key} {asked}\ncreate table b ();\n-- migrate:down\n"
    project.write("1_b.sql", text)


def migrate(url, project, **pacing):
    options = Options(directories=(str(project.migrations),), pacing=Pacing(**pacing))
    return Migrator(url, options).migrate()


def code_of(key, option, in_transaction, steps):
    return steps if option and key == "check" else in_transaction


@ways
@keys
def test_a_lock_timeout_of_a_condition_is_tried_again(project, database_url, query, key, option):
    query(database_url, "create table a (n int)")
    write(project, key, ASKED, option)
    with faults.transaction(database_url, LOCKED) as blocker:
        release = threading.Timer(0.6, blocker.rollback)
        release.start()
        migrate(database_url, project, lock_timeout=0.2)
        release.join()

    assert faults.versions(database_url) == ["1"]


@ways
@keys
def test_when_the_budget_is_spent_the_blocker_is_named(project, database_url, query, key, option):
    query(database_url, "create table a (n int)")
    write(project, key, ASKED, option)
    with faults.transaction(database_url, LOCKED), pytest.raises(Error) as caught:
        migrate(database_url, project, lock_timeout=0.6, budget=0.1)

    assert caught.value.code == code_of(key, option, "E405", "E511")
    assert caught.value.place.line == 2
    assert caught.value.sqlstate == "55P03"
    assert any(label == "BLOCKED BY" for label, _ in caught.value.details)
    assert faults.versions(database_url) == []


@ways
@keys
def test_a_statement_timeout_ends_the_query(project, database_url, key, option):
    write(project, key, SLOW, option)
    with pytest.raises(Error) as caught:
        migrate(database_url, project, timeout=0.2)

    assert caught.value.code == code_of(key, option, {"require": "E735", "check": "E414"}[key], "E511")
    assert caught.value.sqlstate == "57014"
    assert faults.versions(database_url) == []


@keys
def test_a_session_that_is_ended_meanwhile_leaves_nothing(project, database_url, query, key):
    write(project, key, "select pg_terminate_backend(pg_backend_pid())")
    with pytest.raises(ConnectionFailed) as caught:
        migrate(database_url, project)

    assert caught.value.code == "E305"
    assert query(database_url, "select to_regclass('b')") == [(None,)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "kill -9"])
@pytest.mark.parametrize(
    ("key", "option"),
    [
        pytest.param("require", "", id="require"),
        pytest.param("check", STEPS, id="check, steps"),
        pytest.param("check", "", id="check", marks=pytest.mark.matrix),
        pytest.param("require", STEPS, id="require, steps", marks=pytest.mark.matrix),
    ],
)
def test_a_run_that_ends_while_a_condition_is_asked_is_taken_up_again(
    project, start, database_url, query, key, option, number
):
    write(project, key, SLOW, option)
    process = start("up", "--no-dump-schema", env={"DATABASE_URL": database_url})
    pid = faults.backend(database_url, doing="%pg_sleep%LIMIT 2%")
    process.send_signal(number)
    process.communicate(timeout=20)
    query(database_url, f"select pg_terminate_backend({pid})")

    assert process.returncode == (130 if number is signal.SIGINT else -signal.SIGKILL)
    is_unfinished = bool(option and key == "check")
    assert query(database_url, "select to_regclass('b') is not null") == [(is_unfinished,)]
    assert faults.versions(database_url) == []
    write(project, key, "select true", option)
    if is_unfinished:
        Upkeep(database_url, Options(directories=(str(project.migrations),))).resume(Decision())
    else:
        migrate(database_url, project)
    assert faults.versions(database_url) == ["1"]


@pytest.mark.skipif(PROGRAM is None, reason="pgbouncer is not installed")
def test_conditions_through_a_pooler(server, open_tmp_path, project, run, database_url, query):
    write(project, "check", "select to_regclass('b') is not null")
    with pgbouncer(server, open_tmp_path) as pooler:
        env = {"DATABASE_URL": pooler.url(database_url.partition("?")[0].rpartition("/")[2])}
        done = run("up", "--allow-pooler", "--no-dump-schema", env=env)
        assert done.exit_code == 0, done.stderr
        project.write("2_c.sql", "-- migrate:up\n-- migrate:require select false\nselect 1;\n-- migrate:down\n")
        done = run("up", "--allow-pooler", "--no-dump-schema", env=env)
        assert done.exit_code == 7, done.stderr

    assert faults.versions(database_url) == ["1"]
