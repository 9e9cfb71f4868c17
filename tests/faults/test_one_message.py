"""Small migrations are one message each: nothing but the round trips differs from a file that is sent in two."""

from __future__ import annotations

import threading

import psycopg
import pytest

from dbmigrate.api.migrator import Migrator, Options
from dbmigrate.errors import Error
from dbmigrate.events import ServerNotice, StepDone, StepFailed, StepStarted, Warned
from dbmigrate.execution import whole_transaction
from tests.support import faults
from tests.support.children import eventually
from tests.support.proxy import TO_SERVER, Action, Ending, Fault, Proxy
from tests.support.rehearsals import tell

NOISY = "do $$ begin raise notice 'one'; raise warning 'two'; end $$;\n"
DEFERRED = (
    "create table parent (id int primary key);\n"
    "create table child (id int references parent deferrable initially deferred);\n"
)
FILES = {
    "tables": "create table b (n int);\ninsert into b select generate_series(1, 5);",
    "no semicolon at the end": "create table b (n int)",
    "a comment at the end": "create table b (n int) -- the last one",
    "notices": f"{NOISY}create table b (n int);",
    "answers": "select 1;\nselect * from generate_series(1, 2000);\nvalues (1), (2);",
    "a function body": "create function f() returns int language sql begin atomic select 1; end;",
    "a unicode text": "comment on table a is 'ünïcödé';\nselect 'é', 1 / 0;",
    "a syntax error": "create table b (n int);\n\n  selekt 1;",
    "a syntax error behind letters of two bytes": "select 'ÄÖÜ';\nselect 'ß', nothing;",
    "a missing table": "create table b (n int);\ndrop table nothing;",
    "a duplicate key": "insert into a values (1), (1);",
    "a deferred foreign key": f"{DEFERRED}insert into child values (7);",
    "a serial column": "create table b (id serial);\ninsert into b default values;",
    "another role": "set role pg_monitor;",
    "a search_path": "create schema app;\nset search_path = app;\ncreate table b ();",
    "read only": "set default_transaction_read_only = on;",
    "read only at once": "set transaction read only;",
    "text in another encoding": "set client_encoding = 'latin1';\nselect 'ä';",
    "backslashes in strings": "create table b (n int);\nset standard_conforming_strings = off;",
    "both": "set standard_conforming_strings = off;\nset client_encoding = 'sjis';",
    "a version row of its own": "insert into schema_migrations values ('2');",
    "a log entry of its own": "delete from schema_migrations_log;",
    "a time-out": "set local statement_timeout = '20ms';\nselect pg_sleep(5);",
    "a table that is dropped": "drop table schema_migrations;",
    "no lock": "select pg_advisory_unlock_all();",
    "a raised error": "do $$ begin raise exception 'no %', 'way' using errcode = 'P0042', hint = 'go'; end $$;",
}


def migrated(url, project):
    """What a run says: its events, and the error in all its parts."""
    heard = []

    def listen(event):
        if isinstance(event, ServerNotice):
            heard.append(("notice", event.severity, event.message))
        elif isinstance(event, Warned):
            heard.append(("warned", event.problem.code))
        elif isinstance(event, StepDone):
            heard.append(("done", event.outcome.step.name, event.outcome.statements, event.outcome.rows))
        elif isinstance(event, StepStarted | StepFailed):
            heard.append((type(event).__name__, event.step.name))

    try:
        Migrator(url, Options(directories=(str(project.migrations),)), on_event=listen).migrate()
    except Error as exc:
        parts = (exc.code, exc.message, exc.hint, exc.state, exc.place, exc.excerpt, exc.details, exc.sqlstate)
        return heard, tuple(map(str, parts))
    return heard, None


LOG = (
    "select event_id, version, direction, state, checksum, up_sql, error, sqlstate, step"
    " from schema_migrations_log order by event_id"
)
OBJECTS = "select relname::text from pg_class where relnamespace = 'public'::regnamespace order by 1"


@pytest.fixture
def in_two_messages(monkeypatch):
    """Sends every migration as it was sent before: whatever opens it and its SQL first, then its record."""

    def choose() -> None:
        monkeypatch.setattr(whole_transaction, "only_batch", lambda migration, direction: None)

    return choose


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_one_message_says_and_does_what_two_do(project, make_database, query, in_two_messages, text):
    project.migration("1_a", up="create table a (n int primary key);")
    project.migration("2_b", up=text, down="select 1;")
    project.migration("3_c", up="create table c as select current_setting('search_path') as path, 'a\\b' as text;")
    one, two = make_database(), make_database()

    said = migrated(one, project)
    in_two_messages()

    names = [database_name(url) for url in (one, two)]
    assert str(said) == str(migrated(two, project)).replace(names[1], names[0])
    for statement in (LOG, OBJECTS, "table schema_migrations"):
        assert result(query, one, statement) == result(query, two, statement)


def database_name(url):
    return url.partition("?")[0].rpartition("/")[2]


