"""Nothing waits for ever, or without a word: silent connections, a held log table, prepared transactions."""

from __future__ import annotations

import signal
import threading
import time

import psycopg
import pytest

from dbmigrate.api.migrator import Migrator, Options
from dbmigrate.connection import dsn, silence
from dbmigrate.errors import MigrationFailed
from dbmigrate.execution.lock_retries import Pacing
from tests.support import faults
from tests.support.children import eventually
from tests.support.faults import FALSE
from tests.support.proxy import TO_CLIENT, TO_SERVER, Action, Fault, Proxy

UP = ("up", "--no-dump-schema")
LOG = "public.schema_migrations_log"


def name_of(url: str) -> str:
    return dsn.parse(url).database


@pytest.fixture
def proxy(server):
    if not server.is_ours:
        pytest.skip("needs a server with a TCP port of its own")
    with Proxy(server) as proxy:
        yield proxy


# ------------------------------------------------------------------------------------------------- silent connections


@pytest.mark.parametrize(
    ("direction", "text"),
    [
        (TO_SERVER, b"set_config"),
        (TO_SERVER, b"pg_try_advisory_lock"),
        (TO_SERVER, b"pg_sleep"),
        (TO_SERVER, b"COMMIT"),
        (TO_CLIENT, b"INSERT 0 1"),
    ],
    ids=["login", "lock", "a statement of the file", "commit", "an answer"],
)
def test_a_connection_that_swallows_what_is_sent_is_given_up(run, project, database_url, proxy, direction, text):
    project.migration("1_a", up="create table a ();\nselect pg_sleep(0);")
    fault = proxy.arm(Fault(direction, Action.SWALLOW, text=text))
    started = time.monotonic()

    done = run(*UP, env={"DATABASE_URL": proxy.url(name_of(database_url))}, timeout=100)

    assert fault.happened
    assert time.monotonic() - started < 90
    assert "Traceback" not in done.stderr
    if text != b"INSERT 0 1" and text != b"COMMIT":
        assert done.exit_code == 3, done.stderr
        assert "E305" in done.stderr
        assert "no answer from the server" in done.stderr


def test_a_statement_that_takes_long_is_not_taken_for_a_silent_connection(run, project, database_url, proxy):
    project.migration("1_a", up="create table a ();\nselect pg_sleep(24);")

    done = run(*UP, env={"DATABASE_URL": proxy.url(name_of(database_url))}, timeout=60)

    assert done.exit_code == 0, done.stderr


def test_a_commit_that_checks_deferred_constraints_for_long_is_not_taken_for_a_silent_connection(
    project, database_url, monkeypatch
):
    slow = "create function slow() returns trigger language plpgsql as 'begin perform pg_sleep(8); return null; end';"
    project.migration(
        "1_a",
        up=f"""\
create table a (n int);
{slow}
create constraint trigger slow after insert on a deferrable initially deferred for each row execute function slow();
begin;
insert into a values (1);
commit;
""",
        up_options=FALSE,
    )
    monkeypatch.setattr(silence.limit, "__defaults__", (4.0,))

    Migrator(database_url, Options(directories=(str(project.migrations),))).up()

    assert faults.versions(database_url) == ["1"]


# --------------------------------------------------------------------------------------------- a log table that is held


@pytest.fixture(params=["share row exclusive", "access exclusive"])
def held(request, run, project, database_url):
    """A project whose log table somebody holds, and the statement outside of a transaction that comes next."""
    project.migration("1_a", up="create table a (n int);")
    assert run(*UP, env={"DATABASE_URL": database_url}).exit_code == 0
    project.migration("2_b", up="create index concurrently i on a (n);\nvacuum a;", up_options=FALSE)
    with faults.transaction(database_url, f"lock table {LOG} in {request.param} mode") as conn:
        yield conn


def test_who_holds_the_log_table_is_named_and_then_the_run_goes_on(start, held, database_url):
    process = start(*UP, env={"DATABASE_URL": database_url})
    told: list[str] = []
    reader = threading.Thread(target=lambda: told.extend(process.stderr), daemon=True)
    reader.start()
    is_told = eventually(
        lambda: any("Waiting for a lock on the tracking tables, held by process" in x for x in told), seconds=20
    )

    held.rollback()

    assert process.wait(timeout=30) == 0
    assert is_told, told
    assert any("somebody else" in line for line in told)


def test_sigterm_ends_a_run_whose_log_table_is_held_within_seconds(start, held, database_url):
    process = start(*UP, env={"DATABASE_URL": database_url})
    pid = faults.backend(database_url, doing="%schema_migrations_log%")
    assert faults.waits_for_lock(database_url, pid)
    started = time.monotonic()

    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=40)

    assert time.monotonic() - started < 20
    assert process.returncode == 143, told


