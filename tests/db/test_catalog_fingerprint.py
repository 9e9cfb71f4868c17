"""A fingerprint has to differ whenever the catalog does, and should not when what was made is gone again."""

from __future__ import annotations

from secrets import token_hex

import psycopg
import pytest

from dbmigrate.catalog import Reader
from tests.db.test_catalog_differences import BASE, CASES

NEWER = {
    14: ("alter table app.users alter name set compression pglz",),
    15: (
        "alter publication news add tables in schema app",
        "alter publication news set table app.users (id), app.orders",
        "alter view app.adults set (security_invoker = true)",
        "create table app.one (a int unique nulls not distinct)",
    ),
    18: ("alter table app.orders add constraint there not null at not valid",),
}


@pytest.fixture
def conn(database_url):
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute(BASE.encode())
        yield conn


def changed(conn, change):
    """Whether the catalog, and whether the fingerprint is another one after `change`."""
    reader = Reader(conn)
    catalog, fingerprint = reader.read(), reader.fingerprint()
    conn.execute(change.encode())
    return reader.read() != catalog, reader.fingerprint() != fingerprint


@pytest.mark.parametrize("change", CASES)
def test_no_change_goes_unseen(conn, change):
    is_other, is_seen = changed(conn, change)

    assert is_seen or not is_other


@pytest.mark.parametrize(("since", "change"), [(since, change) for since, some in NEWER.items() for change in some])
def test_nor_does_what_newer_servers_know(conn, server, since, change):
    if server.major < since:
        pytest.skip(f"needs PostgreSQL {since}")

    assert changed(conn, change) == (True, True)


@pytest.mark.parametrize(
    "change",
    [
        "alter table app.users rename column name to called",
        "alter table app.orders rename constraint of_user to mine",
        "alter table app.orders rename to sales",
        "alter schema app rename to shop",
        "alter type app.mood rename value 'sad' to 'blue'",
        "alter function app.add(int, int) rename to plus",
        "create or replace function app.add(a int, b int default 1) returns int language sql as 'select a - b'",
        "create or replace view app.adults as select id, name from app.users where born < '1999-01-01'",
        "alter table app.orders set (toast.autovacuum_enabled = off)",
        "alter sequence app.ticket increment 6",
        "alter table app.users disable trigger touch",
        "comment on schema public is 'for all'",
        "revoke all on schema public from public",
        "drop schema public cascade",
        "alter default privileges grant select on tables to public",
        "alter table app.orders cluster on orders_pkey",
        "alter table app.orders disable trigger all",
        "drop extension plpgsql cascade",
    ],
)
def test_what_is_easily_overlooked_is_seen(conn, change):
    is_other, is_seen = changed(conn, change)

    assert is_seen or not is_other
    assert is_other or "toast" in change


@pytest.mark.parametrize(
    ("there", "change"),
    [
        ("create table p (a int, b int not null)", "alter table p alter a set not null, alter b drop not null"),
        ("create table p (a int, b int)", "alter table p rename a to c; alter table p rename b to a"),
        (
            "create table p (a int, b int)",
            "alter table p rename a to c; alter table p rename b to a; alter table p rename c to b",
        ),
        (
            "create table p (a int); create table q (b int)",
            "alter table p rename to r; alter table q rename to p; alter table r rename to q",
        ),
        (
            "create table p (); create table q (); alter table p enable row level security",
            "alter table p disable row level security; alter table q enable row level security",
        ),
        (
            "create table p () with (fillfactor = 50); create table q () with (fillfactor = 60)",
            "alter table p set (fillfactor = 60); alter table q set (fillfactor = 50)",
        ),
        (
            "create table p (); create table q (); alter table p owner to pg_monitor",
            "alter table p owner to current_user; alter table q owner to pg_monitor",
        ),
        (
            "create table p (a int, b int); alter table p alter a set statistics 5, alter b set statistics 6",
            "alter table p alter a set statistics 6, alter b set statistics 5",
        ),
        (
            "create table p (a int, b int); grant select (a) on p to pg_monitor",
            "revoke select (a) on p from pg_monitor; grant select (b) on p to pg_monitor",
        ),
        (
            "create table p (); grant select on p to pg_monitor",
            "grant select on p to pg_monitor with grant option",
        ),
        (
            "create table p (); grant select on p to pg_monitor; grant insert on p to pg_signal_backend",
            "revoke select on p from pg_monitor; grant insert on p to pg_monitor;"
            " revoke insert on p from pg_signal_backend; grant select on p to pg_signal_backend",
        ),
        (
            "create sequence p increment 2; create sequence q increment 3",
            "alter sequence p increment 3; alter sequence q increment 2",
        ),
        (
            "create table p (a int); create index i on p (a); create index j on p (a desc); cluster p using i",
            "cluster p using j",
        ),
        ("select 1", "alter extension plpgsql add schema public"),
    ],
    ids=lambda text: text[:40],
)
def test_what_goes_over_from_one_row_to_another_is_seen(conn, there, change):
    conn.execute(there)

    assert changed(conn, change) == (True, True)


