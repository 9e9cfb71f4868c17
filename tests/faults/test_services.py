"""Services that migrate one database at once: those that depend on each other take turns, the others do not wait."""

from __future__ import annotations

import os
import signal
import time

import psycopg
import pytest

from dbmigrate.execution import run_lock
from tests.support import services

GATE = 4242  # an advisory lock that a migration waits for
DISCOVERY = run_lock.key_for("public.discovery_svc_schema_migrations")


@pytest.fixture
def three(tmp_path):
    made = services.three(tmp_path)
    made.write(
        "ai-svc/migrations/002_gate.sql",
        f"select pg_advisory_xact_lock({GATE});\ncreate table gated ();",
        down="drop table gated;",
        depends="discovery-svc:001",
    )
    return made


@pytest.fixture
def env(database_url):
    return {"DATABASE_URL": database_url, "DBMIGRATE_NO_DUMP_SCHEMA": "true"}


@pytest.fixture
def begun(run, three, env):
    """Each service has its first migration; the second one of ai is pending."""
    for words in (("discovery-svc", "up"), ("ai", "up", "-n", "1"), ("chat", "up")):
        done = run("--service", *words, env=env)
        assert done.exit_code == 0, done.stderr
    return three


def wait_for_gate(conn) -> None:
    deadline = time.monotonic() + 60
    waiting = "select count(*) from pg_locks where locktype = 'advisory' and objid = %s and not granted"
    while not conn.execute(waiting, (GATE,)).fetchone()[0]:
        assert time.monotonic() < deadline, "the migration has not begun"
        time.sleep(0.05)


@pytest.fixture
def gate(database_url):
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("select pg_advisory_lock(%s)", (GATE,))
        yield conn


def test_what_a_running_service_depends_on_is_not_rolled_back(run, start, begun, env, gate):
    running = start("--service", "ai", "up", "--lock-timeout", "0", env=env)
    wait_for_gate(gate)

    # one that nothing depends on does not wait; the one that is depended on does
    begun.write("chat-svc/migrations/002_more.sql", "create table more ();", down="drop table more;")
    assert run("--service", "chat", "up", "--lock-wait", "0", env=env).exit_code == 0
    waited = run("--service", "discovery-svc", "rollback", "--lock-wait", "0", env=env)
    assert (waited.exit_code, "error[E601]" in waited.stderr) == (6, True), waited.stderr
    gate.execute("select pg_advisory_unlock(%s)", (GATE,))
    assert running.wait(60) == 0
    assert run("--service", "discovery-svc", "rollback", env=env).exit_code == 7


def test_a_service_waits_for_a_run_of_what_it_depends_on(run, begun, env, gate):
    gate.execute("select pg_advisory_unlock(%s)", (GATE,))
    gate.execute(f"select pg_advisory_lock({DISCOVERY.sql})")

    waited = run("--service", "ai", "up", "--lock-wait", "0", env=env)

    assert (waited.exit_code, f"process {gate.info.backend_pid} " in waited.stderr) == (6, True), waited.stderr
    gate.execute(f"select pg_advisory_unlock({DISCOVERY.sql})")
    gate.execute(f"select pg_advisory_lock_shared({DISCOVERY.sql})")
    assert run("--service", "ai", "up", "--lock-wait", "0", env=env).exit_code == 0, "two that need it share it"


def test_services_that_need_each_other_do_not_wait_for_ever(start, begun, env, gate):
    gate.execute("select pg_advisory_unlock(%s)", (GATE,))
    begun.write("discovery-svc/migrations/002_back.sql", "create table back ();", depends="ai:001")

    both = [start("--service", name, "up", "--lock-wait", "50s", env=env) for name in ("ai", "discovery-svc")]

    assert [process.wait(60) for process in both] == [0, 0]


def test_a_killed_run_of_a_service_lets_the_others_go_on(run, start, begun, env, gate, query, database_url):
    running = start("--service", "ai", "up", "--lock-timeout", "0", env=env)
    wait_for_gate(gate)
    os.kill(running.pid, signal.SIGKILL)
    running.wait(60)
    gate.execute("select pg_advisory_unlock(%s)", (GATE,))

    assert run("--service", "ai", "up", env=env).exit_code == 0
    done = "select count(*) from ai_schema_migrations_log where version = '002' and state = 'done'"
    assert query(database_url, done) == [(1,)]
    assert run("--service", "ai", "rollback", "-n", "2", env=env).exit_code == 0
    assert run("--service", "discovery-svc", "rollback", env=env).exit_code == 0
