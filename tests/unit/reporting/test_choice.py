"""Which tables are drawn together."""

from __future__ import annotations

from dbmigrate.reporting import choice, schema
from tests.support.reports import CatalogMaker


def made(tables, *, changed=()):
    """A schema of ``{name: [what it refers to]}``; the tables of `changed` get a column."""
    before, after = CatalogMaker(), CatalogMaker()
    for name, targets in tables.items():
        columns = {"id": "bigint", **{f"to_{number}": "bigint" for number in range(len(targets))}}
        references = {f"to_{number}": target for number, target in enumerate(targets)}
        before.table(name, columns, references=references)
        after.table(name, {**columns, **({"new": "text"} if name in changed else {})}, references=references)
    return schema.of(before.catalog(), after.catalog())


def star(number):
    """So many tables that refer to one, and one that this refers to."""
    return {"public.top": [], "public.users": ["public.top"]} | {
        f"public.a{at}": ["public.users"] for at in range(number)
    }


def test_a_table_that_more_than_eight_refer_to_gets_no_lines():
    assert choice.hubs(made(star(8))) == frozenset()
    assert choice.hubs(made(star(9))) == {"public.users"}


def test_in_a_large_schema_it_takes_more():
    alone = {f"public.alone{number}": [] for number in range(200)}

    assert choice.hubs(made(star(9) | alone)) == frozenset()


def test_a_table_that_refers_to_itself_or_in_circles_is_no_hub():
    ring = {f"public.r{number}": [f"public.r{(number + 1) % 20}", f"public.r{number}"] for number in range(20)}

    assert choice.hubs(made(ring)) == frozenset()


def test_next_to_a_change_are_what_it_refers_to_and_up_to_four_that_refer_to_it():
    found = choice.around_changes(made(star(4), changed=["public.users"]))

    assert set(found.tables) == {"public.users", "public.top", *(f"public.a{number}" for number in range(4))}
    assert found.referring == {}


def test_more_of_them_are_counted():
    found = choice.around_changes(made(star(5), changed=["public.users"]))

    assert set(found.tables) == {"public.users", "public.top"}
    assert found.referring == {"public.users": 5}


def test_a_hub_is_not_next_to_a_change_that_has_nothing_to_do_with_it():
    found = choice.around_changes(made(star(20), changed=["public.a3"]))

    assert found.tables == ("public.a3",)


def test_groups_are_by_the_first_word_or_by_schema_and_the_rest_goes_where_it_refers_to():
    tables = {f"public.order_{number}": [] for number in range(4)} | {f"public.tax_{number}": [] for number in range(3)}
    tables |= {f"app.{name}": [] for name in ("one", "two", "three", "four")}
    tables |= {"public.refund": ["public.order_1"], "public.lonely": []}

    found = {group.name: set(group.tables) for group in choice.groups(made(tables))}

    assert found["order"] == {*(f"public.order_{number}" for number in range(4)), "public.refund"}
    assert found["app"] == {f"app.{name}" for name in ("one", "two", "three", "four")}
    assert found["others"] == {"public.lonely", "public.tax_0", "public.tax_1", "public.tax_2"}


def test_every_table_is_in_one_group():
    found = made(star(150))

    assert sorted(name for group in choice.groups(found) for name in group.tables) == sorted(found.tables)
