"""``locks``: who waits for whom, since when and with what query; a session is ended after a confirmation only."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime

import psycopg
import pytest

from dbmigrate.diagnostics import locks
from dbmigrate.diagnostics.lock_values import Session
from dbmigrate.execution import run_lock
from tests.support import faults

NOW = datetime(2026, 3, 1, tzinfo=UTC)


class Crowd:
    """Sessions of other people; `at` opens one that runs a statement and may have to wait."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        self._url = url
        self._stack = stack

    def at(self, *statements: str, name: str) -> psycopg.Connection:
        """A session that has run `statements`, in a transaction that is open."""
        conn = psycopg.connect(self._url, application_name=name)
        self._stack.callback(conn.close)
        for statement in statements:
            conn.execute(statement.encode())
        return conn

    def waiting(self, statement: str, *, name: str) -> int:
        """The process of a session that waits with `statement` now."""
        conn = psycopg.connect(self._url, application_name=name)
        pid = conn.info.backend_pid
        thread = threading.Thread(target=_run, args=(conn, statement), daemon=True)
        thread.start()
        self._stack.callback(thread.join, 20)
        self._stack.callback(_end, self._url, pid)
        assert faults.waits_for_lock(self._url, pid), name
        return pid


def _run(conn: psycopg.Connection, statement: str) -> None:
    with suppress(psycopg.Error), conn:
        conn.execute(statement.encode())


def _end(url: str, pid: int) -> None:
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("select pg_terminate_backend(%s)", (pid,))


@pytest.fixture
def crowd(database_url, query) -> Iterator[Crowd]:
    query(database_url, "create table orders (id int primary key, note text); insert into orders values (1, 'x')")
    with ExitStack() as stack:
        yield Crowd(database_url, stack)


def pid_of(conn: psycopg.Connection) -> int:
    return conn.info.backend_pid


def is_there(url, query, pid) -> bool:
    return query(url, "select 1 from pg_stat_activity where pid = %s", (pid,)) != []


# ------------------------------------------------------------------------------------------------------------- showing


def test_nobody_waits(command) -> None:
    done = command("locks")

    assert (done.exit_code, done.stdout) == (0, "Nobody waits for a lock\n")


def test_the_tree_shows_blockers_waits_and_queries(command, crowd) -> None:
    reader = crowd.at("select * from orders", name="reports")
    alter = crowd.waiting("alter table orders add column total numeric", name="migration")
    queued = crowd.waiting("select note from orders", name="shop")

    done = command("locks")

    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"process {pid_of(reader)} · ")
    assert " · idle in transaction for " in lines[0]
    assert lines[0].endswith(" · reports · blocks 2 sessions")
    assert lines[1] == "    select * from orders"
    assert lines[2] == "    holds AccessShareLock on public.orders"
    assert lines[3].startswith(f"  process {alter} · ")
    assert " · waits for " in lines[3]
    assert " for AccessExclusiveLock on public.orders · migration · blocks 1 session" in lines[3]
    assert lines[4] == "      alter table orders add column total numeric"
    assert lines[5].startswith(f"    process {queued} · ")
    assert " for AccessShareLock on public.orders · shop" in lines[5]
    assert lines[-1] == f"End a session with: dbmigrate locks --kill {pid_of(reader)}"


def test_a_program_gets_the_same_flat(command, crowd) -> None:
    reader = crowd.at("select * from orders", name="reports")
    alter = crowd.waiting("alter table orders add column total numeric", name="migration")

    value = json.loads(command("locks", "--json").stdout)

    assert (value["command"], value["ok"], value["waiting"]) == ("locks", True, 1)
    found = {each["pid"]: each for each in value["sessions"]}
    assert found.keys() == {pid_of(reader), alter}
    assert found[pid_of(reader)]["blocks"] == [alter]
    assert found[alter]["blocked_by"] == [pid_of(reader)]
    assert found[alter]["waits_for"]["mode"] == "AccessExclusiveLock"
    assert found[alter]["waits_for"]["on"] == "public.orders"
    assert datetime.fromisoformat(found[alter]["waits_for"]["since"]).tzinfo is not None


