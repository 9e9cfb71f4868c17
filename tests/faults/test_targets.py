"""Many targets in one run: kills, signals, cut connections. What happens to one is not seen by another."""

from __future__ import annotations

import os
import random
import signal
import time

import pytest

from tests.support import faults
from tests.support.children import children_of, eventually, is_running
from tests.support.proxy import TO_SERVER, Action, Fault, Proxy

TENANTS = [f"tenant_{number}" for number in range(8)]
UP = ("up", "--targets", "targets.txt")
SLEEP = "%pg_sleep%"


@pytest.fixture
def listed(tmp_path):
    """A list of the tenants, each a schema."""
    (tmp_path / "targets.txt").write_text("".join(f"schema:{name}\n" for name in TENANTS))


@pytest.fixture
def counting(project):
    """Migrations of which each leaves something else when it is run twice."""
    project.migration("1_a", up="create table tally (version int);\ninsert into tally values (1);")
    for version in range(2, 6):
        project.migration(
            f"{version}_b",
            up=f"insert into tally values ({version});\nselect pg_sleep(0.03);\ninsert into tally values ({version});",
        )
    return project


@pytest.fixture
def sleeping(project):
    """A migration that is at work for as long as a test needs."""
    project.migration("1_a", up="create table a ();")
    project.migration("2_b", up="create table b ();\nselect pg_sleep(60);")
    return project


def tallies(query, url: str) -> list[str]:
    """What each tenant has counted."""
    found = "select string_agg(version::text, ',' order by version) from {}.tally"
    return [query(url, found.format(name))[0][0] for name in TENANTS]


def applied_once(query, url: str) -> list[bool]:
    """Whether the log of each tenant has each version applied exactly once."""
    found = (
        "select (select array_agg(version order by version) from {0}.schema_migrations)"
        " = (select array_agg(version order by version) from {0}.schema_migrations_log where state = 'done')"
    )
    return [query(url, found.format(name))[0][0] for name in TENANTS]


def killed_and_finished(start, run, url: str, seconds: float):
    """Kill a run after so many seconds, and run it again at once, while its workers may still end."""
    process = start(*UP, env={"DATABASE_URL": url})
    time.sleep(seconds)
    process.kill()
    process.wait(timeout=10)
    return run(*UP, env={"DATABASE_URL": url}, timeout=120)


def prove_kills(rounds: int, start, run, query, make_database) -> None:
    began = time.monotonic()
    assert run(*UP, env={"DATABASE_URL": make_database()}, timeout=120).exit_code == 0
    longest = time.monotonic() - began
    for _ in range(rounds):
        url = make_database()
        moment = random.uniform(0.1, 1.0) * longest

        done = killed_and_finished(start, run, url, moment)

        assert done.exit_code == 0, f"killed after {moment:.3f} s: {done.stderr}"
        assert tallies(query, url) == ["1,2,2,3,3,4,4,5,5"] * len(TENANTS), f"killed after {moment:.3f} s"
        assert all(applied_once(query, url))


def test_a_run_on_many_targets_that_is_killed_is_completed_by_the_next_one(
    start, run, query, make_database, counting, listed
):
    prove_kills(3, start, run, query, make_database)


@pytest.mark.matrix
def test_a_run_on_many_targets_is_killed_at_twenty_random_moments(start, run, query, make_database, counting, listed):
    prove_kills(20, start, run, query, make_database)


def test_the_workers_end_with_the_run(start, query, database_url, sleeping, listed):
    process = start(*UP, env={"DATABASE_URL": database_url})
    pid = faults.backend(database_url, doing=SLEEP)
    workers = children_of(process.pid)

    process.kill()

    assert faults.is_gone(database_url, pid, seconds=10)
    assert len(workers) == 4
    assert eventually(lambda: not any(map(is_running, workers)), seconds=10)


