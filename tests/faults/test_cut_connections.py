"""A connection that is cut, at every message of a run: what the run says is what the database holds."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from functools import partial

import psycopg
import pytest

from dbmigrate.api.migrator import Migrator, Options
from dbmigrate.api.records import Decision, Upkeep
from dbmigrate.connection import database, dsn
from dbmigrate.reports import MigrationState
from tests.support.children import eventually
from tests.support.proxy import TO_CLIENT, TO_SERVER, Action, Ending, Fault, Proxy
from tests.support.rehearsals import Told, tell, versions

LONG = bool(os.environ.get("DBMIGRATE_TEST_LONG"))
ROUNDS = 4 if LONG else 1

AT_COMMIT = {
    "before": (TO_SERVER, Action.CUT, b"COMMIT", b"Q"),
    "half of it sent": (TO_SERVER, Action.CUT_INSIDE, b"COMMIT", b"Q"),
    "sent": (TO_SERVER, Action.CUT_AFTER, b"COMMIT", b"Q"),
    "answer withheld": (TO_CLIENT, Action.CUT, b"COMMIT", b"C"),
    "half an answer": (TO_CLIENT, Action.CUT_INSIDE, b"COMMIT", b"C"),
    "answered, not ready": (TO_CLIENT, Action.CUT_AFTER, b"COMMIT", b"C"),
}
LAST_WORDS_OF_A_STEP = (TO_SERVER, b"COMMIT;", b"Q")


@pytest.fixture
def proxy(server) -> Iterator[Proxy]:
    with Proxy(server) as proxy:
        yield proxy


@pytest.fixture
def three(project):
    """Three migrations; each inserts a row that shows if it ran twice."""
    project.migration("1_a", up="create table tally (n int);\ninsert into tally values (1);", down="drop table tally;")
    project.migration("2_b", up="insert into tally values (2);", down="delete from tally where n = 2;")
    project.migration("3_c", up="insert into tally values (3);", down="delete from tally where n = 3;")
    return project


def name_of(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


def rows(query, url: str) -> list[int]:
    if query(url, "select to_regclass('public.tally')") == [(None,)]:
        return []
    return [row[0] for row in query(url, "select n from tally order by n")]


def check_truth(query, url: str, told: Told) -> None:
    """The database holds exactly what was called done, and the last word is true."""
    found = versions(url)

    assert [int(version) for version in found] == rows(query, url)
    assert told.done == found, told.error
    assert told.exit_code in (0, 3), told.error
    assert (told.exit_code == 0) is (len(found) == 3), told.error
    if told.error is not None and told.error.state:
        failing = f"{len(found) + 1}_"
        assert told.error.state.startswith(f"rolled back; nothing of {failing}"), told.error.state


def forget(url: str, query) -> None:
    query(url, "drop table if exists tally, schema_migrations, schema_migrations_log")


# ----------------------------------------------------------------------------------------------------------- at COMMIT


@pytest.mark.parametrize("ending", Ending)
@pytest.mark.parametrize("point", AT_COMMIT)
def test_a_connection_cut_at_commit_is_told_as_the_database_has_it(
    server, three, database_url, query, point, ending
) -> None:
    direction, action, text, kind = AT_COMMIT[point]
    for number in (1, 2, 3) * ROUNDS:
        with Proxy(server) as proxy:
            fault = proxy.arm(Fault(direction, action, text=text, kind=kind, number=number, ending=ending))

            told = tell(proxy.url(name_of(database_url)), three, Migrator.migrate)

            assert fault.happened, told.error
            check_truth(query, database_url, told)
            assert tell(database_url, three, Migrator.migrate).exit_code == 0
            assert rows(query, database_url) == [1, 2, 3]
            forget(database_url, query)


@pytest.mark.parametrize("point", AT_COMMIT)
def test_the_program_says_what_became_of_a_commit_whose_connection_was_cut(
    proxy, three, run, database_url, query, point
) -> None:
    direction, action, text, kind = AT_COMMIT[point]
    proxy.arm(Fault(direction, action, text=text, kind=kind, number=2))

    done = run("up", "--no-dump-schema", env={"DATABASE_URL": proxy.url(name_of(database_url))})

    if rows(query, database_url) == [1, 2, 3]:
        assert done.exit_code == 0
        assert [line.split()[1] for line in done.stdout.splitlines()] == ["1_a.sql", "2_b.sql", "3_c.sql"]
        assert "error" not in done.stderr
    else:
        assert rows(query, database_url) == [1], done
        assert done.exit_code == 3
        assert [line.split()[:2] for line in done.stdout.splitlines()] == [["Applied:", "1_a.sql"]]
        assert "the connection was lost before the transaction was committed" in done.stderr
        assert "rolled back; nothing of 2_b.sql was applied" in done.stderr


def test_a_rollback_cut_at_commit_is_told_as_the_database_has_it(proxy, three, database_url, query) -> None:
    tell(database_url, three, Migrator.migrate)
    proxy.arm(Fault(TO_CLIENT, Action.CUT, text=b"COMMIT", kind=b"C"))

    told = tell(proxy.url(name_of(database_url)), three, Migrator.rollback)

    assert told.exit_code == 0
    assert told.done == ["3"]
    assert versions(database_url) == ["1", "2"]


def test_a_server_that_ends_the_session_after_commit_is_asked_whether_it_committed(
    proxy, three, database_url, query
) -> None:
    proxy.arm(Fault(TO_CLIENT, Action.FATAL, text=b"COMMIT", kind=b"C", number=2, sqlstate="57P01"))

    told = tell(proxy.url(name_of(database_url)), three, Migrator.migrate)

    check_truth(query, database_url, told)
    assert told.exit_code == 0


def test_a_commit_that_arrives_late_is_waited_for_or_prevented(proxy, three, database_url, query) -> None:
    proxy.arm(Fault(TO_SERVER, Action.LATE, text=b"COMMIT", kind=b"Q", number=2, seconds=2))

    told = tell(proxy.url(name_of(database_url)), three, Migrator.migrate)

    check_truth(query, database_url, told)


def test_a_server_that_does_not_notice_the_loss_is_made_to(proxy, three, database_url, query) -> None:
    """Its session would keep the locks for a minute, and the transaction would stay undecided."""
    proxy.arm(Fault(TO_SERVER, Action.LATE, text=b"COMMIT", kind=b"Q", number=2, seconds=None))

    told = tell(proxy.url(name_of(database_url)), three, Migrator.migrate)

    assert told.exit_code == 3
    check_truth(query, database_url, told)
    assert tell(database_url, three, Migrator.migrate, lock_wait=5).exit_code == 0


def test_a_commit_that_takes_long_is_waited_for(proxy, three, database_url, query) -> None:
    """The server is at work between the loss and COMMIT, in a deferred constraint: the answer is in the future."""
    three.migration(
        "2_b",
        up="""
        create function slow() returns trigger language plpgsql as
            $$ begin perform pg_sleep(1.2); return null; end $$;
        create constraint trigger slow after insert on tally deferrable initially deferred
            for each row execute function slow();
        insert into tally values (2);
        """,
    )
    three.migration("3_c", up="drop trigger slow on tally;\ninsert into tally values (3);")
    # cut before it is at work, the server would not have begun with the COMMIT, which is then prevented
    asleep = "select 1 from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()"
    at_work = partial(eventually, lambda: query(database_url, asleep) != [])
    proxy.arm(Fault(TO_SERVER, Action.CUT_AFTER, text=b"COMMIT", kind=b"Q", number=2, call=at_work))
    started = time.monotonic()

    told = tell(proxy.url(name_of(database_url)), three, Migrator.migrate)

    assert time.monotonic() - started > 1.2
    check_truth(query, database_url, told)
    assert told.exit_code == 0


@pytest.mark.matrix
@pytest.mark.slow
def test_a_server_that_stays_away_after_commit_leaves_the_question_open(proxy, three, database_url, run, query) -> None:
    """The one case in which nobody can know: exit code 5, and what to do."""
    proxy.arm(Fault(TO_CLIENT, Action.CUT, text=b"COMMIT", kind=b"C", number=2, unreachable=True))

    done = run("up", "--no-dump-schema", env={"DATABASE_URL": proxy.url(name_of(database_url))}, timeout=90)

    assert done.exit_code == 5
    assert "error[E503]" in done.stderr
    assert "the connection was lost during the COMMIT of 2_b.sql" in done.stderr
    assert "`dbmigrate status` shows whether it is applied" in done.stderr
    assert "rolled back" not in done.stderr
    assert "Applied: 2_b.sql" not in done.stdout
    assert versions(database_url) == ["1", "2"]


# -------------------------------------------------------------------------------------------------- at every message


def every_message(server, project, url: str, direction, kind: bytes = b"") -> range:
    """The numbers of the messages of an undisturbed run."""
    with Proxy(server) as proxy:
        assert tell(proxy.url(name_of(url)), project, Migrator.migrate).exit_code == 0
        count = len([message for message in proxy.messages(direction) if not kind or message.kind == kind])
    return range(1, count + 1)


@pytest.mark.parametrize(("action", "kind"), [(Action.CUT, b""), (Action.CUT_INSIDE, b"Q"), (Action.CUT_AFTER, b"Q")])
def test_a_connection_cut_at_any_message_to_the_server_is_told_as_the_database_has_it(
    server, three, database_url, query, action, kind
) -> None:
    for number in every_message(server, three, database_url, TO_SERVER, kind):
        forget(database_url, query)
        with Proxy(server) as proxy:
            proxy.arm(Fault(TO_SERVER, action, kind=kind, number=number))

            told = tell(proxy.url(name_of(database_url)), three, Migrator.migrate)

            check_truth(query, database_url, told)
            assert tell(database_url, three, Migrator.migrate).exit_code == 0, number
            assert rows(query, database_url) == [1, 2, 3]


def test_a_connection_cut_at_any_answer_of_the_server_is_told_as_the_database_has_it(
    server, three, database_url, query
) -> None:
    for number in every_message(server, three, database_url, TO_CLIENT)[:: 1 if LONG else 4]:
        forget(database_url, query)
        with Proxy(server) as proxy:
            proxy.arm(Fault(TO_CLIENT, Action.CUT, number=number))

            told = tell(proxy.url(name_of(database_url)), three, Migrator.migrate)

            check_truth(query, database_url, told)
            assert tell(database_url, three, Migrator.migrate).exit_code == 0, number
            assert rows(query, database_url) == [1, 2, 3]


STEPWISE = """\
create table tally (n int);
insert into tally values (1);
create index concurrently tally_n on tally (n);
insert into tally values (2);
begin; insert into tally values (3); insert into tally values (4); commit;
drop index concurrently tally_n;
create unique index concurrently tally_unique on tally (n);
"""


def finish_interrupted(url: str, project) -> None:
    """As a user would: look at the status, and do what it says."""
    status = Migrator(url, options_of(project)).status()
    if status.count(MigrationState.UNFINISHED):
        Upkeep(url, options_of(project)).resume(Decision())
    else:
        Migrator(url, options_of(project)).migrate()


def options_of(project) -> Options:
    return Options(directories=(str(project.migrations),), lock_wait=10)


@pytest.mark.parametrize(
    ("direction", "action", "kind", "stride"),
    [
        pytest.param(TO_SERVER, Action.CUT, b"Q", 1, marks=pytest.mark.matrix),
        pytest.param(TO_SERVER, Action.CUT_AFTER, b"Q", 1, marks=pytest.mark.matrix),
        (TO_CLIENT, Action.CUT, b"C", 4),
    ],
)
def test_a_migration_without_a_transaction_cut_at_any_message_is_finished_by_the_next_run(
    server, project, database_url, query, direction, action, kind, stride
) -> None:
    project.migration("1_a", up=STEPWISE, up_options="transaction:false", down="drop table tally;")
    kind, stride = (b"", 1) if LONG else (kind, stride)
    for number in every_message(server, project, database_url, direction, kind)[::stride]:
        forget(database_url, query)
        with Proxy(server) as proxy:
            proxy.arm(Fault(direction, action, kind=kind, number=number))

            told = tell(proxy.url(name_of(database_url)), project, Migrator.migrate)

            assert told.exit_code in (0, 3, 5), told.error
            assert (told.exit_code == 0) is (versions(database_url) == ["1"]), (number, told.error)
            finish_interrupted(database_url, project)
            assert rows(query, database_url) == [1, 2, 3, 4], number
            assert versions(database_url) == ["1"]
            assert query(database_url, "select count(*) from pg_index where not indisvalid") == [(0,)]
            assert query(database_url, "select to_regclass('tally_n')::text, to_regclass('tally_unique')::text") == [
                (None, "tally_unique")
            ]


# ------------------------------------------------------------------------------------------------ errors on the wire


@pytest.mark.parametrize("kind", [psycopg.OperationalError, psycopg.DatabaseError])
def test_a_loss_is_recognised_however_it_is_reported(kind) -> None:
    """libpq tells of it while it reads or as a result, by the scheduler's whim; the second has no class of its own."""
    loss = kind("server closed the connection unexpectedly\n\tThis probably means the server terminated abnormally")

    error = database.translation(loss, dsn.parse("postgres://localhost/app"))

    assert database.is_loss(loss)
    assert (error.code, error.exit_code) == ("E305", 3)
    assert error.message == "the connection was lost: server closed the connection unexpectedly"