def test_a_row_that_two_change_is_named_by_its_table(command, crowd) -> None:
    crowd.at("update orders set note = 'y'", name="first")
    crowd.waiting("update orders set note = 'z'", name="second")

    assert "on a row of public.orders · second" in command("locks").stdout


def test_an_open_transaction_that_nobody_waits_for_is_shown_too(command, crowd) -> None:
    conn = crowd.at("update orders set note = 'y'", name="forgotten")

    done = command("locks")

    assert done.stdout.startswith("Nobody waits for a lock\n\nOpen transactions that nobody waits for:\n")
    assert f"  process {pid_of(conn)} · " in done.stdout
    assert " · forgotten\n" in done.stdout


def test_the_run_that_holds_the_migration_lock_is_marked(command, crowd, database_url) -> None:
    key = run_lock.key_for("public.schema_migrations")
    with psycopg.connect(database_url, autocommit=True, application_name="a run") as conn:
        conn.execute(f"select pg_advisory_lock({key.sql})".encode())

        done = command("locks")

    assert locks.NAMESPACE == run_lock.NAMESPACE
    assert " · a run · holds the migration lock\n" in done.stdout


def test_a_prepared_transaction_is_shown_with_its_way_out(command, crowd, database_url, query) -> None:
    if query(database_url, "show max_prepared_transactions") == [("0",)]:
        pytest.skip("the server prepares no transactions")
    gid = f"it's {database_url[-12:]}"
    quoted = gid.replace("'", "''")
    with psycopg.connect(database_url, autocommit=True) as conn:
        for statement in ("begin", "lock table orders", f"prepare transaction '{quoted}'"):
            conn.execute(statement.encode())
    try:
        waiting = crowd.waiting("select * from orders", name="shop")

        done = command("locks")
    finally:
        query(database_url, f"rollback prepared '{quoted}'")

    assert f"process {waiting} · " in done.stdout
    assert f"end it with ROLLBACK PREPARED '{quoted}'" in done.stdout
    assert "one of them blocks others" in done.stdout


def test_secrets_in_queries_are_masked(command, crowd) -> None:
    crowd.at("select 'hunter2-of-a-variable'", name="one")
    crowd.at("create role x_nobody password 'hunter2'", name="two")
    crowd.at("select 'postgres://me:hunter2@h/app'", name="three")

    shown = [command("locks", *more, env={"DBMIGRATE_VAR_WORD": "hunter2-of-a-variable"}) for more in ((), ("--json",))]

    for done in shown:
        assert "create role x_nobody password ********" in done.stdout
        assert "hunter2" not in done.stdout + done.stderr


def test_queries_of_others_need_a_right_and_the_output_says_which(run, server, crowd, database_url) -> None:
    crowd.at("lock table orders", name="reports")
    crowd.waiting("select * from orders", name="shop")
    with faults.plain_role(server, database_url) as url:
        done = run("locks", env={"DATABASE_URL": url})

    assert done.exit_code == 0, done.stderr
    assert "grant pg_read_all_stats" in done.stdout
    assert "for AccessShareLock on public.orders" in done.stdout
    assert "lock table" not in done.stdout


def test_a_hostile_name_stays_in_its_line(command, crowd) -> None:
    crowd.at('select 1 as "a\n::error::b\x1b[31m"', name="evil\x1bname")

    done = command("locks")

    assert "\x1b" not in done.stdout
    assert "\n::error" not in done.stdout


# -------------------------------------------------------------------------------------------------------------- ending


