"""The circuit breaker: who waits behind a slow statement gets through in time, and nothing is half done."""

from __future__ import annotations

import signal
import threading
import time

import psycopg
import pytest

from dbmigrate.api.migrator import Migrator, Options
from dbmigrate.errors import MigrationFailed
from dbmigrate.execution import breaker
from dbmigrate.execution.lock_retries import Pacing
from tests.support import faults
from tests.support.backfills import counters, fill, project_of
from tests.support.children import eventually
from tests.support.faults import FALSE

SLOW = "create table b ();\nalter table a add column m int;\nselect pg_sleep(seconds) from pace;"


@pytest.fixture
def table(project, database_url, query, monkeypatch):
    """A project whose next migration holds the strongest lock for as long as the table pace says."""
    monkeypatch.setattr(breaker, "_PAUSES", 0.5)
    query(database_url, "create table a (n int); create table pace (seconds float); insert into pace values (30)")
    project.migration("1_slow", up=SLOW)
    return project


class Writer(threading.Thread):
    """Writes once, as soon as the migration holds its lock; `waited` is how long that took."""

    def __init__(self, url: str, *, statement: str = "insert into a values (1)") -> None:
        super().__init__(daemon=True)
        self._url, self._statement = url, statement
        self.waited = 0.0
        self.start()

    def run(self) -> None:
        faults.backend(self._url, doing="%pg_sleep%")
        with psycopg.connect(self._url, application_name="the shop", autocommit=True) as conn:
            started = time.monotonic()
            conn.execute(self._statement.encode())
            self.waited = time.monotonic() - started


def migrate(url, project, on_event, **pacing):
    options = Options(directories=(str(project.migrations),), pacing=Pacing(**pacing))
    return Migrator(url, options, on_event=on_event).migrate()


def codes(heard):
    return [event.problem.code for event in heard if type(event).__name__ == "Warned"]


def test_a_writer_gets_through_within_the_limit_and_the_migration_ends_later(table, database_url, query):
    heard, writer = [], Writer(database_url)

    def listen(event):
        heard.append(event)
        if codes([event]) == ["W387"]:
            assert query(database_url, "select to_regclass('b')") == [(None,)]
            query(database_url, "update pace set seconds = 0")

    migrate(database_url, table, listen, max_blocked=0.6)
    writer.join(timeout=10)

    assert 0.2 < writer.waited < 0.75
    assert codes(heard) == ["W387"]
    problem = next(event.problem for event in heard if codes([event]))
    assert "1_slow.sql was cancelled and rolled back: others waited for it, process " in problem.message
    assert "(the shop, role " in problem.message
    assert "insert into a values (1) for 0." in problem.message
    assert faults.versions(database_url) == ["1"]
    assert query(database_url, "select n, m from a") == [(1, None)]


def test_after_two_cancellations_it_gives_up_and_says_who_waited(table, database_url, query):
    heard, writers = [], [Writer(database_url)]

    def listen(event):
        heard.append(event)
        if codes([event]) == ["W387"]:
            writers[0].join(timeout=10)
            writers.append(Writer(database_url, statement="select * from a"))

    with pytest.raises(MigrationFailed) as caught:
        migrate(database_url, table, listen, max_blocked=0.3)
    writers[1].join(timeout=10)

    error = caught.value
    assert (error.code, error.exit_code) == ("E417", 4)
    assert "other sessions waited for one of the statements 1 to 3 for longer than 0.3 s (max-blocked)" in error.message
    assert "it was cancelled twice" in (error.hint or "")
    assert error.details[0][0] == "WAITED"
    assert "select * from a" in error.details[0][1]
    assert error.state == "rolled back; nothing of 1_slow.sql was applied"
    assert faults.versions(database_url) == []
    assert query(database_url, "select to_regclass('b')") == [(None,)]
    assert query(database_url, "select state, error like '%max-blocked%' from schema_migrations_log") == [
        ("failed", True)
    ]


def test_many_quick_statements_in_one_message_are_watched_too(table, database_url, query):
    """The server answers all the time, so that nobody ever waits for it."""
    quick = "select pg_sleep(0.01) from pace;\n" * 300
    table.migration("1_slow", up=f"alter table a add column m int;\n{quick}")
    heard, writer = [], Writer(database_url)

    def listen(event):
        heard.append(event)
        if codes([event]):
            query(database_url, "delete from pace")

    migrate(database_url, table, listen, max_blocked=0.3)
    writer.join(timeout=10)

    assert codes(heard) == ["W387"]
    assert writer.waited < 0.6


