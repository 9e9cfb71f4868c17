"""A scratch database that is made while files are read: the same errors, and nothing is left of it."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from dbmigrate.check import Options, run
from dbmigrate.connection import dsn
from dbmigrate.errors import ConfigError, ConnectionFailed, PlanError
from dbmigrate.scratch import choose
from dbmigrate.scratch.choose import Choice, TargetServer
from tests.support.children import child, eventually

NAMES = "select datname from pg_database where datname like 'dbmigrate\\_scratch%' order by 1"
HOLD = """
import sys
from dbmigrate.connection import dsn
from dbmigrate.scratch import choose
try:
    with choose.ahead(choose.Choice(explicit=dsn.parse(sys.argv[1]))) as begun:
        begun.server()
        print("made", flush=True)
        sys.stdin.read()
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def names(server) -> list[str]:
    return [row[0] for row in server.admin.execute(NAMES).fetchall()]


@contextmanager
def role(server, url: str, options: str = "") -> Iterator[dsn.Dsn]:
    """The same place for a new role with these options."""
    name = f"dbmigrate_test_ahead_{os.getpid()}"
    server.admin.execute(f"create role {name} login password '{name}' {options}")
    try:
        yield dsn.from_keywords({**dsn.parse(url).conninfo, "user": name, "password": name})
    finally:
        server.admin.execute(f"drop role {name}")


def test_the_database_that_was_made_ahead_is_handed_over_first(server, database_url):
    choice = Choice(explicit=dsn.parse(database_url))
    with choose.ahead(choice) as begun:
        begun.server()
        (made,) = names(server)
        with choose.open_server(choice, begun) as found, found.database() as first, found.database() as second:
            assert first.database == made
            assert names(server) == sorted([first.database, second.database])

    assert names(server) == []


def test_a_check_makes_one_database(server, project, database_url):
    project.migration("1_a", up="create table a as select count(*) as n from pg_database;", down="drop table a;")
    project.migration(
        "2_b",
        up="do $$ begin perform 1 / (case when count(*) = 1 then 1 else 0 end) from pg_database"
        " where datname like 'dbmigrate_scratch_%'; end $$;",
        down="select 1;",
    )

    report = run(Options((str(project.migrations),)), Choice(explicit=dsn.parse(database_url)))

    assert [problem for problem in report.problems if problem.code == "C101"] == []
    assert report.applied == 2
    assert names(server) == []


@pytest.mark.parametrize("text", ["-- migrate:up\nselect 'open;\n", "no migration"])
def test_files_that_cannot_be_read_leave_no_database(server, project, database_url, text):
    project.write("1_a.sql", text)

    report = run(Options((str(project.migrations),)), Choice(explicit=dsn.parse(database_url)))

    assert report.applied == 0
    assert not report.is_clean
    assert names(server) == []


def test_a_missing_directory_leaves_no_database(server, tmp_path, database_url):
    with pytest.raises(PlanError) as raised:
        run(Options((str(tmp_path / "nothing"),)), Choice(explicit=dsn.parse(database_url)))

    assert raised.value.code == "E235"
    assert names(server) == []


def test_a_server_that_is_not_there_is_the_error_only_where_it_is_needed(project, tmp_path):
    nowhere = Choice(explicit=dsn.parse("postgres://127.0.0.1:1/x?connect_timeout=2"))
    project.migration("1_a", up="create table a ();", down="drop table a;")

    with pytest.raises(ConnectionFailed):
        run(Options((str(project.migrations),)), nowhere)
    with pytest.raises(PlanError):
        run(Options((str(tmp_path / "nothing"),)), nowhere)


def test_a_role_without_the_right_is_told_so(server, project, database_url):
    project.migration("1_a", up="create table a ();", down="drop table a;")
    with role(server, database_url) as named:
        with pytest.raises(ConfigError, match=f"{named.conninfo['user']} may not create databases") as raised:
            run(Options((str(project.migrations),)), Choice(explicit=named))
    assert raised.value.code == "E245"


def test_what_changes_the_targets_server_leaves_nothing_there(server, project, database_url, cluster_cache):
    """Which server fits is known when the files have been read."""
    project.migration("1_a", up="create role dbmigrate_test_beyond;", down="drop role dbmigrate_test_beyond;")
    target = dsn.parse(database_url)

    report = run(
        Options((str(project.migrations),)), Choice(target=target, on_target=TargetServer.USED, cache=cluster_cache)
    )

    assert report.applied == 1
    assert report.where == ""
    assert names(server) == []
    assert server.admin.execute("select from pg_roles where rolname = 'dbmigrate_test_beyond'").fetchall() == []


WAIT = """
import sys
from dbmigrate.connection import dsn
from dbmigrate.scratch import choose
try:
    with choose.ahead(choose.Choice(explicit=dsn.parse(sys.argv[1]))) as begun:
        print("begun", flush=True)
        begun.server()
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
LOCKED = "select count(*) from pg_stat_activity where query like 'create database %' and wait_event_type = 'Lock'"


def test_ctrl_c_while_the_database_is_made_leaves_none(server, database_url, cluster_cache):
    with psycopg.connect(server.url("postgres")) as blocker:
        blocker.execute("comment on database template0 is 'held'")
        with child(WAIT, database_url, home=cluster_cache) as program:
            assert program.line() == "begun"
            assert eventually(lambda: server.admin.execute(LOCKED).fetchone() == (1,))
            program.process.send_signal(signal.SIGINT)
            time.sleep(0.2)
            blocker.rollback()

            assert program.line() == "interrupted"

    assert names(server) == []


def test_a_server_that_does_not_answer_is_not_waited_for_where_it_is_not_needed(project):
    project.write("1_a.sql", "-- migrate:up\nselect 'open;\n")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgres://127.0.0.1:{silent.getsockname()[1]}/x?connect_timeout=60"
        began = time.monotonic()

        report = run(Options((str(project.migrations),)), Choice(explicit=dsn.parse(url)))

        assert not report.is_clean
        assert time.monotonic() - began < 30


def test_ctrl_c_does_not_wait_for_a_server_that_does_not_answer(cluster_cache):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgres://127.0.0.1:{silent.getsockname()[1]}/x?connect_timeout=60"
        with child(WAIT, url, home=cluster_cache) as program:
            assert program.line() == "begun"
            program.process.send_signal(signal.SIGINT)

            assert program.line() == "interrupted"
            assert program.process.wait(timeout=30) == 0


def test_a_role_with_few_connections_can_check_all(server, project, database_url):
    """The further session is closed when no migration needs it any more."""
    project.migration("49_a", up="create table if not exists a (n int);", down="drop table a;")
    for number in range(12):
        project.migration(
            f"{number:02}_t", up=f"create table if not exists t{number} ();", down=f"drop table t{number};"
        )
    project.write(
        "50_c.sql",
        "-- migrate:up transaction:false\ncreate index concurrently if not exists i on a (n);\n"
        "-- migrate:down transaction:false\ndrop index concurrently i;\n",
    )
    with role(server, database_url, "createdb connection limit 4") as named:
        report = run(Options((str(project.migrations),), twice=True), Choice(explicit=named))

    assert (report.applied, report.problems) == (14, ())
    assert names(server) == []


def test_ctrl_c_leaves_no_database(server, database_url, cluster_cache):
    with child(HOLD, database_url, home=cluster_cache) as program:
        assert program.line() == "made"
        assert len(names(server)) == 1
        program.process.send_signal(signal.SIGINT)

        assert program.line() == "interrupted"

    assert names(server) == []