def test_a_worker_that_is_killed_takes_its_target_with_it_and_no_other(
    start, run, query, database_url, counting, listed
):
    process = start(*UP, env={"DATABASE_URL": database_url})
    assert eventually(lambda: len(children_of(process.pid)) == 4, seconds=20)
    faults.backend(database_url, doing=SLEEP)

    os.kill(children_of(process.pid)[0], signal.SIGKILL)
    output, errors = process.communicate(timeout=60)

    assert process.returncode == 4, errors
    assert "7 done, 1 failed" in output
    assert "E432 the process that worked on it ended: signal SIGKILL" in errors
    assert run(*UP, env={"DATABASE_URL": database_url}).exit_code == 0
    assert tallies(query, database_url) == ["1,2,2,3,3,4,4,5,5"] * len(TENANTS)


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)],
    ids=["SIGINT", "SIGTERM", "SIGHUP"],
)
def test_a_signal_ends_all_targets_and_tells_what_is_done(start, query, database_url, sleeping, listed, number, code):
    process = start(*UP, "--json", env={"DATABASE_URL": database_url})
    assert eventually(lambda: at_work(query, database_url) >= 4, seconds=20)

    process.send_signal(number)

    output, errors = process.communicate(timeout=30)
    assert process.returncode == code, errors
    assert "Traceback" not in errors
    assert errors.count("rolled back; nothing of 2_b.sql was applied") == 4
    assert '"results": {"interrupted": 4, "not-started": 4}' in output
    assert at_work(query, database_url) == 0
    assert query(database_url, "select count(*) from tenant_0.schema_migrations") == [(1,)]


def test_a_signal_that_reaches_the_workers_as_well_counts_once(start, query, database_url, sleeping, listed):
    process = start(*UP, env={"DATABASE_URL": database_url})
    assert eventually(lambda: at_work(query, database_url) >= 4, seconds=20)

    for pid in (*children_of(process.pid), process.pid):
        os.kill(pid, signal.SIGTERM)

    _, errors = process.communicate(timeout=30)
    assert process.returncode == 143, errors
    assert errors.count("rolled back; nothing of 2_b.sql was applied") == 4


def test_a_connection_that_is_cut_is_of_one_target_alone(
    run, server, query, database_url, twin_database_url, counting, tmp_path
):
    with Proxy(server) as proxy:
        cut = proxy.url(twin_database_url.partition("?")[0].rpartition("/")[2])
        proxy.arm(Fault(TO_SERVER, Action.CUT, text=b"values (3)", number=1))
        (tmp_path / "targets.txt").write_text("".join(f"schema:{name}\n" for name in TENANTS) + f"{cut}\n")

        done = run(*UP, env={"DATABASE_URL": database_url}, timeout=120)
        again = run(*UP, env={"DATABASE_URL": database_url}, timeout=120)

    assert "8 done, 1 failed" in done.stdout
    assert done.exit_code == 3, done.stderr
    assert again.exit_code == 0
    assert tallies(query, database_url) == ["1,2,2,3,3,4,4,5,5"] * len(TENANTS)
    assert query(twin_database_url, "select string_agg(version::text, ',' order by version) from tally") == [
        ("1,2,2,3,3,4,4,5,5",)
    ]


def test_two_runs_on_the_same_targets_do_nothing_twice(start, query, database_url, counting, listed):
    processes = [start(*UP, env={"DATABASE_URL": database_url}) for _ in range(2)]
    texts = [process.communicate(timeout=120) for process in processes]

    assert [process.returncode for process in processes] == [0, 0], texts
    assert tallies(query, database_url) == ["1,2,2,3,3,4,4,5,5"] * len(TENANTS)
    assert all(applied_once(query, database_url))


def at_work(query, url: str) -> int:
    return query(
        url,
        "select count(*) from pg_stat_activity where query like %s and state = 'active' and pid <> pg_backend_pid()"
        " and datname = current_database() and application_name like 'dbmigrate%%'",
        (SLEEP,),
    )[0][0]