def test_a_statement_outside_a_transaction_is_not_cancelled_but_reported_once(project, database_url, query):
    query(database_url, "create table a (n int); create table pace (seconds float); insert into pace values (1.2)")
    block = "do $$ begin lock table a; perform pg_sleep(3); commit; end $$;"
    project.migration("1_slow", up=block, up_options=FALSE)
    heard, writer = [], Writer(database_url)

    migrate(database_url, project, heard.append, max_blocked=0.3)
    writer.join(timeout=10)

    assert codes(heard) == ["W386"]
    problem = next(event.problem for event in heard if codes([event]))
    assert "1_slow.sql: other sessions wait for statement 1, process " in problem.message
    assert faults.versions(database_url) == ["1"]


def test_a_step_of_its_own_transaction_is_cancelled_and_the_steps_before_it_stay(table, database_url, query):
    table.migration(
        "1_slow",
        up="create table c ();\nbegin;\nalter table a add column m int;\nselect pg_sleep(seconds) from pace;\ncommit;",
        up_options=FALSE,
    )
    heard, writer = [], Writer(database_url)

    def listen(event):
        heard.append(event)
        if codes([event]) == ["W387"]:
            query(database_url, "update pace set seconds = 0")

    migrate(database_url, table, listen, max_blocked=0.3)
    writer.join(timeout=10)

    assert codes(heard) == ["W387"]
    assert faults.versions(database_url) == ["1"]
    assert query(database_url, "select n, m from a") == [(1, None)]


def test_a_page_that_others_wait_for_is_cancelled_and_tried_again_with_half_its_rows(project, database_url, query):
    fill(database_url, number=20)
    query(database_url, "create table pace (seconds float); insert into pace values (30)")
    project_of(
        project,
        "update t set n = n + 1 where :batch;\nselect pg_sleep(seconds) from pace, t where :batch limit 1;",
        "batch:8 pause:0",
    )
    heard, writer = [], Writer(database_url, statement="update t set n = n where id = 3")

    def listen(event):
        heard.append(event)
        if codes([event]) == ["W387"]:
            assert query(database_url, "select max(n) from t") == [(0,)]
            query(database_url, "update pace set seconds = 0")

    migrate(database_url, project, listen, max_blocked=0.6)
    writer.join(timeout=10)

    assert 0.2 < writer.waited < 2
    assert codes(heard) == ["W387"]
    problem = next(event.problem for event in heard if codes([event]))
    assert "1_fill.sql: a page of 8 rows was cancelled: others waited for it, process " in problem.message
    assert problem.hint == "it is tried again with half as many"
    assert counters(database_url) == (1, 1, 20)


def test_a_page_of_one_row_that_others_wait_for_ends_the_backfill_with_its_cursor_kept(project, database_url, query):
    fill(database_url, number=20)
    query(database_url, "create table pace (seconds float); insert into pace values (30)")
    slow = "select pg_sleep(case when t.id < 30 then 0 else seconds end) from pace, t where :batch;"
    project_of(project, f"update t set n = n + 1 where :batch;\n{slow}", "batch:1 pause:0")
    Writer(database_url, statement="update t set n = n where id = 30")

    with pytest.raises(MigrationFailed) as caught:
        migrate(database_url, project, lambda event: None, max_blocked=0.3)

    error = caught.value
    assert (error.code, error.exit_code) == ("E417", 4)
    assert "other sessions waited for a page of one row for longer than 0.3 s (max-blocked)" in error.message
    assert error.state.startswith("1_fill.sql stopped after id = 27: ")
    assert query(database_url, "select n, count(*) from t group by 1 order by 1") == [(0, 11), (1, 9)]
    query(database_url, "update pace set seconds = 0")
    migrate(database_url, project, lambda event: None)
    assert counters(database_url) == (1, 1, 20)


def test_a_role_without_a_second_connection_gets_one_warning(server, project, database_url, query):
    with faults.plain_role(server, database_url) as url:
        role = url.partition("//")[2].partition(":")[0]
        query(database_url, f"alter role {role} connection limit 1")
        project.migration("1_a", up="select pg_sleep(0.4);")
        project.migration("2_b", up="select pg_sleep(0.4);")
        heard = []

        migrate(url, project, heard.append, max_blocked=0.3)

        assert codes(heard) == ["W385"]
        assert faults.versions(database_url) == ["1", "2"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["SIGINT", "SIGKILL"])
def test_a_signal_between_two_tries_leaves_nothing(start, project, database_url, query, number):
    query(database_url, "create table a (n int); create table pace (seconds float); insert into pace values (30)")
    project.migration("1_slow", up=SLOW)
    writer = Writer(database_url)
    process = start("up", "--no-dump-schema", "--max-blocked", "400ms", env={"DATABASE_URL": database_url})
    writer.join(timeout=20)
    assert 0.0 < writer.waited < 1.0

    process.send_signal(number)

    _, errors = process.communicate(timeout=30)
    assert "Traceback" not in errors
    assert process.returncode == (130 if number is signal.SIGINT else -number)
    eventually(lambda: not query(database_url, "select from pg_locks where locktype = 'advisory'"))
    assert faults.versions(database_url) == []
    assert query(database_url, "select to_regclass('b')") == [(None,)]
