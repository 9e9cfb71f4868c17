"""A backfill among others: cut connections, other runs, waiting DDL, locks and deadlocks of the application."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

import psycopg
import pytest

from dbmigrate.errors import ConnectionFailed, Error, LockNotAcquired, MigrationFailed, NeedsAttention, Refused
from dbmigrate.events import BackfillProgress
from dbmigrate.execution.lock_retries import Pacing
from tests.support import faults
from tests.support.backfills import Told, counters, fill, migrator, project_of, upkeep, versions
from tests.support.children import eventually
from tests.support.proxy import TO_SERVER, Action, Fault, Proxy

COMMITS = dict(direction=TO_SERVER, text=b"COMMIT", kind=b"Q")


@pytest.fixture
def proxy(server):
    with Proxy(server) as proxy:
        yield proxy


def name_of(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


@pytest.mark.parametrize("action", [Action.CUT, Action.CUT_AFTER], ids=["before", "after"])
def test_cut_at_commits_each_row_is_changed_once(proxy, database_url, project, action):
    """From the first log entry on; the cursor says whether the page that was cut is done."""
    fill(database_url, number=2000)
    project_of(project, options="batch:100 target:2ms pause:0")
    cuts = [proxy.arm(Fault(action=action, number=number, **COMMITS)) for number in range(6, 46, 10)]

    try:
        migrator(proxy.url(name_of(database_url)), project).up()
    except Error:  # cut where no page was running
        migrator(database_url, project).up()

    assert sum(cut.happened for cut in cuts) >= 3
    assert counters(database_url) == (1, 1, 2000)
    assert versions(database_url) == ["1"]


def test_cut_at_the_commit_of_its_version_row_a_backfill_is_finished_by_up(make_database, server, project):
    """All pages are done, and nobody has to decide anything."""
    project_of(project, options="batch:100 target:1h pause:0")
    found = []
    for number in range(10, 15):
        url = make_database()
        fill(url, number=100)
        with Proxy(server) as proxy:
            proxy.arm(Fault(action=Action.CUT, number=number, **COMMITS))
            try:
                migrator(proxy.url(name_of(url)), project).up()
            except Error as error:
                found.append(error.code)
                migrator(url, project).up()
        assert counters(url) == (1, 1, 100), number
        assert versions(url) == ["1"], number

    assert "E501" in found


@pytest.mark.matrix
def test_cut_at_any_commit_each_row_is_changed_once(server, make_database, project):
    project_of(project, options="batch:100 target:1h pause:0")
    for number in range(1, 40):
        for action in (Action.CUT, Action.CUT_AFTER):
            url = make_database()
            fill(url, number=1000)
            with Proxy(server) as proxy:
                proxy.arm(Fault(action=action, number=number, **COMMITS))
                try:
                    migrator(proxy.url(name_of(url)), project).up()
                except Error:
                    migrator(url, project).up()
            assert counters(url) == (1, 1, 1000), (number, action)


def test_a_slow_commit_does_not_make_pages_small(proxy, database_url, project, query):
    fill(database_url, number=3000)
    project_of(project, options="batch:400 target:20ms pause:0")
    slow = [
        Fault(action=Action.BEFORE, number=number, call=lambda: time.sleep(0.1), **COMMITS) for number in range(8, 20)
    ]
    for fault in slow:
        proxy.arm(fault)

    told = Told()
    migrator(proxy.url(name_of(database_url)), project, told).up()

    pages = query(database_url, "select (details ->> 'pages')::int from schema_migrations_log where step = 1")
    assert pages[0][0] <= 3000 // 20
    assert counters(database_url) == (1, 1, 3000)


def test_a_run_that_lost_its_lock_to_another_one_changes_nothing_more(database_url, project, query):
    """The file itself drops the lock; the second run takes the cursor over, and the first one cannot move it."""
    fill(database_url, number=2000)
    project_of(
        project,
        "update t set n = n + 1 where :batch;\nselect pg_advisory_unlock_all(), count(*) from t where :batch;",
        "batch:100 target:1ms pause:30ms",
    )
    ended: list[str] = []

    def run() -> None:
        try:
            migrator(database_url, project).up()
            ended.append("done")
        except (LockNotAcquired, NeedsAttention) as exc:
            ended.append(exc.code)

    first, second = threading.Thread(target=run), threading.Thread(target=run)
    first.start()
    assert eventually(lambda: query(database_url, "select 1 from t where n > 0") != [])
    second.start()
    first.join(timeout=60)
    second.join(timeout=60)

    # behind its last page the first one finds the lock gone, too (E501); on a busy machine it ends before the second
    assert sorted(ended) in (["E601", "done"], ["E501", "done"], ["done", "done"])
    assert counters(database_url) == (1, 1, 2000)
    assert versions(database_url) == ["1"]


def test_a_row_that_somebody_holds_is_waited_for_with_smaller_pages(database_url, project):
    fill(database_url, number=1000)
    project_of(project, options="batch:400 pause:0")
    told = Told()
    with faults.transaction(database_url, "update t set n = n where id = 600") as blocker:
        threading.Timer(0.8, blocker.rollback).start()

        migrator(database_url, project, told).up()

    assert counters(database_url) == (1, 1, 1000)


def test_a_row_that_is_held_for_too_long_ends_it_with_the_cursor_kept(database_url, project, query):
    fill(database_url, number=1000)
    project_of(project, options="batch:400 pause:0")
    with (
        faults.transaction(database_url, "update t set n = n where id = 1500"),
        pytest.raises(MigrationFailed) as failed,
    ):
        migrator(database_url, project, pacing=Pacing(budget=0.5)).up()
    assert failed.value.code == "E405"
    done = query(database_url, "select count(*) from t where n = 1")[0][0]
    assert f"after id = {done * 3}: {done} rows were changed" in failed.value.state

    migrator(database_url, project).up()

    assert counters(database_url) == (1, 1, 1000)


def test_ddl_that_waits_for_the_table_gets_in_first(database_url, project, query):
    """The page would queue behind it otherwise, and run into its lock timeout."""
    fill(database_url, number=3000)
    project_of(project, options="batch:100 target:1h pause:5ms")
    told = Told()
    with (
        psycopg.connect(database_url, autocommit=True) as ddl,
        faults.transaction(database_url, "select count(*) from t") as reader,
    ):
        altering = threading.Thread(target=lambda: ddl.execute("alter table t add m int"))
        altering.start()
        assert faults.waits_for_lock(database_url, ddl.info.backend_pid)
        running = threading.Thread(target=lambda: migrator(database_url, project, told).up())
        running.start()
        waited = eventually(lambda: bool(told.waits))
        locks = query(database_url, "select count(*) from pg_locks where not granted")
        reader.rollback()
        running.join(timeout=60)
        altering.join(timeout=10)

    assert waited
    assert locks == [(1,)]
    assert "waits for AccessExclusiveLock on public.t" in told.waits[0]
    assert counters(database_url) == (1, 1, 3000)


def test_a_wait_has_an_end(database_url, project, query):
    fill(database_url, number=1000)
    project_of(project)

    ddl = psycopg.connect(database_url, autocommit=True)

    def alter() -> None:
        with pytest.raises(psycopg.errors.QueryCanceled):
            ddl.execute("alter table t add m int")

    altering = threading.Thread(target=alter)
    with faults.transaction(database_url, "select count(*) from t"):
        altering.start()
        assert faults.waits_for_lock(database_url, ddl.info.backend_pid)
        with pytest.raises(LockNotAcquired) as waited:
            migrator(database_url, project, pacing=Pacing(max_wait=0.3)).up()
        ddl.cancel_safe()
        altering.join(timeout=10)
    ddl.close()

    assert (waited.value.code, waited.value.exit_code) == ("E610", 6)
    assert "waits for AccessExclusiveLock" in waited.value.message
    assert waited.value.state == "no page of 1_fill.sql is done"
    migrator(database_url, project).up()
    assert counters(database_url) == (1, 1, 1000)


@contextmanager
def application(url: str, clients: int, rows: int):
    """Transactions that update four rows each, in a random order; the errors that they got."""
    ended, errors = threading.Event(), []

    def work() -> None:
        with psycopg.connect(url, autocommit=True) as conn:
            while not ended.is_set():
                try:
                    with conn.transaction():
                        for _ in range(4):
                            conn.execute(
                                "update t set m = m + 1 where id = 3 * (1 + floor(random() * %s))::int", (rows,)
                            )
                            time.sleep(0.003)
                except psycopg.Error as exc:
                    errors.append(exc.sqlstate)

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield errors
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def test_no_transaction_of_the_application_dies_of_a_deadlock_with_the_backfill(database_url, project, query):
    """One client: it cannot deadlock with its like. Pages go in key order, its transactions do not."""
    fill(database_url, number=60)
    query(database_url, "alter table t add m int not null default 0")
    project_of(project, "update t set n = n + 1 where :batch and pg_sleep(0.01) is not null;", "batch:30 pause:0")
    with application(database_url, 1, 60) as errors:
        migrator(database_url, project).up()

    assert errors == []
    assert query(database_url, "select min(n), max(n) from t") == [(1, 1)]


def test_neither_of_two_clients_dies_of_a_deadlock_with_the_backfill(database_url, project, query):
    """Their rows are not each other's, and they take them against the order of the pages: a page meets both."""
    fill(database_url, number=60)
    for scan in ("seqscan", "bitmapscan"):  # so that pages take their rows in the order of the key
        query(database_url, f"alter database {name_of(database_url)} set enable_{scan} = off")
    query(database_url, "alter table t add m int not null default 0")
    project_of(project, "update t set n = n + 1 where :batch and pg_sleep(0.01) is not null;", "batch:30 pause:0")
    told, ended, errors, done = Told(), threading.Event(), [], [0, 0]

    def work(own: int) -> None:
        with psycopg.connect(database_url, autocommit=True) as conn:
            while not ended.is_set():
                try:
                    with conn.transaction():
                        for row in range(60 - own, 0, -6):
                            conn.execute("update t set m = m + 1 where id = 3 * %s::int", (row,))
                            time.sleep(0.003)
                    done[own] += 1
                except psycopg.Error as exc:
                    errors.append(exc.sqlstate)

    clients = [threading.Thread(target=work, args=(own,)) for own in (0, 1)]
    for client in clients:
        client.start()
    assert eventually(lambda: min(done) > 0)
    try:
        migrator(database_url, project, told).up()
    finally:
        ended.set()
        for client in clients:
            client.join()

    assert errors == []
    pages = [each.page[0] for each in told.events if isinstance(each, BackfillProgress)]
    assert pages[0] < 30  # it yielded
    assert query(database_url, "select min(n), max(n) from t") == [(1, 1)]