@pytest.mark.parametrize(
    "error", [psycopg.errors.DivisionByZero(), psycopg.errors.DiskFull(), psycopg.ProgrammingError("no results")]
)
def test_an_error_of_a_living_session_is_no_loss(error) -> None:
    assert not database.is_loss(error)


@pytest.mark.parametrize("sqlstate", ["53100", "53200"])
def test_a_full_disk_rolls_the_migration_back_and_is_not_tried_again(
    proxy, three, database_url, run, query, sqlstate
) -> None:
    proxy.arm(Fault(TO_SERVER, Action.REFUSE, text=b"insert into tally values (2)", kind=b"Q", sqlstate=sqlstate))

    done = run("up", "--no-dump-schema", env={"DATABASE_URL": proxy.url(name_of(database_url))})

    assert done.exit_code == 4
    assert sqlstate in done.stderr
    assert "rolled back; nothing of 2_b.sql was applied" in done.stderr
    assert rows(query, database_url) == [1]


@pytest.mark.parametrize("sqlstate", ["57P01", "57P02", "57P03", "08006"])
def test_a_server_that_says_goodbye_in_a_statement_has_rolled_it_back(
    proxy, three, database_url, run, query, sqlstate
) -> None:
    proxy.arm(Fault(TO_SERVER, Action.FATAL, text=b"insert into tally values (2)", kind=b"Q", sqlstate=sqlstate))

    done = run("up", "--no-dump-schema", env={"DATABASE_URL": proxy.url(name_of(database_url))})

    assert done.exit_code == 3
    assert "error[E305]" in done.stderr, done.stderr
    assert "rolled back; nothing of 2_b.sql was applied" in done.stderr
    assert rows(query, database_url) == [1]
    assert "the proxy ends this connection" in done.stderr
    log = query(database_url, "select version, state, error from schema_migrations_log order by event_id")
    assert log == [
        ("1", "done", None),
        ("2", "failed", "the server ended the connection: the proxy ends this connection"),
    ]


@pytest.mark.parametrize(
    ("options", "number", "left"),
    [("", 1, None), ("transaction:false", 1, None), ("transaction:false", 2, "a")],
    ids=["in a transaction", "a step", "the record behind the steps"],
)
def test_a_commit_that_the_server_answers_with_rollback_is_no_success(
    proxy, run, project, database_url, query, options, number, left
):
    """A transaction that failed unseen ends so: without an error, told by the command tag alone."""
    project.migration("1_a", up="create table a (n int);", up_options=options)
    fault = proxy.arm(Fault(TO_SERVER, Action.REPLACE, text=b"COMMIT;", kind=b"Q", instead=b"ROLLBACK;", number=number))

    done = run("up", "--no-dump-schema", env={"DATABASE_URL": proxy.url(name_of(database_url))})

    assert fault.happened
    assert done.exit_code == (5 if left else 4), done.stderr
    assert "Applied" not in done.stdout
    assert query(database_url, "select to_regclass('a')::text") == [(left,)]
    assert query(database_url, "select * from schema_migrations") == []
    assert run("resume" if left else "up", "--no-dump-schema", env={"DATABASE_URL": database_url}).exit_code == 0
    assert query(database_url, "select version from schema_migrations") == [("1",)]
