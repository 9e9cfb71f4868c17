"""Intended differences: the schema file and what is printed."""

from __future__ import annotations

import os
from secrets import token_hex

import pytest

from tests.conformance.programs import Program, lines, said, with_parameters
from tests.conformance.seen import scalar, tables

STUB = """#!/bin/sh
printf '%s\\n' "$@" >>'{log}'
exec '{real}' "$@"
"""


@pytest.fixture
def dumper(program):
    return program.dumping()


# -- the schema file


def test_schema_text(dumper, project, url):
    project.migration("1_a", up="create table a (i int);")

    dumper.ok("up", url=url)

    noise = ["\\restrict", "-- Dumped from database version", "-- Dumped by pg_dump version"]
    found = [line for line in project.schema_file.read_text().splitlines() if line.startswith(tuple(noise))]
    assert (len(found) > 0) == dumper.expects(dbmate=True, dbmigrate=False)


def test_schema_bodies(dumper, project, url):
    body = "begin   \n\t-- blanks at the end  \n  return 'a  \n';\nend"
    project.migration("1_a", up=f"create function f() returns text language plpgsql as $$ {body} $$;")

    dumper.ok("up", url=url)

    assert (body in project.schema_file.read_text()) == dumper.expects(dbmate=False, dbmigrate=True)


def test_schema_bodies_with_long_lines(dumper, project, url):
    project.migration("1_a", up=f"create view v as select '{'x' * 70000}'::text as t;")
    dumper("up", url=url, env={"DBMATE_NO_DUMP_SCHEMA": "true"})

    done = dumper("dump", url=url)

    assert done.exit_code == dumper.expects(dbmate=2, dbmigrate=0)


def test_schema_when_nothing_changed(dumper, project, url):
    project.migration("1_a", up="select 1;")
    dumper.ok("up", url=url)
    project.schema_file.write_text("-- mine\n")

    done = dumper.ok("up", url=url)

    assert (project.schema_file.read_text() == "-- mine\n") == dumper.expects(dbmate=False, dbmigrate=True)
    assert ("Writing: ./db/schema.sql\n" in said(done)) == dumper.expects(dbmate=True, dbmigrate=False)


def test_schema_when_a_later_file_failed(dumper, project, url):
    project.migration("1_a", up="create table a (i int);")
    project.migration("2_b", up="select 1/0;")

    assert dumper("up", url=url).exit_code != 0

    assert project.schema_file.exists() == dumper.expects(dbmate=False, dbmigrate=True)


def test_schema_failure(dumper, project, url):
    project.migration("1_a", up="create table a (i int);")

    up = dumper("-s", "db/migrations/1_a.sql/schema.sql", "up", url=url)
    dump = dumper("-s", "db/migrations/1_a.sql/schema.sql", "dump", url=url)

    assert (up.exit_code, dump.exit_code) == (0, 2)
    assert ("the schema file was not written" in up.stderr) == dumper.expects(dbmate=False, dbmigrate=True)
    assert tables(url) == ["a", "schema_migrations"]


@pytest.fixture
def watched(program, project):
    """The program with a pg_dump that writes its arguments to the file ``arguments`` first."""
    stub = project.root / "bin" / "pg_dump"
    stub.parent.mkdir()
    stub.write_text(STUB.format(log=project.root / "arguments", real=program.tools / "pg_dump"))
    stub.chmod(0o755)
    path = f"{stub.parent}{os.pathsep}{os.environ['PATH']}"
    return Program(program.name, program.runner, program.tools, {"PATH": path, "DBMIGRATE_PG_DUMP": str(stub)})


def test_schema_pg_dump(watched, project, tcp_url):
    project.migration("1_a", up="select 1;")

    watched.ok("up", url=tcp_url)

    arguments = (project.root / "arguments").read_text()
    assert project.schema_file.exists()
    assert ("for%20tests" in arguments) == watched.expects(dbmate=True, dbmigrate=False)
    assert "for tests" not in arguments


def test_schema_locks(watched, project, url):
    watched.ok("dump", url=url)

    arguments = (project.root / "arguments").read_text().splitlines()
    assert ("--lock-wait-timeout=10s" in arguments) == watched.expects(dbmate=False, dbmigrate=True)


@pytest.fixture
def tablespace(server):
    if server.major < 15:
        pytest.skip("before PostgreSQL 15 a tablespace needs a directory of the server's account")
    server.admin.execute("set allow_in_place_tablespaces = on")
    name = f"conformance_{token_hex(4)}"
    server.admin.execute(f"create tablespace {name} location ''")
    yield name
    server.admin.execute(f"drop tablespace {name}")


def test_schema_tablespaces(dumper, project, url, query, tablespace):
    project.migration("1_a", up=f"create table a (i int) tablespace {tablespace};")

    dumper.ok("up", url=url)

    query(url, "drop table a")
    assert (tablespace in project.schema_file.read_text()) == dumper.expects(dbmate=True, dbmigrate=False)