def test_row_level_security_that_hides_rows_is_refused(server, database_url, project, query):
    fill(database_url, number=10)
    query(database_url, "alter table t enable row level security; create policy p on t using (id < 15)")
    with faults.plain_role(server, database_url) as url:
        query(database_url, "grant create on schema public to public; grant select, update on t to public")
        project_of(project)
        with pytest.raises(Refused, match=r"row level security of public\.t hides rows") as refused:
            migrator(url, project).up()

    assert refused.value.code == "E760"
    assert counters(database_url) == (0, 0, 10)


def test_a_lost_server_is_an_error_with_the_cursor_kept(proxy, database_url, project, monkeypatch):
    from dbmigrate.execution import backfills

    monkeypatch.setattr(backfills, "_RECONNECT_SECONDS", 0.5)
    fill(database_url, number=1000)
    project_of(project, options="batch:100 target:1ms pause:0")
    proxy.arm(Fault(action=Action.BEFORE, number=8, call=proxy.stop_listening, **COMMITS))
    proxy.arm(Fault(action=Action.CUT, number=9, **COMMITS))

    with pytest.raises((ConnectionFailed, MigrationFailed)):
        migrator(proxy.url(name_of(database_url)), project).up()

    migrator(database_url, project).up()
    assert counters(database_url) == (1, 1, 1000)


def test_resume_goes_on_with_a_backfill_too_and_undo_takes_it_back(database_url, project, query):
    fill(database_url, number=1000)
    down = "update t set n = 0 where :batch;"
    failing = "update t set n = n + 1 / (1500 - id) * 0 + 1 where :batch;"
    project_of(project, failing, "batch:100 pause:0", down=down, down_options="backfill:t")
    with pytest.raises(MigrationFailed):
        migrator(database_url, project).up()

    upkeep(database_url, project).undo()

    assert counters(database_url) == (0, 0, 1000)
    assert versions(database_url) == []
    with pytest.raises(MigrationFailed):
        migrator(database_url, project).up()
    project_of(project, options="batch:100 pause:0")
    from dbmigrate.api.records import Decision

    upkeep(database_url, project).resume(Decision())
    assert counters(database_url) == (1, 1, 1000)