@pytest.mark.parametrize(
    "changes",
    [
        ("create table t (id bigint primary key, name text unique)", "drop table t"),
        (
            "alter table app.orders add note text, add other int default 3",
            "alter table app.orders drop note, drop other",
        ),
        ("create index on app.users (name)", "drop index app.users_name_idx"),
        ("create table t (id int references app.orders)", "drop table t"),
        ("alter table app.orders alter at set not null", "alter table app.orders alter at drop not null"),
        ("alter table app.orders rename to sales", "alter table app.sales rename to orders"),
        ("create type t as enum ('a'); create table u (t t)", "drop table u; drop type t"),
        ("create view v as select * from app.orders; grant select on v to public", "drop view v"),
        ("comment on column app.orders.at is 'when'", "comment on column app.orders.at is null"),
        ("create extension hstore", "drop extension hstore"),
        ("create sequence app.s owned by app.orders.id", "drop sequence app.s"),
    ],
    ids=lambda changes: changes[0][:30],
)
def test_what_comes_and_goes_leaves_it_as_it_was(conn, changes):
    assert changed(conn, "; ".join(changes)) == (False, False)


def test_a_transaction_that_is_rolled_back_leaves_it_as_it_was(conn):
    reader = Reader(conn)
    before = reader.fingerprint()

    conn.execute("begin")
    conn.execute("create table t (id int primary key); alter table app.orders add note text")
    within = reader.fingerprint()
    conn.execute("deallocate all")
    again = reader.fingerprint()
    conn.execute("create table still_open (id int)")
    conn.execute("rollback")

    assert within == again != before
    assert reader.fingerprint() == before


def test_a_plan_that_was_discarded_alone_is_made_again(conn):
    reader = Reader(conn)
    before = reader.read(), reader.fingerprint()
    for (name,) in conn.execute("select name from pg_prepared_statements where name like 'dbmigrate%7'").fetchall():
        conn.execute(f"deallocate {name}")

    assert (reader.read(), reader.fingerprint()) == before


def test_a_role_counts_by_its_name_once_it_is_somebody_here(conn):
    role = f"role_{token_hex(4)}"
    reader = Reader(conn)
    before = reader.fingerprint()
    try:
        conn.execute(f"create role {role}")
        unknown = reader.fingerprint()
        conn.execute(f"grant select on app.orders to {role}")
        granted = reader.fingerprint()
        conn.execute(f"alter role {role} rename to {role}_b")
        renamed = reader.fingerprint()
    finally:
        for name in (role, f"{role}_b"):
            conn.execute(f"do $$ begin drop owned by {name}; drop role {name}; exception when others then null; end $$")

    assert before == unknown
    assert len({before, granted, renamed}) == 3


STEPS = (
    *CASES,
    "create table app.more (id bigint primary key, name text not null unique)",
    "alter table app.orders add note text; alter table app.orders drop note",
    "create or replace function app.add(a int, b int default 1) returns int language sql as 'select a - b'",
    "alter function app.add(int, int) rename to plus;"
    " create function app.add(int) returns int language sql as 'select 1'",
    "alter schema app rename to shop",
)


def as_a_whole(conn):
    conn.execute("deallocate all")
    return Reader(conn).fingerprint()


@pytest.mark.parametrize("change", STEPS)
def test_what_was_added_up_is_what_is_read_as_a_whole(conn, change):
    """Only what is new is hashed, before and after the change, and inside of the transaction that makes it."""
    reader = Reader(conn)
    reader.fingerprint()
    conn.execute("create table app.first (id int primary key); comment on table app.first is 'first'")
    before = reader.fingerprint()
    assert before == as_a_whole(conn)

    conn.execute(f"begin; {change}")
    within = reader.fingerprint(), as_a_whole(conn)
    conn.execute("rollback")
    assert within[0] == within[1]
    assert reader.fingerprint() == before

    conn.execute(change.encode())
    assert reader.fingerprint() == as_a_whole(conn)
    conn.execute("drop table if exists app.first")
    conn.execute("create table last (id int)")
    assert reader.fingerprint() == as_a_whole(conn)


def test_what_an_older_transaction_commits_later_is_seen(conn, database_url):
    """It may have drawn its id before those that the fingerprint knows."""
    reader = Reader(conn)
    with psycopg.connect(database_url) as other:
        other.execute("create table late (id int)")
        conn.execute("create table early (id int)")
        before = reader.fingerprint()
        other.commit()
    after = reader.fingerprint()

    assert after != before
    assert after == as_a_whole(conn)


def test_as_many_rows_as_before_are_not_taken_for_the_same(conn, database_url):
    reader = Reader(conn)
    with psycopg.connect(database_url) as other:
        other.execute("comment on table app.orders is 'late'")
        conn.execute("comment on table app.users is 'early'")
        before = reader.fingerprint()
        other.commit()
    conn.execute("comment on table app.users is null")

    assert reader.fingerprint() == as_a_whole(conn) != before


def test_where_a_function_is_renamed_the_rows_that_name_it_are_read_again(conn):
    conn.execute(
        "create type number;"
        " create function number_in(cstring) returns number language internal immutable strict as 'int4in';"
        " create function number_out(number) returns cstring language internal immutable strict as 'int4out';"
        " create type number (input = number_in, output = number_out, like = int4)"
    )
    reader = Reader(conn)
    reader.fingerprint()
    conn.execute("alter function number_in(cstring) rename to number_read")

    assert reader.fingerprint() == as_a_whole(conn)
