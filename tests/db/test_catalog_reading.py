"""Reading a catalog: what it leaves out, what it leaves behind, and that equal schemas are equal."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from dbmigrate import catalog
from dbmigrate.catalog import Kind, Reader, Scope
from dbmigrate.api.migrator import Migrator, Options
from dbmigrate.model import Goal
from dbmigrate.schema.load import prepare
from dbmigrate.schema.normalise import normalise
from tests.db.test_schema import dump_of, oldest_server, rich_schema
from tests.support import databases
from tests.support.faults import plain_role

__all__ = ["oldest_server"]  # a fixture

EXAMPLE = str(Path(__file__).parents[2] / "db" / "migrations")


def connect(url):
    return psycopg.connect(url, autocommit=True, prepare_threshold=None)


def read(url, **options):
    with connect(url) as conn:
        return catalog.read(conn, **options)


def run(url, sql):
    with connect(url) as conn:
        conn.execute(sql.encode())


def sentences(before, after, *, scope=Scope.ALL):
    return [found.sentence for found in catalog.compare(before, after, scope=scope)]


# ---------------------------------------------------------------------------------------------------- equal is equal


def test_the_same_schema_made_twice_is_the_same(database_url, twin_database_url, server):
    for url in (database_url, twin_database_url):
        run(url, rich_schema(server.version))

    one, two = read(database_url), read(twin_database_url)

    assert set(Kind) - set(one.items) <= {
        *(Kind.COLUMN_ORDER, Kind.SECURITY_LABEL, Kind.SUBSCRIPTION, Kind.LANGUAGE, Kind.TRANSFORM),
        *(Kind.ACCESS_METHOD, Kind.TEXT_SEARCH_PARSER, Kind.TEXT_SEARCH_TEMPLATE),
    }
    assert sentences(one, two) == []
    assert one == two


def test_a_schema_is_the_same_after_a_dump_and_a_load(database_url, twin_database_url, server):
    run(database_url, rich_schema(server.version))
    run(twin_database_url, prepare(normalise(dump_of(database_url)), path="schema.sql"))

    assert sentences(read(database_url), read(twin_database_url), scope=Scope.SCHEMA_FILE) == []


def test_servers_of_other_versions_tell_the_same(database_url, server, oldest_server):
    oldest = min(server.version, oldest_server.version)
    with databases.fresh_databases(oldest_server, prefix="dbmigrate_test_catalog") as (make, _):
        old = make()
        for url in (database_url, old):
            run(url, rich_schema(oldest))

        assert sentences(read(old), read(database_url), scope=Scope.ALL & ~Scope.SERVER) == []


def test_every_rollback_of_the_example_project_leaves_what_was_before(database_url):
    migrator = Migrator(database_url, Options(directories=(EXAMPLE,)))
    own = [("public", "schema_migrations"), ("public", "schema_migrations_log")]
    before = [read(database_url, without=own)]
    while migrator.status().pending:
        migrator.up(Goal(steps=1))
        before.append(read(database_url, without=own))
    last = before.pop()

    assert len(sentences(before[0], last)) == 1  # its schema, with everything in it
    while before:
        migrator.rollback()
        assert sentences(before.pop(), read(database_url, without=own)) == []


def test_everything_in_another_schema_is_named_once(database_url, twin_database_url, server):
    run(database_url, rich_schema(server.version))

    found = catalog.compare(read(database_url), read(twin_database_url), scope=Scope.ALL)

    assert len({(each.kind, each.name) for each in found}) == len(found)
    assert {each.name for each in found if each.kind is Kind.SCHEMA} == {"app", '"Weird ""Name"""'}
    assert not [each for each in found if each.name.startswith("app.")]
    assert [each.sentence for each in found if "app.users" in each.sentence] == []
    inside = next(each.inside for each in found if each.name == "app")
    assert {"table app.users", "function app.add(integer, integer)", "type app.mood"} < set(inside)
    assert not [name for name in inside if name.startswith(("column", "constraint", "index"))]


# ----------------------------------------------------------------------------------------------------- what is left out


def test_tables_can_be_left_out_with_all_that_belongs_to_them(database_url):
    empty = read(database_url)
    run(
        database_url,
        'create table public."Log * 1" (id bigint generated always as identity primary key, at int check (at > 0));'
        'create index on public."Log * 1" (at); comment on column public."Log * 1".at is \'x\';'
        'grant select on public."Log * 1" to public; create table public."it\'s" (id serial);',
    )

    assert sentences(empty, read(database_url, without=[("public", "Log * 1"), ("public", "it's")])) == []
    assert sentences(empty, read(database_url, without=[("other", "Log * 1"), ("public", "it's")])) == [
        'table public."Log * 1" is extra'
    ]


def test_what_an_extension_made_is_not_told(database_url):
    before = read(database_url)
    run(database_url, "create extension hstore; create extension pg_trgm")

    assert sentences(before, read(database_url)) == ["extension hstore is extra", "extension pg_trgm is extra"]


