"""A run that dies right after it announced a non-transactional migration: the log must not say "started" for good.

The next run closes it, whatever else that has to do.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from secrets import token_hex

import psycopg
import pytest

from tests.support.children import eventually
from tests.support.clusters import another_server, crash
from tests.support.databases import query as ask
from tests.support.faults import FALSE
from tests.support.proxy import TO_SERVER, Action, Ending, Fault, Proxy
from tests.support.psql import psql
from tests.support.servers import DatabaseServer

AFTER_THE_ENTRY = (
    b"SET lock_timeout = 0;\nSET statement_timeout = 0;"  # the first message after the entry of the whole migration
)
ENTRIES = "select version, direction, step, state, error from schema_migrations_log order by 1, 2"
DIED = "the run ended without logging its outcome: it was killed, or lost its connection"
AFTERWARDS = [  # what `up` leaves that had a second migration to run
    ("1", "down", None, "failed", DIED),
    ("1", "up", None, "done", None),
    ("2", "up", None, "done", None),
]
OPEN = "select version, direction, step from schema_migrations_log where state = 'started'"


@pytest.fixture(scope="module")
def victim(server) -> Iterator[DatabaseServer]:
    """A server of the same version that may be harmed."""
    with another_server(server) as running:
        yield running


@pytest.fixture
def url(victim, query) -> Iterator[str]:
    """A database of its own, on which a commit is a promise."""
    name = f"stale_{token_hex(4)}"
    query(victim.url("postgres"), f"create database {name} template template0")
    query(victim.url("postgres"), f"alter database {name} set synchronous_commit = on")
    yield victim.url(name)
    query(victim.url("postgres"), f"drop database {name} with (force)")


def dbmigrate(run, url: str, *words: str):
    return run(*words, env={"DATABASE_URL": url, "DBMIGRATE_NO_DUMP_SCHEMA": "true"})


Harm = Callable[[DatabaseServer, list], None]
HARMS: dict[str, Harm] = {
    "server crash": lambda victim, processes: crash(victim),
    "kill -9": lambda victim, processes: os.kill(processes[0].pid, signal.SIGKILL),
}


def announced_only(start, victim: DatabaseServer, url: str, harm: Harm, *words: str) -> None:
    """Run a command that dies when the first of its migrations is announced, and nothing else."""
    dies(start, victim, url, Fault(TO_SERVER, Action.CUT, text=AFTER_THE_ENTRY, ending=Ending.RESET), harm, *words)


def dies(start, victim: DatabaseServer, url: str, fault: Fault, harm: Harm, *words: str) -> None:
    """Run a command to which, and to whose connection, something happens at a message."""
    with Proxy(victim) as proxy:
        processes: list = []
        fault.call = partial(harm, victim, processes)
        proxy.arm(fault)
        name = url.partition("?")[0].rpartition("/")[2]
        environment = {"DATABASE_URL": proxy.url(name), "DBMIGRATE_NO_DUMP_SCHEMA": "true"}
        processes.append(start(*words, env=environment))
        processes[0].communicate(timeout=60)
        assert fault.happened
        assert processes[0].returncode != 0

    def answers() -> bool:
        with suppress(psycopg.OperationalError):
            return ask(url, "select 1") == [(1,)]
        return False

    assert eventually(answers, seconds=30)


@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
def test_a_run_with_other_work_closes_the_entry_of_a_rollback_that_did_nothing(
    project, run, start, victim, url, query, harm
):
    project.migration("1_a", up="create table a (n int);", down="drop table a;", down_options=FALSE)
    assert dbmigrate(run, url, "up").exit_code == 0
    announced_only(start, victim, url, harm, "rollback")
    assert query(url, OPEN) == [("1", "down", None)]
    project.migration("2_b", up="create table b (n int);")

    done = dbmigrate(run, url, "up")

    assert done.exit_code == 0, done.stderr
    assert query(url, ENTRIES) == AFTERWARDS
    assert query(url, "select bool_and(finished_at >= started_at) from schema_migrations_log") == [(True,)]
    assert query(url, "select version from schema_migrations order by 1") == [("1",), ("2",)]


@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
def test_a_run_with_other_work_closes_the_entry_of_an_up_that_did_nothing(
    project, run, start, victim, url, query, harm
):
    project.migration("1_a", up="create table a (n int);", down="drop table a;")
    path = project.migration("2_b", up="create table b (n int);", up_options=FALSE)
    assert dbmigrate(run, url, "up", "--to", "1").exit_code == 0
    announced_only(start, victim, url, harm, "up")
    assert query(url, OPEN) == [("2", "up", None)]
    path.unlink()

    done = dbmigrate(run, url, "rollback")

    assert done.exit_code == 0, done.stderr
    assert query(url, OPEN) == []
    assert query(url, "select state, error from schema_migrations_log where version = '2'") == [("failed", DIED)]


KILL = HARMS["kill -9"]


def test_a_run_with_nothing_to_do_closes_it_as_well(project, run, start, victim, url, query):
    project.migration("1_a", up="create table a (n int);", down="drop table a;", down_options=FALSE)
    assert dbmigrate(run, url, "up").exit_code == 0
    announced_only(start, victim, url, KILL, "rollback")

    status, opened = dbmigrate(run, url, "status", "--exit-code"), query(url, OPEN)
    done = dbmigrate(run, url, "up")

    assert (status.exit_code, opened) == (0, [("1", "down", None)])  # a command that reads writes nothing
    assert done.exit_code == 0, done.stderr
    assert query(url, OPEN) == []


def test_it_is_closed_where_the_migration_was_applied_in_a_transaction_since(project, run, start, victim, url, query):
    project.migration("1_a", up="create table a (n int);", up_options=FALSE)
    announced_only(start, victim, url, KILL, "up")
    project.migration("1_a", up="create table a (n int);")

    done = dbmigrate(run, url, "up")

    assert done.exit_code == 0, done.stderr
    assert query(url, OPEN) == []
    assert query(url, "select state from schema_migrations_log order by event_id") == [("failed",), ("done",)]


def test_the_entries_of_a_repeatable_migration_are_closed_with_its_open_steps(project, run, start, victim, url, query):
    project.migration("1_a", up="create table a (n int);")
    (project.migrations / "repeatable").mkdir()
    path = project.migrations / "repeatable" / "r.sql"
    path.write_text("-- migrate:repeatable transaction:false\ncreate index concurrently if not exists i on a (n);\n")
    third = Fault(
        TO_SERVER, Action.CUT, text=b"create index concurrently", number=3
    )  # the entries have its text as well
    dies(start, victim, url, third, KILL, "up")
    opened = query(url, OPEN)
    path.unlink()

    done = dbmigrate(run, url, "up")

    assert sorted(opened, key=str) == [("r.sql", "repeatable", 1), ("r.sql", "repeatable", None)]
    assert done.exit_code == 0, done.stderr
    assert query(url, OPEN) == []


def test_a_deferred_backfill_stays_deferred_when_the_entry_of_a_run_is_closed(project, run, start, victim, url, query):
    project.migration("1_a", up="create table a (id int primary key, n int);\ninsert into a values (1), (2);")
    project.migration("2_b", up="update a set n = 1 where :batch;", up_options="backfill:a")
    assert dbmigrate(run, url, "up", "--to", "1").exit_code == 0
    announced_only(start, victim, url, KILL, "up", "--defer-backfills")
    assert query(url, OPEN) == [("2", "up", None)]

    other = dbmigrate(run, url, "up", "--defer-backfills")
    opened = query(url, OPEN)
    done = dbmigrate(run, url, "backfill")

    assert (other.exit_code, opened) == (0, [])
    assert done.exit_code == 0, done.stderr
    assert query(url, "select n from a") == [(1,), (1,)]


def test_the_entry_of_an_unfinished_migration_is_left_to_resume(project, run, start, victim, url, query):
    project.migration("1_a", up="create table a (n int);\nselect 1/0;", up_options=FALSE)
    assert dbmigrate(run, url, "up").exit_code == 5
    query(url, "update schema_migrations_log set state = 'started', error = null where step is null")

    refused = dbmigrate(run, url, "up")

    assert "error[E502]" in refused.stderr
    assert query(url, OPEN) == [("1", "up", None)]


def test_a_dry_run_writes_nothing_and_its_script_closes_the_entry(project, run, start, victim, url, query, tmp_path):
    project.migration("1_a", up="create table a (n int);", down="drop table a;", down_options=FALSE)
    assert dbmigrate(run, url, "up").exit_code == 0
    announced_only(start, victim, url, KILL, "rollback")
    project.migration("2_b", up="create table b (n int);")

    shown = dbmigrate(run, url, "up", "--dry-run")

    assert query(url, OPEN) == [("1", "down", None)]
    replayed = psql(url, shown.stdout)
    assert replayed.exit_code == 0, replayed.stderr
    assert query(url, ENTRIES) == AFTERWARDS
