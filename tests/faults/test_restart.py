"""A server that crashes and recovers, or is shut down, in the middle of a run."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from dbmigrate.api.migrator import Migrator
from tests.support.clusters import another_server, crash
from tests.support.proxy import TO_CLIENT, Action, Fault, Proxy
from tests.support.rehearsals import tell, versions
from tests.support.servers import DatabaseServer


@pytest.fixture
def victim(server) -> Iterator[DatabaseServer]:
    """A server of the same version that may be harmed."""
    with another_server(server) as running:
        yield running


@pytest.fixture
def url(victim) -> str:
    """On it a commit is a promise, as on any server that matters."""
    victim.create("app")
    victim.admin.execute("alter database app set synchronous_commit = on")
    return victim.url("app")


@pytest.fixture
def three(project):
    project.migration("1_a", up="create table tally (n int);\ninsert into tally values (1);")
    sleep = "select pg_sleep(30) where current_setting('app.slow', true) is null;"
    project.migration("2_b", up=f"insert into tally values (2);\n{sleep}")
    project.migration("3_c", up="insert into tally values (3);")
    return project


def in_sleep(query, url: str) -> bool:
    try:
        return bool(query(url, "select 1 from pg_stat_activity where wait_event = 'PgSleep'"))
    except psycopg.OperationalError:
        return False


def end_all_sessions(server: DatabaseServer) -> None:
    """What a fast shutdown does to them (57P01)."""
    server.admin.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'dbmigrate%'"
    )


@pytest.mark.parametrize("harm", [crash, end_all_sessions], ids=["crash", "fast shutdown"])
def test_a_server_that_goes_down_in_a_statement_has_rolled_it_back(three, start, run, victim, url, query, harm) -> None:
    process = start("up", "--no-dump-schema", env={"DATABASE_URL": url})
    while not in_sleep(query, url):
        assert process.poll() is None
    harm(victim)

    output, complaints = process.communicate(timeout=60)
    again = run("wait", env={"DATABASE_URL": url})
    finished = run("up", "--no-dump-schema", env={"DATABASE_URL": f"{url}&app.slow=no"})

    assert process.returncode == 3, complaints
    assert "error[E305]" in complaints
    assert "rolled back; nothing of 2_b.sql was applied" in complaints
    assert [line.split()[1] for line in output.splitlines()] == ["1_a.sql"]
    assert again.exit_code == 0
    assert finished.exit_code == 0, finished.stderr
    assert query(url, "select n from tally order by n") == [(1,), (2,), (3,)]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_server_that_crashes_after_commit_is_waited_for_and_asked(three, victim, url, query, number) -> None:
    """Its answer to COMMIT is lost; it recovers, and knows."""
    query(url, "alter database app set app.slow = 'no'")
    with Proxy(victim) as proxy:
        fault = Fault(TO_CLIENT, Action.CUT, text=b"COMMIT", kind=b"C", number=number, call=lambda: crash(victim))
        proxy.arm(fault)

        told = tell(proxy.url("app"), three, Migrator.migrate)

    assert fault.happened
    assert told.error is None
    assert told.done == versions(url) == ["1", "2", "3"]
    assert query(url, "select n from tally order by n") == [(1,), (2,), (3,)]