def test_a_failed_step_that_cannot_be_logged_is_told_once_and_settled_by_resume(
    start, run, project, database_url, query
):
    env = {"DATABASE_URL": database_url}
    project.migration("1_a", up="create table a (n int);")
    assert run(*UP, env=env).exit_code == 0
    project.migration("2_b", up="create index concurrently i on a (n);", up_options=FALSE)
    with faults.transaction(database_url, "insert into a values (1)") as writer:
        process = start(*UP, env=env)
        assert faults.waits_for_lock(database_url, faults.backend(database_url, doing="create index concurrently%"))
        with faults.transaction(database_url, f"lock table {LOG} in share row exclusive mode"):
            process.send_signal(signal.SIGTERM)
            _, told = process.communicate(timeout=40)
        writer.rollback()

    assert process.returncode == 143, told
    assert told.count("warning[W681]") == 1
    assert "2_b.sql is unfinished" in told
    assert query(database_url, f"select step from {LOG} where state = 'started' order by step") == [(1,), (None,)]
    assert run("resume", "--no-dump-schema", env=env).exit_code == 0
    assert query(database_url, "select indisvalid from pg_index where indexrelid = 'i'::regclass") == [(True,)]
    assert query(database_url, f"select 1 from {LOG} where state = 'started'") == []


def test_a_failure_that_cannot_be_noted_is_told_without_waiting(run, project, database_url):
    project.migration("1_a", up="create table a (n int);")
    assert run(*UP, env={"DATABASE_URL": database_url}).exit_code == 0
    project.migration("2_b", up="select 1 / 0;")
    started = time.monotonic()
    with faults.transaction(database_url, f"lock table {LOG} in share row exclusive mode"):
        done = run(*UP, env={"DATABASE_URL": database_url}, timeout=60)

    assert done.exit_code == 4, done.stderr
    assert time.monotonic() - started < 15
    assert "division by zero" in done.stderr
    assert "warning[W681]: the failure is not in the log: the log table is locked by process " in done.stderr
    assert "somebody else" in done.stderr


def test_a_migration_in_a_transaction_names_who_holds_the_log_table(run, project, database_url):
    project.migration("1_a", up="create table a (n int);")
    assert run(*UP, env={"DATABASE_URL": database_url}).exit_code == 0
    project.migration("2_b", up="create table b ();")
    with faults.transaction(database_url, f"lock table {LOG} in share row exclusive mode") as conn:
        threading.Timer(6, conn.rollback).start()
        done = run(*UP, "--lock-timeout", "0", env={"DATABASE_URL": database_url}, timeout=60)

    assert done.exit_code == 0, done.stderr
    assert "somebody else" in done.stderr


# --------------------------------------------------------------------------------------------- prepared transactions


@pytest.fixture
def prepared(run, project, server, database_url, query):
    """A table that a prepared transaction has written to; it is rolled back at the end, if it is still there."""
    if server.admin.execute("show max_prepared_transactions").fetchone() == ("0",):
        pytest.skip("needs max_prepared_transactions")
    query(database_url, "create table a (n int)")
    with psycopg.connect(database_url) as conn:
        conn.execute("insert into a values (1)")
        conn.execute("prepare transaction 'it''s left'")
    yield "it''s left"
    with psycopg.connect(database_url, autocommit=True) as conn:
        if conn.execute("select 1 from pg_prepared_xacts where gid = 'it''s left'").fetchall():
            conn.execute("rollback prepared 'it''s left'")


WAY_OUT = "ROLLBACK PREPARED 'it''s left'"


def test_a_prepared_transaction_that_holds_a_table_is_named_with_its_way_out(project, database_url, prepared):
    project.migration("1_a", up="alter table a add m int;")

    options = Options(directories=(str(project.migrations),), pacing=Pacing(lock_timeout=1.0, budget=2.5, patience=0.5))
    with pytest.raises(MigrationFailed) as raised:
        Migrator(database_url, options).migrate()

    (label, told), *others = raised.value.details
    assert others == [("limit", "lock_timeout = 1s, set by this run")]
    assert label == "BLOCKED BY"
    assert told.startswith("the prepared transaction 'it''s left' (role ")
    assert WAY_OUT in told


def test_an_index_that_waits_for_a_prepared_transaction_says_so(start, project, database_url, query, prepared):
    project.migration("1_a", up="create index concurrently i on a (n);", up_options=FALSE)
    process = start(*UP, env={"DATABASE_URL": database_url})
    told: list[str] = []
    threading.Thread(target=lambda: told.extend(process.stderr), daemon=True).start()

    is_told = eventually(lambda: any(WAY_OUT in line for line in told), seconds=50)
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute(f"rollback prepared '{prepared}'")

    assert process.wait(timeout=30) == 0
    assert is_told, told


# --------------------------------------------------------------------------------------------------------- one session


def test_a_role_that_may_have_one_session_gets_its_schema_file(run, project, server, database_url, query):
    project.migration("1_a", up="create table a (n int);")
    with faults.plain_role(server, database_url) as url:
        role = dsn.parse(url).conninfo["user"]
        query(database_url, f"alter role {role} connection limit 1")

        done = run("up", env={"DATABASE_URL": url})

    assert done.exit_code == 0, done.stderr
    assert "create table" in (project.root / "db" / "schema.sql").read_text().lower()
    assert "W682" in done.stderr