def test_the_version_of_an_extension_is_the_servers_business(database_url, twin_database_url):
    versions = "select version from pg_available_extension_versions where name = 'hstore' order by version"
    with connect(database_url) as conn:
        oldest, *_, newest = [row[0] for row in conn.execute(versions)]
    run(database_url, f"create extension hstore version '{oldest}'; comment on extension hstore is 'x'")
    run(twin_database_url, f"create extension hstore version '{newest}'")
    one, two = read(database_url), read(twin_database_url)

    assert sentences(one, two, scope=Scope.SCHEMA_FILE) == []
    assert f"version of extension hstore is {newest}, was {oldest}" in sentences(one, two)


# ------------------------------------------------------------------------------------------------ where it can be read


def test_a_transaction_that_is_open_goes_on_as_it_was(database_url):
    with psycopg.connect(database_url) as conn:
        conn.execute("create schema app; create table app.t (id int)")
        conn.execute("set local search_path = app; set local lock_timeout = '3s'")
        conn.execute("declare walk cursor for select generate_series(1, 3)")
        before = conn.execute("select pg_current_xact_id(), current_setting('search_path')").fetchone()

        found = catalog.read(conn)

        assert "app.t" in found.items[Kind.TABLE]
        assert conn.execute("select pg_current_xact_id(), current_setting('search_path')").fetchone() == before
        assert conn.execute("show lock_timeout").fetchone() == ("3s",)
        assert conn.execute("fetch all from walk").fetchall() == [(1,), (2,), (3,)]
        locks = "select count(*) from pg_locks where pid = pg_backend_pid() and relation = 'pg_class'::regclass"
        assert conn.execute(locks).fetchone() == (0,)
        conn.rollback()
    assert Kind.TABLE not in read(database_url).items


def test_a_session_is_left_as_it_was(database_url):
    with connect(database_url) as conn:
        conn.execute("set search_path = app; set datestyle = 'German'; set bytea_output = 'escape'")
        catalog.read(conn)

        assert conn.execute("show search_path").fetchone() == ("app",)
        assert conn.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


def test_the_search_path_changes_no_text(database_url, server):
    run(database_url, rich_schema(server.version))
    with connect(database_url) as conn:
        one = catalog.read(conn)
        conn.execute("set search_path = app, public, pg_catalog; create temporary table pg_class (oid int)")
        two = catalog.read(conn)

    assert one == two


def test_the_settings_of_a_session_change_no_text(database_url, server):
    run(
        database_url,
        "create table t (at timestamptz default '2020-01-01 12:00+00', every interval default '1 day 2 hours',"
        " data bytea default '\\x00ff', number float8 default 0.1) partition by range (at);"
        "create table t_1 partition of t for values from ('2020-01-01 00:00+00') to ('2020-02-01 00:00+00')",
    )
    one = read(database_url)
    with connect(database_url) as conn:
        conn.execute(
            "set timezone = 'Asia/Tokyo'; set datestyle = 'SQL, DMY'; set intervalstyle = 'iso_8601';"
            "set bytea_output = 'escape'; set extra_float_digits = -5; set quote_all_identifiers = on;"
            "set standard_conforming_strings = off; set lc_messages = 'C'"
        )
        two = catalog.read(conn)

        assert one == two
        assert conn.execute("show timezone").fetchone() == ("Asia/Tokyo",)


def test_a_failure_leaves_the_session_usable(database_url):
    run(database_url, "create table t (id int primary key); create view v as select id from t")
    with connect(database_url) as conn, connect(database_url) as other:
        other.execute("begin; lock table t in access exclusive mode")
        conn.execute("set statement_timeout = '300ms'")
        with pytest.raises(psycopg.errors.QueryCanceled):
            catalog.read(conn)
        other.execute("rollback")
        conn.execute("reset statement_timeout")

        assert conn.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        assert "public.v" in catalog.read(conn).items[Kind.VIEW]


def test_a_plain_role_reads_the_same_as_the_superuser(database_url, server):
    run(database_url, rich_schema(server.version))
    with plain_role(server, database_url) as url:
        run(database_url, "revoke all on schema app, public from public")
        everything, seen = read(database_url), read(f"{url}?options=-cdefault_transaction_read_only%3Don")

    assert sentences(everything, seen) == []


def test_a_reader_sees_every_change(database_url):
    with connect(database_url) as conn, connect(database_url) as writer:
        reader = Reader(conn)
        pictures = [reader.read()]
        for change in ("create schema a", "create table a.t (id int)", "set search_path = a", "drop schema a cascade"):
            writer.execute(change.encode())
            pictures.append(reader.read())
        conn.execute("discard all")
        pictures.append(reader.read())

    empty, with_schema, with_table, same, gone, again = pictures
    assert gone == again
    assert sentences(empty, with_schema) == ["schema a is extra"]
    assert sentences(with_schema, with_table) == ["table a.t is extra"]
    assert with_table == same
    assert empty == gone == read(database_url)


def test_one_round_trip_is_enough(database_url, tmp_path):
    with connect(database_url) as conn:
        trace = tmp_path / "trace"
        with trace.open("w") as file:
            conn.pgconn.trace(file.fileno())
            catalog.read(conn)
            conn.pgconn.untrace()

    assert trace.read_text().count("\tQuery\t") == 1
