"""What a rehearsal with rows measures, where something comes in between: a lock that is waited for, a cut connection."""

from __future__ import annotations

import threading
import time

import psycopg
import pytest

from dbmigrate.api.migrator import Migrator, Options
from dbmigrate.api.rehearsal import Rehearsed, Rehearser
from dbmigrate.connection import dsn
from dbmigrate.execution.lock_retries import Pacing
from dbmigrate.impact.measured import Latencies
from dbmigrate.output import rehearsal as output
from tests.support.projects import Project

USERS = "create table users (id int primary key, name text);"


@pytest.fixture
def rehearse(project: Project, database_url, twin_database_url):
    """Applies `1_users` on both databases, then rehearses `2_next` on the second one."""

    def run(up: str, *, pacing: Pacing | None = None, options: str = "", queries: tuple[str, ...] = ()) -> Rehearsed:
        project.migration("1_users", up=USERS, down="drop table users;")
        settings = Options(directories=(str(project.migrations),), pacing=pacing or Pacing())
        for url in (database_url, twin_database_url):
            Migrator(url, settings).up()
        project.migration("2_next", up=up, up_options=options)
        rehearser = Rehearser(database_url, settings)
        return rehearser.rehearse_up_on(dsn.parse(twin_database_url), queries=queries)

    return run


class Reader:
    """A session that reads `users`, once that is there, in a transaction that is open for `seconds`."""

    def __init__(self, url: str, seconds: float) -> None:
        self._url, self._seconds = url, seconds
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._thread.join()

    def _run(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as conn, psycopg.connect(self._url, autocommit=True) as look:
            self._wait_for(look, "select to_regclass('public.users') is not null")
            with conn.transaction():
                conn.execute("table users")
                self._wait_for(
                    look,
                    "select exists (select from pg_stat_activity where application_name like 'dbmigrate traffic%'"
                    " and datname = current_database())",
                )
                time.sleep(self._seconds)

    def _wait_for(self, conn: psycopg.Connection, question: str) -> None:
        end = time.monotonic() + 20
        while conn.execute(question).fetchone() != (True,) and time.monotonic() < end:
            time.sleep(0.01)


@pytest.mark.parametrize("pacing", [Pacing(lock_timeout=10), pytest.param(Pacing(), marks=pytest.mark.matrix)], ids=["waits", "tries again"])
def test_a_lock_counts_from_its_grant_and_a_statement_once(rehearse, twin_database_url, pacing):
    with Reader(twin_database_url, 2.2):
        found = rehearse("alter table users add mail text;\nselect pg_sleep(0.3);", pacing=pacing, queries=("select 1",))

    alter, sleep = found.measurement.statements
    (lock,) = alter.locks
    assert 0.2 < lock.seconds < 1.0
    assert 0.2 < sleep.seconds < 1.0
    assert found.seconds > 1.5
    if pacing.lock_timeout:
        assert alter.seconds > 1.0


def test_a_queue_behind_a_lock_that_is_waited_for_is_a_stall(rehearse, twin_database_url):
    with Reader(twin_database_url, 1.8):
        found = rehearse(
            "alter table users add mail text;", pacing=Pacing(lock_timeout=10), queries=("select count(*) from users",)
        )

    assert found.measurement.traffic.stall.query == "select count(*) from users"
    assert found.measurement.statements[0].stall == found.measurement.traffic.stall.seconds > 0.4


def test_without_its_other_connections_the_run_goes_on_and_it_is_reported(rehearse, twin_database_url, query):
    found = rehearse(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()"
        " and (application_name like 'dbmigrate rehearsal%' or application_name like 'dbmigrate traffic%');\n"
        "alter table users add mail text;\nselect pg_sleep(0.3);",
        queries=("select 1",),
    )

    assert [problem.code for problem in found.problems] == ["W392"]
    (lock,) = found.measurement.statements[1].locks
    assert lock.seconds < 0.6
    assert query(twin_database_url, "select version from schema_migrations order by 1") == [("1",), ("2",)]
    assert found.measurement.temporary_bytes is None
    assert "\n".join(output.lines(found))


def test_a_query_that_stops_working_is_a_failure_of_the_traffic_and_not_of_the_run(rehearse):
    found = rehearse(
        "alter table users rename name to title;\nselect pg_sleep(0.1);",
        options="transaction:false",
        queries=("select name from users",),
    )

    (failure,) = found.measurement.traffic.failures
    assert (failure.query, failure.message) == ("select name from users", 'column "name" does not exist')
    assert failure.count > 1


def test_the_steps_of_a_role_and_a_search_path_of_the_file_are_measured_as_well(rehearse, twin_database_url, query):
    role = f"measured_{query(twin_database_url, 'select current_database()')[0][0]}"
    try:
        found = rehearse(
            f"create role {role}; create schema hidden; create table hidden.t (id int primary key);\n"
            f"alter table users owner to {role}; grant create on schema public to {role}; set local role {role};\n"
            "create function pg_catalog_now() returns int language sql as 'select 1'; set local search_path = '';\n"
            "alter table public.users alter id type bigint;"
        )
        last = found.measurement.statements[-1]
        assert [each.index for each in last.rewritten] == [None, "users_pkey"]
    finally:
        query(twin_database_url, f"drop owned by {role} cascade; drop role {role}")


def test_of_very_many_statements_those_that_matter_are_shown(rehearse):
    found = rehearse("\n".join([*(f"create table t{n} (id int);" for n in range(60)), "alter table users add x int;"]))

    lines = list(output.lines(found))
    assert len(found.measurement.statements) == 61
    assert len(lines) < 20
    assert any("alter table users add x int" in line for line in lines)
    assert any("more statements, below 100 ms each" in line for line in lines)
    assert any("more statements" in line for line in output.markdown(found))


def test_ranks_are_values_that_were_measured():
    assert Latencies.of([]) is None
    assert Latencies.of([3.0]) == Latencies(1, 3.0, 3.0, 3.0)
    assert Latencies.of([float(n) for n in range(1, 101)]) == Latencies(100, 50.0, 99.0, 100.0)


def test_a_backfill_runs_on_the_clone_as_well(rehearse, twin_database_url, query):
    found = rehearse(
        "update users set name = 'x' where name is null and :batch;", options="backfill:users", queries=("select 1",)
    )

    assert [outcome.step.version for outcome in found.done] == ["2"]
    assert query(twin_database_url, "select version from schema_migrations order by 1") == [("1",), ("2",)]
