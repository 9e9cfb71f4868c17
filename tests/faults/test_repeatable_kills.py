"""SIGKILL while repeatable migrations run: the next run does what is left, and records each one once."""

from __future__ import annotations

import signal

import pytest

from tests.support.children import eventually
from tests.support.proxy import TO_SERVER, Action, Fault, Proxy

UP = ("up", "--no-dump-schema")
DONE = "select file from schema_migrations_log where step is null and state = 'done' order by event_id"


@pytest.fixture
def views(project):
    project.migration("001_a", up="create table a (n int);")
    folder = project.migrations / "repeatable"
    folder.mkdir()

    def write(name, sql, options=""):
        (folder / f"{name}.sql").write_text(f"-- migrate:repeatable{options}\n{sql}\n")

    return write


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=10)


def test_one_that_was_killed_is_not_recorded_and_runs_again(views, start, run, query, database_url):
    env = {"DATABASE_URL": database_url}
    views(
        "b",
        "select pg_sleep(case when exists (select from a) then 0 else 60 end);\ncreate or replace view v as select 1;",
    )
    running = "select count(*) from pg_stat_activity where query like '%case when exists%' and pid <> pg_backend_pid()"
    process = start(*UP, env=env)
    eventually(lambda: query(database_url, running) == [(1,)])

    kill(process)
    eventually(lambda: query(database_url, running) == [(0,)])

    assert query(database_url, DONE) == [("001_a.sql",)]
    query(database_url, "insert into a values (1)")
    done = run(*UP, env=env)
    assert done.exit_code == 0, done.stderr
    assert query(database_url, DONE) == [("001_a.sql",), ("repeatable/b.sql",)]


@pytest.mark.matrix
@pytest.mark.slow
def test_killed_at_every_message_the_next_run_ends_as_if_nothing_had_happened(
    views, start, run, query, server, make_database
):
    views("b", "create or replace view v as select n from a;")
    views("c", "create index concurrently if not exists i on a (n);\nselect 1;", " transaction:false")
    for number in range(1, 100):
        url = make_database()
        started = []
        with Proxy(server) as proxy:
            strike = lambda: kill(started[0])  # noqa: E731, B023
            fault = proxy.arm(Fault(TO_SERVER, Action.AFTER, kind=b"Q", number=number, call=strike))
            started.append(start(*UP, env={"DATABASE_URL": proxy.url(url.partition("?")[0].rpartition("/")[2])}))
            started[0].wait(timeout=60)
        done = run(*UP, env={"DATABASE_URL": url})
        assert done.exit_code == 0, (number, done.stderr)
        assert query(url, DONE) == [("001_a.sql",), ("repeatable/b.sql",), ("repeatable/c.sql",)], number
        assert query(url, "select indisvalid from pg_index where indexrelid = 'i'::regclass") == [(True,)]
        assert run("status", "--exit-code", env={"DATABASE_URL": url}).exit_code == 0
        if not fault.happened:
            return
    pytest.fail("no end was reached")