def test_schema_pg_dump_on_the_path_is_too_old(program, project, url):
    stub = project.root / "bin" / "pg_dump"
    stub.parent.mkdir()
    stub.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.1'\ncase \"$*\" in --version) ;; *) exit 1;; esac\n")
    stub.chmod(0o755)
    project.migration("1_a", up="select 1;")

    Program(program.name, program.runner, program.tools, {"PATH": f"{stub.parent}{os.pathsep}/usr/bin:/bin"}).ok(
        "up", url=url
    )

    assert project.schema_file.exists() == program.expects(dbmate=False, dbmigrate=True)


def test_schema_url_settings(dumper, project, url):
    project.migration("1_a", up="select 1;")

    done = dumper("dump", url=with_parameters(url, lock_timeout="5s", work_mem="7MB"))

    assert done.exit_code == dumper.expects(dbmate=2, dbmigrate=0)


def test_schema_search_path(dumper, project, url, query):
    query(url, "create schema app; create table app.a (i int); create table public.b (i int)")
    project.migration("1_a", up="select 1;")

    dumper.ok("up", url=with_parameters(url, search_path="app"))

    text = project.schema_file.read_text()
    assert "CREATE TABLE app.a" in text
    assert ("CREATE TABLE public.b" in text) == dumper.expects(dbmate=False, dbmigrate=True)


def test_schema_search_path_and_load(dumper, project, url, twin_url):
    project.migration("1_a", up="create table a (i int);")
    dumper.ok("up", url=with_parameters(url, search_path="app,public"))

    done = dumper("load", url=twin_url)

    assert done.exit_code == dumper.expects(dbmate=2, dbmigrate=0)


def test_schema_load(program, project, url):
    project.schema_file.write_text(
        "create function f() returns text language sql as $$ select '\n\\restrict x\n  \\y\n' $$;\n"
    )

    program.ok("load", url=url)

    assert scalar(url, "select f()") == program.expects(dbmate="\n", dbmigrate="\n\\restrict x\n  \\y\n")


def test_schema_load_of_other_psql_commands(program, project, url):
    project.schema_file.write_text("create table a (i int);\n\\set x 1\ncreate table b (i int);\n")

    done = program("load", url=url)

    assert done.exit_code == program.expects(dbmate=0, dbmigrate=2)
    assert tables(url) == program.expects(dbmate=["a", "b"], dbmigrate=[])


# -- what is printed


def test_out_streams(program, project, url):
    project.migration("1_a", up="select 1;")

    up, down = program.ok("up", "-v", url=url), program.ok("rollback", url=url)

    theirs = ["Applying: 1_a.sql", "Rows affected: 1", "Applied: 1_a.sql in TIME"]
    assert lines(up.stdout, "") == program.expects(dbmate=theirs, dbmigrate=theirs[1:])
    theirs = ["Rolling back: 1_a.sql", "Rolled back: 1_a.sql in TIME"]
    assert lines(down.stdout, "") == program.expects(dbmate=theirs, dbmigrate=theirs[1:])
    assert (up.stderr == "") == program.expects(dbmate=True, dbmigrate=False)


def test_out_errors(program, project, url):
    project.migration("1_a", up="create table a (i int);\nselect nothing from a;")

    done = program("up", url=url)

    theirs = 'Error: line: 3, column: 8, position: 46: pq: column "nothing" does not exist at position 3:8 (42703)\n'
    ours = (
        'error[E401]: column "nothing" does not exist (42703)\n'
        "  --> db/migrations/1_a.sql:3:8\n"
        "  1 | -- migrate:up\n"
        "  2 | create table a (i int);\n"
        "  3 | select nothing from a;\n"
        "    |        ^^^^^^^\n"
        "state: "
    )
    assert program.expects(dbmate=theirs, dbmigrate=ours) in done.stderr


def test_out_server_messages(program, project, url):
    project.migration(
        "1_a",
        up="do $$ begin raise notice 'hello'; end $$;\ncreate table a (i int unique);\ninsert into a values (1), (1);",
    )

    done = program("up", url=url)

    shown = ("NOTICE: hello" in said(done), "DETAIL: Key (i)=(1) already exists." in said(done))
    assert shown == program.expects(dbmate=(False, False), dbmigrate=(True, True))


def test_out_failed(program, project, url):
    project.migration("1_a", up="select 1/0;")

    done = program("up", url=url)

    assert lines(done.stdout, "Applied") == program.expects(dbmate=["Applied: 1_a.sql in TIME"], dbmigrate=[])


def test_out_waiting(program, unused_port):
    dead = f"postgres://127.0.0.1:{unused_port}/x?sslmode=disable"

    done = program("--wait-timeout", "300ms", "--wait-interval", "100ms", "wait", url=dead)

    assert done.stdout == program.expects(dbmate="Waiting for database...\n", dbmigrate="")
    tries = [line for line in lines(done.stderr, "Waiting for database") if f"127.0.0.1:{unused_port}/x" in line]
    assert (len(tries) > 1) == program.expects(dbmate=False, dbmigrate=True)


def test_out_schema_name(program, project, url):
    project.migration("1_a", up="select 1;")

    done = program.ok("--migrations-table", "My.table", "up", url=url)

    assert lines(said(done), "Creating schema") == program.expects(
        dbmate=['Creating schema: "My"'], dbmigrate=["Creating schema: My"]
    )
