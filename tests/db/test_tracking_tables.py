"""The cheap look at the tracking tables says what the closer one says, whatever they are."""

from __future__ import annotations

from secrets import token_hex

import psycopg
import pytest

from dbmigrate.connection import database
from dbmigrate.errors import Error
from dbmigrate.tracking import relation, tables

V, L = "schema_migrations", "schema_migrations_log"
# applied to tables as dbmigrate makes them
CHANGES = {
    "nothing": "",
    "of dbmate's older versions": f"alter table {V} alter version type varchar(255)",
    "too short": f"alter table {V} alter version type varchar(6)",
    "text": f"alter table {V} alter version type text",
    "of fixed length": f"alter table {V} alter version type char(20)",
    "an integer": f"alter table {V} alter version type bigint using 1",
    "a further column": f"alter table {V} add b int",
    "a further column that needs a value": f"alter table {V} add b int not null",
    "a column with a name like a type's": f'alter table {V} add "version b" text not null',
    "a domain": f"create domain d as text not null; alter table {V} add b d",
    "a column that is gone": f"alter table {V} add b int; alter table {V} drop b",
    "another key": f"alter table {V} rename version to name; alter table {V} add version varchar unique",
    "no key": f"alter table {V} drop constraint {V}_pkey",
    "a partial key": f"alter table {V} drop constraint {V}_pkey;"
    f" create unique index on {V} (version) where version > ''",
    "a key of two": f"alter table {V} drop constraint {V}_pkey; create unique index on {V} (version, upper(version))",
    "a key of an expression": f"alter table {V} drop constraint {V}_pkey; create unique index on {V} (upper(version))",
    "unlogged": f"alter table {V} set unlogged",
    "a trigger": "create function f() returns trigger language plpgsql as $$begin return new; end$$;"
    f" create trigger t before insert on {V} for each row execute function f()",
    "a trigger that is gone": "create function f() returns trigger language plpgsql as $$begin return new; end$$;"
    f" create trigger t before insert on {V} for each row execute function f(); drop trigger t on {V}",
    "a foreign key to it": f"create table b (v varchar references {V})",
    "a rule": f"create rule r as on insert to {V} do also select 1",
    "row level security": f"alter table {V} enable row level security",
    "a policy": f"alter table {V} enable row level security; create policy p on {V} using (true)",
    "a parent": f"create table b (version varchar); alter table {V} inherit b",
    "a parent without columns": f"create table b (); alter table {V} inherit b",
    "a child": f"create table b () inherits ({V})",
    "a child that is gone": f"create table b () inherits ({V}); drop table b",
    "a partition": f"drop table {V}; create table b (version varchar) partition by list (version);"
    f" create table {V} partition of b (primary key (version)) for values in ('1')",
    "partitioned": f"drop table {V}; create table {V} (version varchar primary key) partition by list (version)",
    "generated": f"drop table {V}; create table {V} (version varchar generated always as (b) stored unique, b text)",
    "a view": f"drop table {V}; create view {V} as select ''::varchar as version",
    "of another role": f"alter table {V} owner to {{role}}",
    "a log of another role": f"alter table {L} owner to {{role}}",
    "both and the schema of another role": f"alter table {V} owner to {{role}}; alter table {L} owner to {{role}};"
    " alter schema public owner to {role}",
    "no log": f"drop table {L}",
    "no log, and Rails": f"drop table {L}; create table ar_internal_metadata (key text)",
    "no versions": f"drop table {V}",
    "neither": f"drop table {V}, {L}",
    "no schema": "drop schema public cascade",
    "an unlogged log": f"alter table {L} set unlogged",
    "a log without a key": f"alter table {L} drop constraint {L}_pkey",
    "an older log": f"alter table {L} drop details, drop reason",
    "an older log with its new columns": f"alter table {L} drop details; alter table {L} add details jsonb",
    "a log without a column that it needs": f"alter table {L} drop state",
    "a log with a further column": f"alter table {L} add ticket text",
    "a log with a further column that needs a value": f"alter table {L} add ticket text not null",
    "a log with other columns": f"alter table {L} rename run_id to runs",
    "a log with a trigger": "create function f() returns trigger language plpgsql as $$begin return new; end$$;"
    f" create trigger t before insert on {L} for each row execute function f()",
}
USUAL = ["nothing", "of dbmate's older versions", "text", "neither"]


@pytest.fixture
def look(database_url):
    """What is found: the tables, or the error in parts, which can be compared; and whether they count as plain."""
    with psycopg.connect(database_url, autocommit=True) as conn:

        def looked(is_cheap=True):
            with pytest.MonkeyPatch.context() as patch:
                if not is_cheap:
                    patch.setattr(tables, "plain_ones", lambda *_: None)
                try:
                    return tables.locate(conn, V, facts=database.facts(conn), search_path=("public",))
                except Error as exc:
                    return (type(exc), exc.code, exc.message, exc.hint, exc.state)

        place = ("public", V)
        own = tables._OF_LOG | tables._OF_VERSIONS
        looked.is_plain = lambda: relation.plain_ones(conn, place, own) is not None
        yield looked


@pytest.fixture
def role(server, database_url, query):
    name = f"dbmigrate_test_role_{token_hex(4)}"
    query(database_url, f"create role {name}; grant create, usage on schema public to {name}")
    yield name
    query(database_url, f"drop owned by {name} cascade; drop role {name}")


@pytest.fixture
def made(run, project, database_url, query):
    """Empty tables, which any change fits."""
    project.migration("1_a", up="create table a ();")
    assert run("--no-dump-schema", "up", env={"DATABASE_URL": database_url}).exit_code == 0
    query(database_url, f"truncate {V}, {L}")


@pytest.mark.parametrize("change", CHANGES)
def test_both_looks_find_the_same(made, look, role, database_url, query, change):
    if CHANGES[change]:
        query(database_url, CHANGES[change].replace("{role}", role))

    assert look() == look(is_cheap=False)


@pytest.mark.parametrize("change", USUAL)
def test_what_is_usual_needs_no_closer_look(made, look, database_url, query, change):
    if CHANGES[change]:
        query(database_url, CHANGES[change])

    assert look.is_plain()