def result(query, url, statement):
    try:
        return query(url, statement)
    except psycopg.Error as exc:  # a table that the file has dropped
        return exc.sqlstate


def test_a_function_that_resets_all_settings_does_not_end_the_migration(project, database_url, query):
    """The setting that proves the transaction is gone: the file runs again, with a proof that needs none."""
    project.migration("1_a", up="create function f() returns int language plpgsql as 'begin reset all; return 1; end';")
    project.migration("2_b", up="select f();\ncreate table b as select count(*) from schema_migrations;")

    assert migrated(database_url, project)[1] is None
    assert faults.versions(database_url) == ["1", "2"]
    assert query(database_url, "select * from b") == [(1,)]


def test_a_next_file_that_fails_fails_at_its_turn(project, database_url):
    """Its message is made while the server works on the file before it."""
    project.migration("1_a", up="create table a ();")
    project.migration("2_b", up="create table b ();")
    project.migration("3_c", up="create table c (;")

    heard, error = migrated(database_url, project)

    assert heard[-2:] == [("StepStarted", "3_c.sql"), ("StepFailed", "3_c.sql")]
    assert error[0] == "E401"
    assert faults.versions(database_url) == ["1", "2"]


@pytest.mark.parametrize("is_visible", [True, False], ids=["a role that sees others", "an ordinary role"])
def test_the_outcome_of_a_message_without_an_answer_is_found_by_its_log_entry(
    server, project, database_url, query, is_visible
):
    """The server has done all when its client is lost: the answer never arrives."""
    project.migration("1_a", up="create table a ();")
    project.migration("2_b", up="create table b ();")
    with faults.plain_role(server, database_url) as url, Proxy(server) as proxy:
        role = url.partition("//")[2].partition(":")[0]
        if is_visible:
            query(database_url, f"grant pg_read_all_stats to {role}")
        # a reset could take back what the server has not read yet
        fault = proxy.arm(Fault(TO_SERVER, Action.CUT_AFTER, text=b"create table b", kind=b"Q", ending=Ending.CLOSE))

        heard, error = migrated(proxy.url(database_name(database_url), user=role, password="x"), project)

        assert fault.happened
        assert error is None, error
        assert [each[1] for each in heard if each[0] == "done"] == ["1_a.sql", "2_b.sql"]
        assert faults.versions(database_url) == ["1", "2"]


@pytest.mark.parametrize("ending", Ending)
@pytest.mark.parametrize("seconds", [0.05, 0.5])
def test_another_run_that_takes_the_lock_of_a_lost_session_does_the_rest(
    server, project, database_url, query, ending, seconds
):
    """What the lost run says of its migration is true, whoever has the lock when it asks."""
    project.migration("1_a", up="create table a (n int);")
    project.migration("2_b", up=f"insert into a values (2);\nselect pg_sleep({seconds});")
    project.migration("3_c", up="insert into a values (3);")
    with Proxy(server) as proxy:
        fault = proxy.arm(Fault(TO_SERVER, Action.CUT_AFTER, text=b"pg_sleep", kind=b"Q", ending=ending))
        other = threading.Thread(target=joined, args=(fault, database_url, project), daemon=True)

        other.start()
        told = tell(proxy.url(database_name(database_url)), project, Migrator.migrate)
        other.join(timeout=60)

    assert told.exit_code in (0, 3, 6), told.error
    assert set(told.done) <= set(faults.versions(database_url))
    if told.error is not None and told.error.state:
        assert "2_b.sql" not in told.error.state or "2" not in told.done
    assert faults.versions(database_url) == ["1", "2", "3"]
    assert query(database_url, "select n from a order by n") == [(2,), (3,)]
    assert query(database_url, "select version from schema_migrations_log where state = 'done' order by event_id") == [
        ("1",),
        ("2",),
        ("3",),
    ]


def joined(fault, url, project):
    """Another run, which waits for the lock as soon as the first one has lost its connection."""
    assert eventually(lambda: fault.happened)
    tell(url, project, Migrator.migrate, lock_wait=60)


def test_a_message_that_arrives_late_is_prevented_where_a_file_gave_the_lock_away(server, project, database_url, query):
    """Its log entry would have the number that the entry of the failure has."""
    project.migration("1_a", up="create table a (n int);\nselect pg_advisory_unlock_all();")
    project.migration("2_b", up="insert into a values (2);")
    with Proxy(server) as proxy:
        proxy.arm(Fault(TO_SERVER, Action.LATE, text=b"insert into a", kind=b"Q", seconds=3))

        told = tell(proxy.url(database_name(database_url)), project, Migrator.migrate)

        assert told.exit_code == 3, told.error
        assert told.done == ["1"]
        assert eventually(lambda: not query(database_url, OURS))
    assert faults.versions(database_url) == ["1"]
    assert query(database_url, "select * from a") == []


OURS = "select 1 from pg_stat_activity where application_name like 'dbmigrate %' and datname = current_database()"
