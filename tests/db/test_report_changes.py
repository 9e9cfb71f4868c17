"""The picture of a change, object by object, against the comparison of the catalogs of a real database."""

from __future__ import annotations

from dataclasses import replace

import psycopg
import pytest

from dbmigrate import catalog
from dbmigrate.catalog import Kind
from dbmigrate.reporting import page, schema
from tests.support import reports
from tests.support.pages import Page

_BEFORE = """
create schema app;
create table users (id int primary key, email text not null, nick text, born date);
create table "Odd ""name"".x" (id int primary key, "a.b" text, "c(d,e)" int references users);
create table orders (id int primary key, user_id int not null references users, note text, total numeric(10,2));
create index orders_total on orders (total);
create table app.old (id int primary key);
create table events (id int, at date not null) partition by range (at);
create table events_2025 partition of events for values from ('2025-01-01') to ('2026-01-01');
create table self (id int primary key, parent int references self);
create view names as select nick from users;
"""

# SQL, and what of the picture it changes: one entry for each object
PLANTED = {
    "alter table users add column phone text default 'x';": {"column public.users.phone": "add"},
    "alter table orders drop column note;": {"column public.orders.note": "del"},
    "alter table orders alter total type numeric(12,4), alter total set not null;": {
        "column public.orders.total": "chg"
    },
    "create table app.notes (id serial primary key, order_id int references orders);": {"table app.notes": "add"},
    "drop table app.old;": {"table app.old": "del"},
    "alter table orders drop constraint orders_user_id_fkey;": {"constraint public.orders.orders_user_id_fkey": "del"},
    "alter table users add constraint long check (length(email) > 3);": {"constraint public.users.long": "add"},
    "drop index orders_total; create index orders_total on orders (total, id);": {"index public.orders_total": "chg"},
    "create table events_2026 partition of events for values from ('2026-01-01') to ('2027-01-01');": {
        "table public.events_2026": "add"
    },
    """alter table "Odd ""name"".x" rename column "a.b" to "c.d";""": {
        'column public."Odd ""name"".x"."a.b"': "del",
        'column public."Odd ""name"".x"."c.d"': "add",
    },
    "alter table self drop column parent, add column parent int references self;": {},
    "alter table users enable row level security; create policy own on users using (true);": {
        "table public.users": "chg",
        "policy public.users.own": "add",
    },
    "create trigger seen before update on orders execute function suppress_redundant_updates_trigger();": {
        "trigger public.orders.seen": "add"
    },
    "create or replace view names as select nick, email from users; create type mood as enum ('a');": {},
    "comment on table users is 'people';": {},
}


@pytest.fixture
def tried(database_url):
    """The catalogs before and after some SQL."""

    def tried(sql):
        with psycopg.connect(database_url, autocommit=True) as conn:
            conn.execute(_BEFORE)
            before = catalog.read(conn)
            conn.execute(sql)
            return before, catalog.read(conn)

    return tried


def drawn(before, after):
    made = replace(reports.report(0), schema=schema.of(before, after))
    return Page.of(page.write(made))


_OF_TABLES = (Kind.TABLE, Kind.COLUMN, Kind.COLUMN_ORDER, Kind.CONSTRAINT, Kind.INDEX, Kind.TRIGGER, Kind.POLICY)
_CLASSES = {"extra": "add", "missing": "del", "changed": "chg", "moved": "chg"}


def expected(before, after):
    """What the comparison says about tables and what belongs to them."""
    differences = catalog.compare(before, after, scope=schema.SCOPE)
    views = after.items.get(Kind.VIEW, {})
    return {
        f"{each.kind} {each.name}": _CLASSES[each.change]
        for each in differences
        if each.kind in _OF_TABLES and each.name.rpartition(".")[0] not in views
    }


def around(states, wanted):
    """The changed tables that are there because something in them changed, not themselves."""
    return {
        name
        for name, state in states.items()
        if name not in wanted and not (name.startswith("table ") and state == "chg")
    }


@pytest.mark.parametrize("sql", PLANTED, ids=lambda sql: " ".join(sql.split())[:40])
def test_the_picture_of_a_change_is_the_comparison_of_the_catalogs(tried, sql):
    before, after = tried(sql)

    found = drawn(before, after)

    wanted = expected(before, after)
    states = found.states("change")
    assert {name: states.get(name) for name in wanted} == wanted
    assert around(states, wanted) == set()
    for name, state in PLANTED[sql].items():
        assert wanted[name] == states[name] == state
    assert found.states("schema") == states  # the same in the picture of everything


def test_all_of_them_at_once(tried):
    before, after = tried("".join(PLANTED))

    found = drawn(before, after)

    wanted = expected(before, after)
    assert len(wanted) >= 14
    assert {name: found.states("change").get(name) for name in wanted} == wanted
    assert around(found.states("change"), wanted) == set()
    listed = {each.subject for each in catalog.compare(before, after, scope=schema.SCOPE)}
    assert all(each in found.text for each in listed)  # in words too, views and types among them


def test_nothing_changed_is_no_picture(tried):
    before, after = tried("select 1;")

    found = drawn(before, after)

    assert found.states("change") == found.states("schema") == {}
    assert "Nothing changes in the schema." in found.text


def test_foreign_keys_lead_to_the_tables_that_they_refer_to(tried):
    before, _ = tried("select 1;")
    tables = schema.of(before).tables

    assert {(name, each.columns, each.target) for name, table in tables.items() for each in table.references} == {
        ("public.orders", ("user_id",), "public.users"),
        ('public."Odd ""name"".x"', ('"c(d,e)"',), "public.users"),
        ("public.self", ("parent",), "public.self"),
    }
    assert [column.name for column in tables["public.users"].columns if column.is_primary] == ["id"]
    assert "public.events_2025" not in tables  # a partition is in its table
