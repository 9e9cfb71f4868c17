"""Locks on the user's tables: we wait politely, say for whom, try again, give up with nothing changed."""

from __future__ import annotations

import threading
import time

import psycopg
import pytest

from dbmigrate.api.migrator import Migrator, Options
from dbmigrate.errors import MigrationFailed, NeedsAttention
from dbmigrate.execution.lock_retries import Pacing
from tests.support import faults
from tests.support.faults import FALSE, INVALID

UP = ("up", "--no-dump-schema")
READER = "select * from a limit 1"


@pytest.fixture
def table(project, database_url, query):
    """A project whose next migration needs the strongest lock on a table that is there."""
    query(database_url, "create table a (n int)")
    project.migration("1_b", up="create table b ();\nalter table a add column m int;")
    return project


def migrate(url, project, **pacing):
    heard = []
    options = Options(directories=(str(project.migrations),), pacing=Pacing(**pacing))
    try:
        Migrator(url, options, on_event=heard.append).migrate()
    finally:
        retries[:] = [event for event in heard if type(event).__name__ == "Retrying"]
    return heard


retries: list = []


class Reader(threading.Thread):
    """Reads a table again and again; `longest` is the longest that it had to wait, in seconds."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self._url = url
        self._end = threading.Event()
        self.longest = 0.0
        self.reads = 0

    def run(self) -> None:
        with psycopg.connect(self._url, autocommit=True, prepare_threshold=None) as conn:
            while not self._end.wait(0.01):
                started = time.monotonic()
                conn.execute(READER)
                self.longest = max(self.longest, time.monotonic() - started)
                self.reads += 1

    def stop(self) -> None:
        self._end.set()
        self.join(timeout=30)


def test_a_blocker_is_named_and_waited_for_and_readers_get_through(start, table, database_url):
    reader = Reader(database_url)
    with faults.transaction(database_url, "select * from a"):
        reader.start()
        process = start(*UP, env={"DATABASE_URL": database_url})
        errors = ""
        while "did not get a lock" not in errors:
            errors += process.stderr.readline()
        time.sleep(2)
    errors += process.stderr.read()
    process.wait(timeout=30)
    reader.stop()

    assert process.returncode == 0, errors
    assert "1_b.sql did not get a lock in time (try 1), trying again: process " in errors
    assert "somebody else" in errors
    assert "idle in transaction" in errors
    assert "select * from a" in errors
    assert faults.versions(database_url) == ["1"]
    assert reader.reads > 20
    assert reader.longest < 2.5  # half a second by the first lock timeout, and a margin for a busy machine


def test_the_first_try_is_repeated_only_when_the_blocker_is_gone(table, database_url):
    with faults.transaction(database_url, "select * from a") as blocker:
        release = threading.Timer(2.5, blocker.rollback)
        release.start()
        migrate(database_url, table)
        release.join()

    assert len(retries) == 1
    assert len(retries[0].blockers) == 1


def test_when_the_budget_is_spent_nothing_was_changed_and_the_blocker_is_named(table, database_url, query):
    with (
        faults.transaction(database_url, "select * from a"),
        pytest.raises(MigrationFailed) as caught,
    ):
        migrate(database_url, table, lock_timeout=0.2, budget=1.0)

    error = caught.value
    assert (error.code, error.exit_code, error.sqlstate) == ("E405", 4, "55P03")
    assert error.state == "rolled back; nothing of 1_b.sql was applied"
    assert (error.place.line, error.place.column) == (3, 1)
    assert "gave up after" in error.hint
    ((_, text),) = [detail for detail in error.details if detail[0] == "BLOCKED BY"]
    assert "somebody else" in text
    assert query(database_url, "select to_regclass('b')") == [(None,)]
    assert faults.versions(database_url) == []


def test_the_lock_timeout_of_the_command_line_is_that_of_each_try(run, project, database_url, query):
    project.migration("1_a", up="create table seen as select current_setting('lock_timeout') as lock;")

    run(*UP, "--lock-timeout", "200ms", env={"DATABASE_URL": database_url})

    assert query(database_url, "select lock from seen") == [("200ms",)]


SEEN = "create table seen as select current_setting('lock_timeout') l, current_setting('statement_timeout') s;"


@pytest.mark.parametrize(
    ("options", "url", "pacing", "expected"),
    [
        ("", "", {}, ("500ms", "0")),
        ("", "", {"lock_timeout": 0.2, "timeout": 60.0}, ("200ms", "1min")),
        ("lock_timeout:3s", "", {"lock_timeout": 0.2}, ("3s", "0")),
        ("lock_timeout:0", "", {}, ("0", "0")),
        ("timeout:10min lock_timeout:700ms", "", {"timeout": 60.0}, ("700ms", "10min")),
        ("lock_timeout:3s timeout:7s", "&lock_timeout=5s&statement_timeout=9s", {}, ("5s", "9s")),
        ("", "&lock_timeout=5s", {"lock_timeout": 0.2}, ("5s", "0")),
    ],
)
@pytest.mark.parametrize("kind", ["", f"{FALSE} "], ids=["in a transaction", "without one"])
def test_the_url_wins_over_the_file_and_the_file_over_the_command(
    project, database_url, query, kind, options, url, pacing, expected
):
    project.migration("1_a", up=SEEN, up_options=f"{kind}{options}")

    migrate(database_url + url, project, **pacing)

    assert query(database_url, "select l, s from seen") == [expected]


def test_what_the_file_sets_itself_wins(project, database_url, query):
    project.migration("1_a", up=f"set local lock_timeout = '4s';\n{SEEN}")
    project.migration("2_b", up=f"drop table seen;\nset lock_timeout = '6s';\n{SEEN}", up_options=FALSE)

    migrate(database_url, project)

    assert query(database_url, "select l from seen") == [("6s",)]


def test_options_of_the_down_section_are_its_own(project, database_url, query):
    up, down = "create table seen (l text);", "insert into seen select current_setting('lock_timeout');"
    project.migration("1_a", up=up, down=down, up_options="lock_timeout:1s", down_options="lock_timeout:9s")
    options = Options(directories=(str(project.migrations),))

    Migrator(database_url, options).up()
    Migrator(database_url, options).rollback()

    assert query(database_url, "select l from seen") == [("9s",)]


def test_a_statement_timeout_fails_at_once_and_is_not_tried_again(project, database_url):
    project.migration("1_a", up="create table a ();\nselect pg_sleep(30);", up_options="timeout:300ms")

    started = time.monotonic()
    with pytest.raises(MigrationFailed) as caught:
        migrate(database_url, project)

    assert time.monotonic() - started < 10
    assert (caught.value.code, caught.value.sqlstate) == ("E401", "57014")
    assert "statement_timeout = 300ms" in dict(caught.value.details)["limit"]
    assert retries == []
    assert faults.versions(database_url) == []


def test_a_deadlock_is_tried_again(project, database_url, query):
    query(
        database_url,
        "create table a (n int); create table b (n int); insert into a values (1); insert into b values (1)",
    )
    project.migration(
        "1_a", up="update a set n = n + 1;\nselect pg_sleep(1.5);\nupdate b set n = n + 1;", up_options="lock_timeout:0"
    )
    other = psycopg.connect(database_url)
    other.execute("set deadlock_timeout = '1h'")  # so that the server ends the migration, not the other session
    other.execute("update b set n = n + 10")

    def cross() -> None:
        faults.backend(database_url, doing="%pg_sleep%")
        other.execute("update a set n = n + 10")
        other.commit()

    crossing = threading.Thread(target=cross)
    crossing.start()
    migrate(database_url, project)
    crossing.join()
    other.close()

    assert len(retries) >= 1
    assert query(database_url, "select a.n, b.n from a, b") == [(12, 12)]
    assert faults.versions(database_url) == ["1"]


def test_a_lock_that_the_record_itself_cannot_get_is_tried_again(project, database_url, query):
    project.migration("1_a", up="create table a ();")
    migrate(database_url, project)
    project.migration("2_b", up="create table b ();")
    with faults.transaction(database_url, "lock table schema_migrations in share mode") as blocker:
        release = threading.Timer(1.5, blocker.rollback)
        release.start()
        migrate(database_url, project)
        release.join()

    assert retries
    assert faults.versions(database_url) == ["1", "2"]


def test_a_step_without_a_transaction_waits_for_its_lock_as_well(project, database_url, query):
    query(database_url, "create table a (n int)")
    project.migration("1_a", up="insert into a values (1);\nalter table a add column m int;", up_options=FALSE)
    with faults.transaction(database_url, "select * from a") as blocker:
        release = threading.Timer(2, blocker.rollback)
        release.start()
        migrate(database_url, project)
        release.join()

    assert retries
    assert query(database_url, "select count(*) from a") == [(1,)]


def test_a_step_without_a_transaction_that_gives_up_can_be_resumed(run, project, database_url, query):
    query(database_url, "create table a (n int)")
    project.migration("1_a", up="insert into a values (1);\nalter table a add column m int;", up_options=FALSE)
    with faults.transaction(database_url, "select * from a"), pytest.raises(NeedsAttention) as caught:
        migrate(database_url, project, lock_timeout=0.2, budget=0.5)

    assert caught.value.state == "1_a.sql is unfinished: statement 1 is done, statement 2 was rolled back"
    assert any(label == "BLOCKED BY" for label, _ in caught.value.details)
    assert faults.finish(database_url, project) == ["up", "resume", "up"]
    assert query(database_url, "select count(*) from a") == [(1,)]


@pytest.mark.parametrize("setting", ["role", "database", "url", "flag"])
def test_no_lock_timeout_breaks_an_index_build(project, database_url, query, setting):
    query(database_url, "create table a (n int)")
    project.migration("1_a", up="create index concurrently a_n on a (n);", up_options=FALSE)
    name = query(database_url, "select current_database()")[0][0]
    if setting == "role":
        query(database_url, f"alter role current_user in database {name} set lock_timeout = '100ms'")
    if setting == "database":
        query(database_url, f"alter database {name} set lock_timeout = '100ms'")
    url = database_url + ("&lock_timeout=100ms" if setting == "url" else "")
    pacing = {"lock_timeout": 0.1} if setting == "flag" else {}
    with faults.transaction(database_url, "insert into a values (1)") as blocker:
        release = threading.Timer(1.5, blocker.rollback)
        release.start()
        migrate(url, project, **pacing)
        release.join()

    assert query(database_url, INVALID) == []
    assert query(database_url, "select indisvalid from pg_index where indexrelid = 'a_n'::regclass") == [(True,)]


def test_a_role_that_may_not_look_at_others_waits_for_them_all_the_same(project, database_url, query, server):
    query(database_url, "create table a (n int)")
    project.migration("1_a", up="alter table a add column m int;")
    with (
        faults.plain_role(server, database_url, "a") as url,
        faults.transaction(database_url, "select * from a") as blocker,
    ):
        release = threading.Timer(2, blocker.rollback)
        release.start()
        migrate(url, project)
        release.join()

    assert len(retries) == 1
    assert len(retries[0].blockers) == 1
