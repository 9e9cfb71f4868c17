"""Intended differences: how migrations are run."""

from __future__ import annotations

import signal

import pytest

from tests.conformance.programs import said, with_parameters
from tests.conformance.seen import scalar, tables, versions
from tests.support.children import eventually

SLEEPING = "select count(*) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'"


@pytest.fixture
def sleeps(url):
    """Whether a migration of this database sleeps on the server just now."""
    return lambda: scalar(url, SLEEPING) == 1


def test_run_lock(program, project, url, sleeps):
    project.migration("1_a", up="create table a (i int);\nselect pg_sleep(0.7);")

    first = program.start("up", url=url)
    assert eventually(sleeps)
    second = program("up", url=url)
    first.communicate()

    assert (first.returncode, second.exit_code) == program.expects(dbmate=(0, 2), dbmigrate=(0, 0))
    assert versions(url) == ["1"]


def test_run_lock_that_is_not_granted_in_time(dbmigrate, project, url, sleeps):
    project.migration("1_a", up="select pg_sleep(30);")

    first = dbmigrate.start("up", url=url)
    assert eventually(sleeps)
    second = dbmigrate("up", "--lock-wait", "100ms", url=url)
    first.send_signal(signal.SIGINT)
    first.communicate()

    assert (first.returncode, second.exit_code) == (130, 6)


@pytest.mark.parametrize(
    ("setting", "theirs", "ours"), [("", "0", "500ms"), ("lock_timeout=1234ms", "1234ms", "1234ms")]
)
def test_run_lock_timeout(program, project, url, setting, theirs, ours):
    project.migration("1_a", up="create table a as select current_setting('lock_timeout') v;")

    program.ok("up", url=f"{url}&{setting}".rstrip("&"))

    assert scalar(url, "select v from a") == program.expects(dbmate=theirs, dbmigrate=ours)


def test_run_lock_timeout_is_tried_again(dbmigrate, project, url, query):
    import psycopg

    query(url, "create table a (i int)")
    project.migration("1_a", up="alter table a add j int;")
    with psycopg.connect(url) as other:
        other.execute("select * from a")
        running = dbmigrate.start("up", url=url)
        assert "did not get a lock in time" in "".join(iter_until(running.stderr, "did not get a lock in time"))
        other.rollback()
        running.communicate()

    assert running.returncode == 0


def iter_until(stream, text):
    for line in stream:
        yield line
        if text in line:
            return


@pytest.mark.parametrize(("parameters", "theirs", "ours"), [({}, "7s", "0"), ({"statement_timeout": "9s"}, "9s", "9s")])
def test_run_role_settings(program, project, url, query, parameters, theirs, ours):
    query(
        url, "do $$ begin execute format('alter database %I set statement_timeout = 7000', current_database()); end $$"
    )
    project.migration("1_a", up="create table a as select current_setting('statement_timeout') v;")

    program.ok("up", url=with_parameters(url, **parameters))

    assert scalar(url, "select v from a") == program.expects(dbmate=theirs, dbmigrate=ours)


def test_run_session(program, project, url, query):
    project.migration("1_a", up="set work_mem = '7MB'; create temp table t (i int); prepare p as select 1;")
    project.migration(
        "2_b",
        up="create table b as select current_setting('work_mem') = '7MB' s, to_regclass('t') is not null t,"
        " exists (select from pg_prepared_statements where name = 'p') p;",
    )

    program.ok("up", url=url)

    assert query(url, "select * from b") == program.expects(
        dbmate=[(True, True, True)], dbmigrate=[(False, False, False)]
    )


def test_run_search_path(program, project, url):
    project.migration("1_a", up="create schema zz; set search_path to zz; create table a (i int);")

    done = program("up", url=url)

    assert done.exit_code == program.expects(dbmate=2, dbmigrate=0)
    assert tables(url) == program.expects(dbmate=["schema_migrations"], dbmigrate=["schema_migrations", "zz.a"])


