"""Comparing catalogs that were made by hand: what follows from what, what other versions word differently."""

from __future__ import annotations

import pytest

from dbmigrate.catalog import Catalog, Item, Key, Kind, Scope, compare
from dbmigrate.catalog.kinds import aspects

APP = Key(Kind.SCHEMA, "app")
USERS = Key(Kind.TABLE, "app.users")
ADULTS = Key(Kind.VIEW, "app.adults")


def item(kind, parent=None, origin=None, **values):
    """An object; the aspects that are not given are not set. An underscore stands for a space."""
    given = {name.replace("_", " "): value for name, value in values.items()}
    assert set(given) <= set(aspects(kind))
    return Item(tuple(given.get(name) for name in aspects(kind)), parent, origin)


def catalog_of(*objects, version=180000, columns=None):
    items = {}
    for key, found in objects:
        items.setdefault(key.kind, {})[key.name] = found
    return Catalog(version, items, columns or {})


def view(definition, *, version):
    return catalog_of((ADULTS, item(Kind.VIEW, APP, definition=definition)), version=version)


def sentences(before, after, *, scope=Scope.ALL):
    return [found.sentence for found in compare(before, after, scope=scope)]


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (" SELECT u.id FROM app.users u WHERE (u.a AND (u.b));", " SELECT id\n   FROM users u\n  WHERE (a AND b);"),
        ('SELECT "U u".id FROM x "U u"', 'SELECT id FROM x "U u"'),
    ],
)
def test_decoration_counts_between_servers_of_one_version_only(one, two):
    assert sentences(view(one, version=150000), view(two, version=160000)) == []
    assert len(sentences(view(one, version=150000), view(two, version=150007))) == 1


@pytest.mark.parametrize(
    ("one", "two"),
    [("SELECT 'a b'", "SELECT 'ab'"), ("SELECT 'it''s (x)'", "SELECT 'it''s x'"), ("SELECT 'a.b'", "SELECT 'b'")],
)
def test_literals_count_between_versions_too(one, two):
    assert len(sentences(view(one, version=150000), view(two, version=160000))) == 1


def test_both_spellings_of_an_expression_are_the_same():
    one = view(
        "SELECT 1 WHERE ((a AND b) AND c) AND ((x)::text = ANY ((ARRAY['a'::text, 'b'::text])::text[]))", version=180000
    )
    two = view(
        "SELECT 1 WHERE (a AND b AND c) AND ((x)::text = ANY (ARRAY[('a'::text)::text, ('b'::text)::text]))",
        version=180000,
    )

    assert sentences(one, two) == []


def test_the_rights_on_public_are_those_of_the_version():
    public = Key(Kind.SCHEMA, "public")
    grant = (Key(Kind.GRANT, "CREATE on schema public to PUBLIC"), item(Kind.GRANT, public, statement="GRANT ..."))
    old = catalog_of((public, item(Kind.SCHEMA)), grant, version=140000)

    assert sentences(old, catalog_of((public, item(Kind.SCHEMA)), version=150000)) == []
    assert sentences(old, catalog_of((public, item(Kind.SCHEMA)), version=140000)) == [
        "grant of CREATE on schema public to PUBLIC is missing"
    ]


def test_columns_keep_their_order_whatever_comes_between():
    before = catalog_of((USERS, item(Kind.TABLE)), columns={USERS: ("a", "b", "c")})
    grown = catalog_of((USERS, item(Kind.TABLE)), columns={USERS: ("x", "a", "y", "b", "c", "z")})
    turned = catalog_of((USERS, item(Kind.TABLE)), columns={USERS: ("a", "c", "x", "b")})

    assert sentences(before, grown) == []
    assert sentences(before, turned) == ["order of the columns of table app.users is a, c, b, was a, b, c"]


def test_a_table_that_is_gone_is_not_in_another_order():
    before = catalog_of((USERS, item(Kind.TABLE)), columns={USERS: ("a", "b")})

    assert sentences(before, catalog_of()) == ["table app.users is missing"]


def test_differences_stand_with_their_table_in_an_order_of_their_own():
    orders = Key(Kind.TABLE, "app.orders")
    objects = [
        (Key(Kind.INDEX, "app.a_index"), item(Kind.INDEX, USERS)),
        (Key(Kind.COMMENT, "column app.orders.id"), item(Kind.COMMENT, Key(Kind.COLUMN, "app.orders.id"), text="x")),
        (Key(Kind.COLUMN, "app.users.z"), item(Kind.COLUMN, USERS)),
        (Key(Kind.COLUMN, "app.users.b"), item(Kind.COLUMN, USERS)),
    ]
    there = [
        (USERS, item(Kind.TABLE)),
        (orders, item(Kind.TABLE)),
        (Key(Kind.COLUMN, "app.orders.id"), item(Kind.COLUMN, orders)),
    ]
    expected = [
        "comment on column app.orders.id is extra",
        "column app.users.b is extra",
        "column app.users.z is extra",
        "index app.a_index is extra",
    ]

    assert sentences(catalog_of(*there), catalog_of(*there, *objects)) == expected
    assert sentences(catalog_of(*there), catalog_of(*reversed(objects), *there)) == expected


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (Scope.SCHEMA_FILE, ["comment on table app.users is extra"]),
        (Scope.GRANTS, ["grant of SELECT on table app.users to reader is extra"]),
        (Scope.OWNERS, ["owner of table app.users is b, was a"]),
        (
            Scope.SERVER,
            ["tablespace of table app.users is fast, was the default", "user mapping x on server s is extra"],
        ),
    ],
)
def test_the_scope_says_what_counts(scope, expected):
    owner = Key(Kind.OWNER, "table app.users")
    before = catalog_of((USERS, item(Kind.TABLE)), (owner, item(Kind.OWNER, USERS, role="a")))
    after = catalog_of(
        (USERS, item(Kind.TABLE, tablespace="fast")),
        (owner, item(Kind.OWNER, USERS, role="b")),
        (Key(Kind.COMMENT, "table app.users"), item(Kind.COMMENT, USERS, text="x")),
        (Key(Kind.GRANT, "SELECT on table app.users to reader"), item(Kind.GRANT, USERS, statement="GRANT ...")),
        (Key(Kind.USER_MAPPING, "x on server s"), item(Kind.USER_MAPPING)),
    )

    assert sentences(before, after, scope=scope) == expected


def test_long_values_stay_out_of_a_sentence():
    found = sentences(view("SELECT 1", version=180000), view("SELECT 2\nFROM x", version=180000))

    assert found == ["definition of view app.adults differs"]


def test_many_things_inside_are_counted():
    tables = [(Key(Kind.TABLE, f"app.t{number}"), item(Kind.TABLE, APP)) for number in range(5)]

    assert sentences(catalog_of((APP, item(Kind.SCHEMA)), *tables), catalog_of()) == [
        "schema app is missing, with table app.t0, table app.t1, table app.t2 and 2 more"
    ]
