"""Files that end transactions or change the session: applied and recorded, or refused and untouched, never between."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbmigrate.api.migrator import Migrator, Options
from dbmigrate.errors import Error
from tests.support import faults
from tests.support.faults import FALSE, LONG

APPLIED, REFUSED, ROLLED_BACK = 0, 2, 4
FIRST, SECOND = "create table one ();", "create table two ();"

CONTROL = {
    "wrapped": (f"begin;\n{FIRST}\n{SECOND}\ncommit;", APPLIED),
    "wrapped in other words": (f"start transaction;\n{FIRST}\n{SECOND}\nend;", APPLIED),
    "a commit at the end": (f"{FIRST}\n{SECOND}\ncommit;", APPLIED),
    "a savepoint": (f"{FIRST}\nsavepoint s;\ncreate table no ();\nrollback to s;\n{SECOND}", APPLIED),
    "a commit in the middle": (f"{FIRST}\ncommit;\n{SECOND}", REFUSED),
    "a rollback at the end": (f"{FIRST}\n{SECOND}\nrollback;", REFUSED),
    "a rollback in the middle": (f"{FIRST}\nrollback;\n{SECOND}", REFUSED),
    "an abort": (f"{FIRST}\nabort;\n{SECOND}", REFUSED),
    "two blocks": (f"begin;\n{FIRST}\ncommit;\nbegin;\n{SECOND}\ncommit;", REFUSED),
    "a chain": (f"{FIRST}\ncommit and chain;\n{SECOND}", REFUSED),
    "commit and begin": (f"{FIRST}\ncommit; begin;\n{SECOND}", REFUSED),
    "two-phase commit": (f"{FIRST}\nprepare transaction 'x';\n{SECOND}", REFUSED),
    "a wrapper with options": (f"begin isolation level serializable;\n{FIRST}\n{SECOND}\ncommit;", REFUSED),
    "a begin that is not closed": (f"begin;\n{FIRST}\n{SECOND}", REFUSED),
    "a DO that commits": (f"{FIRST}\ndo $$ begin commit; end $$;\n{SECOND}", REFUSED),
    "a DO that commits in disguise": (f"{FIRST}\ndo $$ begin execute 'commit'; end $$;\n{SECOND}", ROLLED_BACK),
    "a procedure that commits": (
        f"{FIRST}\ncreate procedure p() language plpgsql as $$ begin commit; end $$;\ncall p();\n{SECOND}",
        ROLLED_BACK,
    ),
    "an error before the commit": (f"{FIRST}\nselect 1/0;\n{SECOND}\ncommit;", ROLLED_BACK),
}

STATE = {
    "another role": "set role pg_monitor;",
    "another login": "set session authorization pg_monitor;",
    "a local role": "set local role pg_monitor;",
    "another search_path": "create schema app; set search_path = app;",
    "no search_path": "select pg_catalog.set_config('search_path', '', false);",
    "all settings reset": "reset all;",
    "read only from now on": "set default_transaction_read_only = on;",
    "serializable from now on": "set default_transaction_isolation = serializable;",
    "no triggers": "set session_replication_role = replica;",
    "a tight time-out": "set statement_timeout = '5s';",
    "a lock timeout": "set lock_timeout = '1ms';",
    "row security": "set row_security = off;",
    "a given-away lock": "select pg_advisory_unlock_all();",
    "temporary tables": "create temp table schema_migrations (version int); create temp table two (a int);",
    "functions in the way": "create schema app; create function app.pg_current_xact_id() returns xid8 language sql as"
    " 'select ''1''::xid8'; set search_path = app, pg_catalog;",
    "a prepared statement": "prepare x as select 1;",
    "a cursor": "declare c cursor with hold for select 1;",
    "a subscription to notices": "listen x;",
    "serializable": "set transaction isolation level serializable;",
    "deferred constraints": "set constraints all deferred;",
}
CLEAN = (
    "create table after_it as select current_user::text u, session_user::text s, current_setting('search_path') p,"
    " current_setting('transaction_read_only') r, current_setting('transaction_isolation') i,"
    " current_setting('session_replication_role') t,"
    " current_setting('statement_timeout') o, (select count(*) from pg_prepared_statements) q,"
    " (select count(*) from pg_cursors) c;"
)


def migrate(url, project) -> int:
    try:
        Migrator(url, Options(directories=(str(project.migrations),), lock_wait=5)).up()
    except Error as exc:
        return exc.exit_code
    return 0


def tables(query, url) -> list[bool]:
    found = query(url, "select to_regclass('public.one') is not null, to_regclass('public.two') is not null")
    return list(found[0])


@pytest.mark.parametrize("name", CONTROL)
def test_transaction_control_is_harmless_or_refused(project, database_url, query, name):
    script, expected = CONTROL[name]
    project.migration("1_a", up=script)

    code = migrate(database_url, project)

    assert code == expected
    assert tables(query, database_url) == [expected == APPLIED] * 2
    assert faults.versions(database_url) == (["1"] if expected == APPLIED else [])
    assert query(database_url, "select * from pg_prepared_xacts where database = current_database()") == []


@pytest.mark.parametrize("options", ["", FALSE], ids=["in a transaction", "without one"])
@pytest.mark.parametrize("name", STATE)
def test_what_a_file_does_to_its_session_does_not_reach_the_record_or_the_next_file(
    project, database_url, twin_database_url, query, name, options
):
    query(database_url, "grant all on schema public to pg_monitor")
    query(twin_database_url, CLEAN)
    if name not in ("serializable",) or not options:  # it has to be the first statement of its transaction
        script = f"{STATE[name]}\ncreate table public.one ();\ncreate table public.two ();"
        project.migration("1_a", up=script, up_options=options)
    project.migration("2_b", up=CLEAN)

    code = migrate(database_url, project)

    applied = faults.versions(database_url)
    if code == 0:
        assert applied[-1] == "2"
        assert query(database_url, "table after_it") == query(twin_database_url, "table after_it")
    else:
        assert name in ("serializable", "read only from now on"), code
        assert applied == []
    assert tables(query, database_url) == ["1" in applied] * 2


READ_ONLY = {
    "characteristics": "set session characteristics as transaction read only;",
    "the default": "set default_transaction_read_only = on;",
    "by a function": "select set_config('default_transaction_read_only', 'on', false);",
}


@pytest.mark.parametrize("name", READ_ONLY)
def test_a_read_only_session_still_logs_and_records_a_migration(project, database_url, query, name):
    script = f"{FIRST}\n{READ_ONLY[name]}\nselect 1;\nbegin;\nselect 2;\ncommit;\n{SECOND}\nanalyze one;"
    project.migration("1_a", up=script, up_options=FALSE)
    project.migration("2_b", up="create table three ();")

    assert migrate(database_url, project) == 0

    assert tables(query, database_url) == [True, True]
    assert faults.versions(database_url) == ["1", "2"]
    assert query(database_url, "select distinct state from schema_migrations_log where step > 0") == [("done",)]


@pytest.mark.parametrize(
    "script",
    [
        "begin read only;\nselect 1;\ncommit;",
        "begin;\nset transaction read only;\nselect 1;\ncommit;",
        "set transaction read only;",
        "set transaction_read_only = on;",
    ],
)
def test_a_read_only_block_is_logged_after_it(project, database_url, query, script):
    project.migration("1_a", up=f"{FIRST}\n{script}\n{SECOND}", up_options=FALSE)

    assert migrate(database_url, project) == 0

    assert tables(query, database_url) == [True, True]
    assert query(database_url, "select state, count(*) from schema_migrations_log where step > 0 group by 1") == [
        ("done", 3)
    ]


def test_what_a_read_only_session_refuses_has_its_place(run, project, database_url):
    project.migration(
        "1_a",
        up=f"{FIRST}\nset default_transaction_read_only = on;\ncreate index concurrently i on one ((1));\nselect 1;",
        up_options=FALSE,
    )

    done = run("up", "--no-dump-schema", env={"DATABASE_URL": database_url})

    assert done.exit_code == 5
    assert "(25006)" in done.stderr
    assert "1_a.sql:4:" in done.stderr
    assert "statements 1 to 2 are done, statement 3 was rolled back" in done.stderr


@given(
    pieces=st.lists(st.sampled_from([*STATE.values(), "commit;", "rollback;", "begin;", "savepoint s;", "select 1/0;"]))
)
@settings(max_examples=300 if LONG else 15)
def test_whatever_a_file_is_made_of_it_is_recorded_if_and_only_if_it_took_effect(project, make_database, query, pieces):
    url = make_database()
    middle = "\n".join(pieces)
    project.migration("1_a", up=f"create table public.one ();\n{middle}\ncreate table public.two ();")

    code = migrate(url, project)

    applied = faults.versions(url)
    assert (code == 0) == (applied == ["1"])
    assert tables(query, url) == [code == 0] * 2


def test_deferred_triggers_fire_under_the_role_and_path_of_the_file(project, database_url, query):
    """They see what the file's own statements see: a COMMIT after our last words would fire them as ourselves."""
    project.migration(
        "1_a",
        up="create schema app;\ngrant usage on schema app to pg_monitor;\n"
        "create table app.seen (who text, path text);\ngrant insert on app.seen to pg_monitor;\n"
        "create table app.a (n int);\ngrant insert on app.a to pg_monitor;\n"
        "create function app.look() returns trigger language plpgsql as $$ begin"
        " insert into seen values (current_user, current_setting('search_path')); return null; end $$;\n"
        "create constraint trigger t after insert on app.a deferrable initially deferred"
        " for each row execute function app.look();",
    )
    project.migration("2_b", up="set role pg_monitor;\nset search_path = app;\ninsert into a values (1);")

    assert migrate(database_url, project) == 0

    assert query(database_url, "table app.seen") == [("pg_monitor", "app")]
