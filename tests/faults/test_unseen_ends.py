"""Statements outside a transaction whose end was not written down: the database is asked what became of them."""

from __future__ import annotations

import json
import os
import signal
import threading
from dataclasses import dataclass

import psycopg
import pytest

from tests.support import faults
from tests.support.children import eventually
from tests.support.faults import FALSE
from tests.support.proxy import TO_SERVER, Action, Fault, Proxy

UP = ("up", "--no-dump-schema")
RESUME = ("resume", "--no-dump-schema")
OPEN = "select step, state from schema_migrations_log where state = 'started'"
WAITING = """\
select pid, query from pg_stat_activity
where wait_event_type = 'Lock' and datname = current_database() and query like '%schema_migrations_log%'
"""
SETUP = """\
create table tally (n int, m int);
insert into tally values (1, 1), (2, 2);
create index old on tally (m);
"""
PARTITIONS = """\
create table whole (n int) partition by range (n);
create table part partition of whole for values from (0) to (10);
"""


@dataclass(frozen=True)
class Case:
    """A statement, what has to be there before, and a query for what it leaves when it has run once."""

    sql: str
    shows: str
    setup: str = ""


INDEX = "select indisvalid from pg_index where indexrelid = to_regclass('{}')"
ON_TALLY = "select count(*) from pg_index where indrelid = 'tally'::regclass and indisvalid having count(*) = {}"
CASES = {
    "create index": Case("create index concurrently new on tally (n)", INDEX.format("new")),
    "unique index": Case(
        "create unique index concurrently new on only public.tally (n) where n > 0", INDEX.format("new")
    ),
    "if not exists": Case("create index concurrently if not exists new on tally using btree (n)", INDEX.format("new")),
    "index without a name": Case("create index concurrently on tally ((n + m), n)", ON_TALLY.format(2)),
    "drop index": Case("drop index concurrently old", "select 1 where to_regclass('old') is null"),
    "reindex": Case("reindex index concurrently old", INDEX.format("old")),
    "detach": Case(
        "alter table whole detach partition part concurrently",
        "select 1 where not exists (select from pg_inherits where inhrelid = 'part'::regclass)",
        PARTITIONS,
    ),
    "vacuum": Case("vacuum (analyze) tally", "select 1 from pg_stats where tablename = 'tally' limit 1"),
    "enum value": Case(
        "alter type mood add value 'b'",
        "select 1 from pg_enum where enumlabel = 'b'",
        "create type mood as enum ('a');",
    ),
    "create database": Case("create database {name}_new", "select 1 from pg_database where datname = '{name}_new'"),
    "drop database": Case(
        "drop database {name}_old", "select 1 where not exists (select from pg_database where datname = '{name}_old')"
    ),
    "alter system": Case("alter system reset work_mem", "select 1"),
}
UNWATCHED = ("enum value",)  # in one transaction with its row: there is no moment in between
each_case = pytest.mark.parametrize("case", [case for name, case in CASES.items() if name not in UNWATCHED])


