"""A server that keeps notes of its own in the catalog, ``pg_attver`` on every column: nobody's schema differs by them."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import psycopg
import pytest

from dbmigrate import catalog
from dbmigrate.catalog import Scope
from dbmigrate.schema.load import prepare
from dbmigrate.schema.normalise import normalise
from dbmigrate.connection.programs import Search
from dbmigrate.schema.pgdump import dump
from tests.support import databases, debian, environment
from tests.support.downloads import pg_dumps_here
from tests.support.servers import UnavailableError, binaries_of, server_of_major

ENVIRON = dict(os.environ)  # as the test run was started; the tests themselves see a cleaned one
EXAMPLE = Path(__file__).parents[2] / "db"
NOTES = "select count(*) from pg_attribute where attrelid >= 16384 and attoptions::text ~ 'pg_attver'"

# every kind of relation that has columns, with options that a user can set
FORMS = """
create schema shop;
create table shop.goods (id bigint primary key, name text not null, price numeric default 0);
alter table shop.goods alter name set (n_distinct = 5), alter price set (n_distinct = -0.5, n_distinct_inherited = 7);
create table shop.special () inherits (shop.goods);
create view shop.names with (security_barrier) as select name from shop.goods;
create materialized view shop.counts as select name, count(*) from shop.goods group by name;
create type shop.pair as (a int, b text);
create table shop.pairs of shop.pair;
create table shop.sales (id int, day date) partition by range (day);
create table shop.sales_1 partition of shop.sales for values from ('2026-01-01') to ('2026-02-01');
create table shop."odd ""; name" ("a. column" int, "b
c" text);
alter table shop."odd ""; name" alter "b
c" set (n_distinct = 3);
create foreign data wrapper nowhere;
create server elsewhere foreign data wrapper nowhere;
create foreign table shop.far (a int options (x 'y') not null, b text) server elsewhere;
alter foreign table shop.far alter b set (n_distinct = 4);
"""
UNDONE = """
drop foreign table shop.far;
drop server elsewhere;
drop foreign data wrapper nowhere;
drop schema shop cascade;
"""


@pytest.fixture(scope="session")
def noting_server():
    with environment.without_database_variables():
        try:
            with server_of_major(debian.NAME, environ=ENVIRON) as found:
                found.admin.execute("create table noted (a int)")
                if found.admin.execute(NOTES).fetchone() == (0,):
                    pytest.skip(f"no server that keeps notes of its own: PostgreSQL {found.version} keeps none")
                yield found
        except UnavailableError as exc:
            pytest.skip(f"no server that keeps notes of its own: {exc}")


@pytest.fixture
def make(noting_server):
    with databases.fresh_databases(noting_server, prefix="dbmigrate_test_notes") as (make, _):
        yield make


@pytest.fixture
def url(make):
    """A database whose columns have other notes than those of the next one."""
    return make()


@pytest.fixture
def scratch(noting_server):
    return ("--scratch-url", noting_server.url("postgres"))


@pytest.fixture
def migrated(run, project, url):
    project.migration("1_forms", up=FORMS, down=UNDONE)
    done = run("up", env={"DATABASE_URL": url})
    assert (done.exit_code, done.stderr.count("warning")) == (0, 0), done.stderr
    assert databases.query(url, NOTES)[0][0] > 10
    return project


def execute(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as conn:
        for statement in statements:
            conn.execute(statement.encode())


def headlines(done) -> list[str]:
    return [line for line in done.stdout.splitlines() if not line.startswith((" ", "next: "))]


def own_programs() -> Path:
    return binaries_of(debian.NAME, environ=ENVIRON).bindir


@pytest.mark.parametrize("against", ["file", "migrations", "staging"])
def test_drift_finds_nothing_after_up(run, migrated, url, make, scratch, against):
    other = make()
    execute(other, "create table gone (a int)", "drop table gone")
    run("up", "--no-dump-schema", env={"DATABASE_URL": other})

    done = run("drift", "--against", against, *scratch, env={"DATABASE_URL": url, "STAGING_DATABASE_URL": other})

    assert (done.exit_code, done.stderr) == (0, ""), done.stdout
    assert databases.query(url, NOTES) == databases.query(other, NOTES)


@pytest.mark.parametrize("against", ["file", "migrations"])
@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("alter table shop.goods alter id set (n_distinct = 5)", "options of column shop.goods.id differ"),
        ("alter table shop.goods alter name reset (n_distinct)", "options of column shop.goods.name differ"),
        ("alter table shop.sales alter id set (n_distinct_inherited = 5)", "options of column shop.sales.id differ"),
        ("alter foreign table shop.far alter b set (n_distinct = 5)", "options of column shop.far.b differ"),
    ],
)
def test_drift_sees_options_that_somebody_has_set(run, migrated, url, scratch, against, change, told):
    execute(url, change)

    done = run("drift", "--against", against, *scratch, env={"DATABASE_URL": url})

    assert (done.exit_code, headlines(done)[:-1]) == (1, [told])
    assert "pg_attver" not in done.stdout


def test_check_of_the_example_project_finds_nothing(run, tmp_path, scratch):
    shutil.copytree(EXAMPLE, tmp_path / "db")

    done = run("check", "--no-lint", "--json", *scratch, timeout=120)

    found = json.loads(done.stdout)["findings"]
    assert [item for item in found if item["severity"] != "note"] == []
    assert done.exit_code == 0


@pytest.mark.parametrize(
    ("up", "told"),
    [
        ("alter table t alter id set (n_distinct = 5);", "options of column public.t.id are n_distinct=5, were none"),
        ("alter table t add nick text;", "column public.t.nick is still there"),
        ("alter table t alter name type varchar(9);", "type of column public.t.name is character varying(9), was text"),
    ],
)
def test_check_finds_what_a_down_forgot_and_nothing_else(run, project, scratch, up, told):
    project.migration("1_t", up="create table t (id int, name text);", down="drop table t;")
    project.migration("2_forgetful", up=up, down="select 1;")

    done = run("check", "--no-lint", "--no-dump-schema", "--json", *scratch)

    found = [item for item in json.loads(done.stdout)["findings"] if item["code"] == "C103"]
    assert [item["message"] for item in found] == [f"after the down section of 2_forgetful.sql {told}"]


def test_a_fingerprint_is_the_same_when_a_change_is_undone(url):
    execute(url, FORMS)
    with psycopg.connect(url, autocommit=True) as conn:
        reader = catalog.Reader(conn)
        before, picture = reader.fingerprint(), reader.read()
        conn.execute("alter table shop.goods add column note text, alter id set (n_distinct = 3)")
        changed = reader.fingerprint()
        conn.execute("alter table shop.goods drop column note, alter id reset (n_distinct)")

        assert changed != before
        assert reader.fingerprint() == before
        assert catalog.compare(picture, reader.read(), scope=Scope.ALL) == ()


def dumped(url: str, program: str) -> str:
    with psycopg.connect(url) as conn:
        version = conn.info.server_version
        environ = {"PGHOST": conn.info.host, "PGPORT": str(conn.info.port), "PGUSER": conn.info.user}
        environ["PGDATABASE"] = conn.info.dbname
    return dump(environ, server_version=version, search=Search(pg_dump=program))


def test_every_pg_dump_writes_the_same_bytes_from_every_database(url, make):
    programs = [str(own_programs() / "pg_dump"), *(each.command[0] for each in pg_dumps_here() if each.version[0] > 14)]
    other = make()
    execute(url, FORMS)
    execute(other, "create table gone (a int)", FORMS, "drop table gone")
    raw = {program: [dumped(each, program) for each in (url, other)] for program in programs}
    texts = {normalise(text) for both in raw.values() for text in both}

    assert len(programs) > 1
    assert any("pg_attver" in text for both in raw.values() for text in both)
    assert len(texts) == 1
    lines = texts.pop().splitlines()
    assert sorted(line.partition(" SET ")[2] for line in lines if "n_distinct" in line) == [
        *("(n_distinct=-0.5, n_distinct_inherited=7);", "(n_distinct=3);", "(n_distinct=4);", "(n_distinct=5);")
    ]


def test_the_schema_file_loads_on_any_other_server(run, migrated, make_database):
    """In the matrix on each of them."""
    other = make_database()

    done = run("load", env={"DATABASE_URL": other})

    assert done.exit_code == 0, done.stderr
    assert databases.query(other, "select count(*) from schema_migrations") == [(1,)]


def test_a_file_that_holds_the_notes_already_loads_on_any_other_server(url, database_url):
    """As dbmate writes it with a pg_dump that does not know them."""
    execute(url, FORMS)
    program = next(each.command[0] for each in pg_dumps_here() if each.version > (18, 0))
    raw = dumped(url, program)
    text = prepare(raw, path="schema.sql")

    execute(database_url, text)

    assert "pg_attver" in raw
    assert text.count("\n") == raw.count("\n")
    assert databases.query(
        database_url, "select count(*) from pg_attribute where attoptions::text ~ 'n_distinct' and attrelid >= 16384"
    ) == [(4,)]


def test_the_example_project_loads_on_any_other_server(run, tmp_path, url, make_database):
    shutil.copytree(EXAMPLE / "migrations", tmp_path / "db" / "migrations")
    done = run("up", env={"DATABASE_URL": url})
    assert done.exit_code == 0, done.stderr

    done = run("load", env={"DATABASE_URL": make_database()})

    assert done.exit_code == 0, done.stderr