@pytest.mark.parametrize(
    ("text", "theirs", "ours"),
    [
        pytest.param("begin;\ncreate table a (i int);\ncommit;", (2, True, ["1"]), (0, True, ["1"]), id="wrapper"),
        pytest.param("create table a (i int);\ncommit;", (2, True, ["1"]), (0, True, ["1"]), id="commit-at-the-end"),
        pytest.param("create table a (i int);\ncommit;\nselect 1;", (2, True, ["1"]), (2, False, []), id="commit"),
        pytest.param("create table a (i int);\nrollback;", (2, False, ["1"]), (2, False, []), id="rollback"),
    ],
)
def test_run_transaction_control(program, project, url, text, theirs, ours):
    project.migration("1_a", up=text)

    done = program("up", url=url)

    seen = (done.exit_code, "a" in tables(url), versions(url))
    assert seen == program.expects(dbmate=theirs, dbmigrate=ours)


def test_run_no_transaction(program, project, url):
    project.migration("1_a", up="create table a (i int);")
    project.migration(
        "2_b",
        up="create index concurrently b on a (i);\ncreate index concurrently c on a (i);",
        up_options="transaction:false",
    )

    done = program("up", url=url)

    assert done.exit_code == program.expects(dbmate=2, dbmigrate=0)
    assert scalar(url, "select count(*) from pg_indexes where tablename = 'a'") == program.expects(
        dbmate=0, dbmigrate=2
    )


def test_run_no_transaction_failure(program, project, url):
    project.migration("1_a", up="create table a (i int);\nselect 1/0;", up_options="transaction:false")

    done, again, status = program("up", url=url), program("up", url=url), program("status", url=url)

    assert (done.exit_code, again.exit_code) == program.expects(dbmate=(2, 2), dbmigrate=(5, 5))
    assert tables(url) == program.expects(dbmate=["schema_migrations"], dbmigrate=["a", "schema_migrations"])
    assert status.stdout.startswith(program.expects(dbmate="[ ] 1_a.sql\n", dbmigrate="[!] 1_a.sql\n"))
    assert status.stdout.endswith("\nApplied: 0\nPending: 1\n")


def test_run_text(program, project, url):
    project.migration("1_a", up="create table a as select current_query() q;")

    program.ok("up", url=url)

    has_header = str(scalar(url, "select q from a")).startswith("-- migrate:up")
    assert has_header == program.expects(dbmate=True, dbmigrate=False)


@pytest.mark.parametrize(
    ("parameters", "theirs", "ours"), [({}, "", "dbmigrate up "), ({"application_name": "x"}, "x", "x")]
)
def test_run_application_name(program, project, url, parameters, theirs, ours):
    project.migration("1_a", up="create table a as select current_setting('application_name') v;")

    program.ok("up", url=with_parameters(url, **parameters))

    name = str(scalar(url, "select v from a"))
    assert (name.startswith(ours) and name != "") if program.expects(dbmate=False, dbmigrate=True) else name == theirs


@pytest.mark.parametrize(("number", "ours"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_run_interrupt(program, project, url, query, sleeps, number, ours):
    project.migration("1_a", up="create table a (i int);\nselect pg_sleep(20);")
    running = program.start("up", url=url)
    assert eventually(sleeps)

    running.send_signal(number)
    running.communicate()

    still_there = scalar(url, SLEEPING)
    query(url, "select pg_terminate_backend(pid) from pg_stat_activity where wait_event = 'PgSleep'")
    assert still_there == program.expects(dbmate=1, dbmigrate=0)
    assert running.returncode == program.expects(dbmate=-number, dbmigrate=ours)


def test_run_read_only(program, project, url):
    project.migration("1_a", up="create table a (i int);")

    done = program("up", url=with_parameters(url, default_transaction_read_only="on"))

    assert done.exit_code == program.expects(dbmate=2, dbmigrate=7)
    assert program.expects(dbmate="in a read-only transaction", dbmigrate="is read-only") in said(done)