def test_a_session_is_ended_after_a_confirmation_and_the_queue_goes_on(
    command, crowd, database_url, query, runner
) -> None:
    blocker = crowd.at("lock table orders", name="reports")
    waiting = crowd.waiting("update orders set note = 'z'", name="shop")

    refused = command("locks", "--kill", str(pid_of(blocker)))
    no = runner.run_typing("locks", "--kill", str(pid_of(blocker)), typed="n\n", env={"DATABASE_URL": database_url})
    assert is_there(database_url, query, pid_of(blocker))
    yes = runner.run_typing("locks", "--kill", str(pid_of(blocker)), typed="y\n", env={"DATABASE_URL": database_url})

    assert refused.exit_code == 7
    assert "E706" in refused.stderr
    assert no.exit_code == 7
    assert f"end process {pid_of(blocker)} · " in no.stderr
    assert (yes.exit_code, yes.stdout) == (0, f"ended the session of process {pid_of(blocker)}\n")
    assert not is_there(database_url, query, pid_of(blocker))
    assert faults.is_gone(database_url, waiting, seconds=20)  # it got its lock, and was done
    assert query(database_url, "select note from orders") == [("z",)]


def test_a_session_that_does_not_hear_is_a_time_out(command, crowd, server, database_url, query) -> None:
    """The process of the session is stopped, as one that hangs in a system call of a broken disk."""
    if not server.is_ours:
        pytest.skip("stops a process of the server, which has to be on this machine")
    blocker = crowd.at("lock table orders", name="reports")
    pid = pid_of(blocker)
    os.kill(pid, signal.SIGSTOP)
    try:
        done = command("locks", "--kill", str(pid), "--yes")
        remains = is_there(database_url, query, pid)
    finally:
        os.kill(pid, signal.SIGCONT)

    assert (done.exit_code, done.stdout, remains) == (6, f"asked process {pid} to end\n", True)
    assert f"warning[W405]: process {pid} is still there" in done.stderr
    assert faults.is_gone(database_url, pid, seconds=20)  # what it was asked it does now


def test_only_what_is_in_the_picture_is_ended(command, crowd, database_url, query) -> None:
    with psycopg.connect(database_url, autocommit=True) as idle:
        idle.execute("select 1")
        for pid in (pid_of(idle), 1, 999_999_999):
            done = command("locks", "--kill", str(pid), "--yes")

            assert done.exit_code == 7
            assert f"error[E718]: process {pid} neither holds nor waits for anything here" in done.stderr
            assert "state: nothing was changed" in done.stderr
        assert is_there(database_url, query, pid_of(idle))


def test_a_protected_environment_wants_the_name_of_the_database(run, crowd, database_url, query) -> None:
    blocker = crowd.at("lock table orders", name="reports")
    name = database_url.partition("?")[0].rpartition("/")[2]
    kill = ("-e", "production", "locks", "--kill", str(pid_of(blocker)))
    env = {"PRODUCTION_DATABASE_URL": database_url}

    refused = run(*kill, "--yes", env=env)
    other = run(*kill, "--confirm", "another", env=env)
    assert is_there(database_url, query, pid_of(blocker))
    done = run(*kill, "--confirm", name, "--json", env=env)

    assert refused.exit_code == 7
    assert "E707" in refused.stderr
    assert other.exit_code == 7
    assert "E709" in other.stderr
    assert done.exit_code == 0, done.stderr
    value = json.loads(done.stdout)
    assert (value["process"], value["ended"]) == (pid_of(blocker), True)
    assert not is_there(database_url, query, pid_of(blocker))


def test_a_role_without_the_right_ends_nothing(run, server, crowd, database_url, query) -> None:
    blocker = crowd.at("lock table orders", name="reports")
    with faults.plain_role(server, database_url) as url:
        done = run("locks", "--kill", str(pid_of(blocker)), "--yes", env={"DATABASE_URL": url})

    assert done.exit_code == 4
    assert "error[E402]" in done.stderr
    assert is_there(database_url, query, pid_of(blocker))


def test_another_session_with_the_same_process_id_is_not_ended(database_url, crowd, query) -> None:
    blocker = crowd.at("lock table orders", name="reports")
    with psycopg.connect(database_url, autocommit=True) as conn:
        session = locks.named(locks.read(conn, str), pid_of(blocker))
        earlier = Session(**{name: getattr(session, name) for name in Session.__slots__} | {"started_at": NOW})

        with pytest.raises(Exception, match="has ended already") as caught:
            locks.end(conn, earlier)

    assert caught.value.code == "E719"
    assert is_there(database_url, query, pid_of(blocker))