def name_of(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


@pytest.fixture
def migration(server, project, run, database_url, query):
    """Writes a migration of one statement and a row, up or down, and returns the command that runs it, and the case
    with its names filled in."""
    made = []

    def make(case: Case, *, down: bool = False) -> tuple[tuple[str, ...], Case]:
        name = name_of(database_url)
        case = Case(case.sql.format(name=name), case.shows.format(name=name), case.setup)
        if "detach" in case.sql and server.major < 14:
            pytest.skip("partitions are detached concurrently since PostgreSQL 14")
        query(database_url, f"create table ledger (n int); {SETUP}{case.setup}")
        made.append(name)
        if case.sql.startswith("drop database"):
            server.create(f"{name}_old")
        section = f"{case.sql};\ninsert into ledger values (1);"
        if not down:
            project.migration("1_a", up=section, up_options=FALSE)
            return UP, case
        project.migration("1_a", up="select 1;", down=section, down_options=FALSE)
        assert run(*UP, env={"DATABASE_URL": database_url}).exit_code == 0
        return ("rollback", "--no-dump-schema"), case

    yield make
    for name in made:
        server.drop(f"{name}_new")
        server.drop(f"{name}_old")


@pytest.fixture
def settled(run, database_url, query):
    """Checks that `resume` ends right, with no help, and that the log then says what is true."""

    def check(case: Case, *, versions: list[str]) -> None:
        env = {"DATABASE_URL": database_url}
        refused, done = run("up", "--no-dump-schema", env=env), run(*RESUME, env=env)
        assert (refused.exit_code, "E502" in refused.stderr) == (5, True), refused.stderr
        assert done.exit_code == 0, done.stderr
        assert len(query(database_url, case.shows)) == 1
        assert query(database_url, "select n from ledger") == [(1,)]
        assert faults.versions(database_url) == versions
        assert query(database_url, OPEN) == []
        untrue = (
            "select step from schema_migrations_log where state = 'done' and (error is not null or finished_at is null)"
        )
        assert query(database_url, untrue) == []
        failed = json.loads(run("history", "--failed", "--json", env=env).stdout)["entries"]
        assert {event["state"] for event in failed} <= {"failed"}

    return check


def interrupt_while_the_log_is_locked(server, start, url: str, *command: str, at: tuple[bytes, int] = (b"update ", 1)):
    """Send SIGTERM when a row waits for a lock, and end the lock when the row has been given up.

    `at`: which message writes the row.
    """
    started = []

    def lock() -> None:
        conn = psycopg.connect(url)
        conn.execute("lock table schema_migrations_log in share row exclusive mode")
        threading.Thread(target=interrupt, args=(conn,)).start()

    def interrupt(locker) -> None:
        with locker, psycopg.connect(url, autocommit=True) as conn:
            assert eventually(lambda: conn.execute(WAITING).fetchone())
            pid, text = conn.execute(WAITING).fetchone()
            started[0].send_signal(signal.SIGTERM)
            assert eventually(lambda: conn.execute(WAITING).fetchone() != (pid, text))

    with Proxy(server) as proxy:
        text, number = at
        fault = proxy.arm(Fault(TO_SERVER, Action.BEFORE, text=text, kind=b"Q", number=number, call=lock))
        started.append(start(*command, env={"DATABASE_URL": proxy.url(name_of(url))}))
        _, errors = started[0].communicate(timeout=60)
    assert fault.happened
    return started[0].returncode, errors


@pytest.mark.parametrize("down", [False, True], ids=["up", "down"])
@pytest.mark.parametrize(
    "case", [CASES["create index"], CASES["drop index"], CASES["detach"], CASES["create database"]]
)
def test_a_signal_between_a_statement_and_its_row_does_not_make_it_forgotten(
    server, start, migration, settled, database_url, query, case, down
):
    command, case = migration(case, down=down)

    exit_code, errors = interrupt_while_the_log_is_locked(server, start, database_url, *command)

    assert exit_code == 143, errors
    assert "1_a.sql is unfinished: statement 1 is done" in errors
    assert len(query(database_url, case.shows)) == 1
    settled(case, versions=[] if down else ["1"])


@each_case
@pytest.mark.parametrize("down", [False, True], ids=["up", "down"])
def test_killed_between_a_statement_and_its_row_the_database_is_asked(
    server, start, migration, settled, database_url, case, down
):
    command, case = migration(case, down=down)
    started = []

    def kill() -> None:
        os.kill(started[0].pid, signal.SIGKILL)
        started[0].wait(timeout=10)

    with Proxy(server) as proxy:
        fault = proxy.arm(Fault(TO_SERVER, Action.CUT, text=b"update ", kind=b"Q", call=kill))
        started.append(start(*command, env={"DATABASE_URL": proxy.url(name_of(database_url))}))
        started[0].wait(timeout=60)

    assert fault.happened
    settled(case, versions=[] if down else ["1"])


@pytest.mark.parametrize(
    ("name", "action", "sqlstate"),
    [
        *((name, Action.REFUSE, "57014") for name in CASES if name not in UNWATCHED),
        ("create index", Action.REFUSE, "53100"),
        *((name, Action.CUT, "") for name in ("create index", "detach", "create database")),
    ],
)
def test_a_row_that_cannot_be_written_does_not_make_the_statement_forgotten(
    server, run, migration, settled, database_url, name, action, sqlstate
):
    command, case = migration(CASES[name])
    with Proxy(server) as proxy:
        armed = proxy.arm(Fault(TO_SERVER, action, text=b"update ", kind=b"Q", sqlstate=sqlstate))
        done = run(*command, env={"DATABASE_URL": proxy.url(name_of(database_url))})

    assert armed.happened
    assert done.exit_code == 5, done.stderr
    assert "error[E501]" in done.stderr
    assert "statement 1 is done" in done.stderr
    settled(case, versions=["1"])


def test_a_signal_before_a_statement_was_announced_leaves_nothing_to_resume(
    server, start, run, migration, database_url, query
):
    command, _ = migration(CASES["create index"])
    announcement = (b"create index concurrently", 2)

    exit_code, errors = interrupt_while_the_log_is_locked(server, start, database_url, *command, at=announcement)

    assert exit_code == 143, errors
    assert "nothing of 1_a.sql was done" in errors
    assert query(database_url, OPEN) == []
    assert run(*UP, env={"DATABASE_URL": database_url}).exit_code == 0


# ------------------------------------------------------------------------------------------ what was there before

MASKS = {
    "an index on another column": "create index new on tally (m)",
    "an index on another table": "create table other (n int); create index new on other (n)",
    "an index with another definition": "create index new on tally (n) where n > 5",
    "a table": "create table new (n int)",
}


@pytest.fixture
def killed_while_waiting(start, migration, database_url, query):
    """A run that died when its index statement waited for a lock, before it did anything."""

    def kill(setup: str, statement: str = CASES["create index"].sql) -> None:
        command, _ = migration(Case(statement, "", f"{setup};" if setup else ""))
        with faults.transaction(database_url, "lock table tally in share update exclusive mode"):
            process = start(*command, env={"DATABASE_URL": database_url})
            pid = faults.backend(database_url, doing=f"{statement}%")
            assert faults.waits_for_lock(database_url, pid)
            process.kill()
            process.wait(timeout=10)
            query(database_url, f"select pg_terminate_backend({pid})")
            assert faults.is_gone(database_url, pid, seconds=15)

    return kill


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_something_else_of_the_same_name_does_not_pass_for_the_index(
    killed_while_waiting, run, database_url, query, mask
):
    killed_while_waiting(mask)

    asked = run(*RESUME, env={"DATABASE_URL": database_url})

    assert asked.exit_code == 5, asked.stderr
    assert "error[E506]: the outcome of statement 1 of 1_a.sql is unknown (direction: up)" in asked.stderr
    assert faults.versions(database_url) == []
    query(database_url, "drop table if exists other")
    if query(database_url, "select relkind from pg_class where relname = 'new'") == [("r",)]:
        query(database_url, "drop table new")
    query(database_url, "drop index if exists new")
    done = run(*RESUME, env={"DATABASE_URL": database_url})
    assert done.exit_code == 0, done.stderr
    assert query(database_url, "select pg_get_indexdef('new'::regclass)") == [
        ("CREATE INDEX new ON public.tally USING btree (n)",)
    ]


def test_the_very_index_that_was_there_before_does_not_pass_for_one_that_was_built(
    killed_while_waiting, run, database_url
):
    killed_while_waiting("create index new on tally (n)")

    asked = run(*RESUME, env={"DATABASE_URL": database_url})

    assert (asked.exit_code, "E506" in asked.stderr) == (5, True), asked.stderr
    assert run(*RESUME, "--done", "1", env={"DATABASE_URL": database_url}).exit_code == 0


def test_an_index_of_the_same_name_that_was_made_after_the_drop_is_not_dropped(
    server, start, run, migration, database_url, query
):
    command, _ = migration(CASES["drop index"])
    started = []

    def replace() -> None:
        os.kill(started[0].pid, signal.SIGKILL)
        started[0].wait(timeout=10)
        query(database_url, "create index old on tally (n)")

    with Proxy(server) as proxy:
        proxy.arm(Fault(TO_SERVER, Action.CUT, text=b"update ", kind=b"Q", call=replace))
        started.append(start(*command, env={"DATABASE_URL": proxy.url(name_of(database_url))}))
        started[0].wait(timeout=60)

    assert run(*RESUME, env={"DATABASE_URL": database_url}).exit_code == 0
    assert query(database_url, INDEX.format("old")) == [(True,)]


def test_an_invalid_index_of_another_table_is_not_dropped(killed_while_waiting, run, database_url, query):
    other = "create table other (n int); insert into other values (1), (1)"
    killed_while_waiting(other)
    with pytest.raises(psycopg.errors.UniqueViolation):
        query(database_url, "create unique index concurrently new on other (n)")

    asked = run(*RESUME, env={"DATABASE_URL": database_url})

    assert (asked.exit_code, "E506" in asked.stderr) == (5, True), asked.stderr
    assert query(database_url, INDEX.format("new")) == [(False,)]


def test_a_killed_run_is_closed_in_the_log_by_the_one_that_goes_on(killed_while_waiting, run, database_url, query):
    killed_while_waiting("")
    assert len(query(database_url, OPEN)) == 2

    assert run(*RESUME, env={"DATABASE_URL": database_url}).exit_code == 0

    log = query(database_url, "select step, state, error is null, finished_at is null from schema_migrations_log")
    assert sorted(log, key=str) == sorted(
        [
            (None, "failed", False, False),
            (1, "failed", False, False),
            (None, "done", True, False),
            (1, "done", True, False),
            (2, "done", True, False),
        ],
        key=str,
    )


@pytest.mark.parametrize("way", [("resume", "--undo"), ("mark", "applied", "1", "--reason", "by hand")])
def test_a_killed_run_is_closed_in_the_log_when_it_is_undone_or_marked(
    killed_while_waiting, run, database_url, query, way
):
    killed_while_waiting("")

    done = run(*way, env={"DATABASE_URL": database_url, "DBMATE_NO_DUMP_SCHEMA": "true"})

    assert done.exit_code == 0, done.stderr
    assert query(database_url, OPEN) == []


def test_the_question_about_a_statement_says_which_direction_it_belongs_to(
    server, start, run, migration, database_url, query
):
    query(
        database_url, "create procedure p() language plpgsql as $$ begin insert into tally values (3); commit; end $$"
    )
    command, _ = migration(Case("call p()", "select 1"), down=True)
    started = []

    def kill() -> None:
        os.kill(started[0].pid, signal.SIGKILL)
        started[0].wait(timeout=10)

    with Proxy(server) as proxy:
        proxy.arm(Fault(TO_SERVER, Action.CUT, text=b"update ", kind=b"Q", call=kill))
        started.append(start(*command, env={"DATABASE_URL": proxy.url(name_of(database_url))}))
        started[0].wait(timeout=60)

    asked = run(*RESUME, env={"DATABASE_URL": database_url})

    assert (asked.exit_code, "(direction: down)" in asked.stderr) == (5, True), asked.stderr


# ------------------------------------------------------------------------------------------------ the schema file


def test_a_run_that_lost_its_lock_to_another_one_does_not_write_the_schema_file(
    server, start, run, project, database_url, query
):
    project.migration("1_a", up="create table first_one ();")
    project.migration("2_b", up="select pg_sleep(30);")
    holder = []

    def take_over() -> None:
        key = query(database_url, "select classid::int, objid::int8, pid from pg_locks where locktype = 'advisory'")[0]
        query(database_url, f"select pg_terminate_backend({key[2]})")
        conn = psycopg.connect(database_url, autocommit=True)
        signed = (key[1] + 2**31) % 2**32 - 2**31

        def locked() -> bool:
            return bool(conn.execute("select pg_try_advisory_lock(%s::int, %s::int)", (key[0], signed)).fetchone()[0])

        assert eventually(locked)
        holder.append(conn)

    process = start("up", env={"DATABASE_URL": database_url})
    faults.backend(database_url, doing="%pg_sleep(30)%")
    project.schema_file.unlink(missing_ok=True)
    take_over()
    _, errors = process.communicate(timeout=60)
    holder[0].close()

    assert process.returncode in (3, 4), errors
    assert "W642" in errors
    assert not project.schema_file.exists()


def test_a_run_that_lost_its_connection_takes_the_lock_again_and_writes_the_schema_file(
    start, project, database_url, query
):
    project.migration("1_a", up="create table first_one ();")
    project.migration("2_b", up="select pg_sleep(30);")
    process = start("up", env={"DATABASE_URL": database_url})
    pid = faults.backend(database_url, doing="%pg_sleep(30)%")
    query(database_url, f"select pg_terminate_backend({pid})")
    _, errors = process.communicate(timeout=60)

    assert process.returncode in (3, 4), errors
    assert "first_one" in project.schema_file.read_text()
