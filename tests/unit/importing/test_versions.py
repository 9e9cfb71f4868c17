"""New versions: the same rule everywhere, and the old order kept."""

from __future__ import annotations

import pytest

from dbmigrate.errors import ConfigError
from dbmigrate.importing import versions
from dbmigrate.importing.values import ForeignMigration
from dbmigrate.model import Order


def migration(version: str, name: str = "x", stamp: str | None = None) -> ForeignMigration:
    return ForeignMigration(version, name, f"{version}.sql", (), None, (), stamp=stamp)


def assigned(*old: str, known: dict[int, str] | None = None, order: Order = Order.NAME) -> tuple[list[str], Order]:
    found = versions.assign([migration(each) for each in old], known or {}, order)
    return list(found.versions), found.order


@pytest.mark.parametrize(
    ("old", "new", "order"),
    [
        (["20260101000000", "20260102000000"], ["20260101000000", "20260102000000"], Order.NAME),
        (["001", "002"], ["001", "002"], Order.NAME),
        (["1", "2", "10"], ["1", "2", "10"], Order.NUMERIC),
        (["1.1", "1.2", "1.10"], ["001001", "001002", "001010"], Order.NAME),
        (["1_1", "2"], ["001001", "002000"], Order.NAME),
        (["2", "3.1", "10", "11.1"], ["002000", "003001", "010000", "011001"], Order.NAME),
        (["1", "1.1", "1.1.1"], ["001000000", "001001000", "001001001"], Order.NAME),
        (["2026.1.5", "2026.12.1"], ["2026001005", "2026012001"], Order.NAME),
        (["1.1000", "1.1001"], ["0011000", "0011001"], Order.NAME),
        (["create", "alter", "drop"], ["0010", "0020", "0030"], Order.NAME),
        (["a1b2", "c3d4"], ["0010", "0020"], Order.NAME),
        (["1", "01"], ["0010", "0020"], Order.NAME),
        (["2", "1"], ["0010", "0020"], Order.NAME),  # the old order is neither that of names nor of numbers
        ([], [], Order.NAME),
    ],
)
def test_versions_follow_the_old_order(old: list[str], new: list[str], order: Order) -> None:
    assert assigned(*old) == (new, order)


def test_a_project_that_sorts_by_number_goes_on_doing_so() -> None:
    assert assigned("9", "10", order=Order.NUMERIC) == (["9", "10"], Order.NUMERIC)


def test_times_of_plans_are_versions_and_the_same_second_counts_up() -> None:
    made = [
        migration("a", stamp="20260101000000"),
        migration("b", stamp="20260101000000"),
        migration("c", stamp="20260102000000"),
    ]

    assert versions.assign(made, {}, Order.NAME).versions == ("20260101000000", "20260101000001", "20260102000000")


def test_what_was_imported_before_keeps_its_version() -> None:
    assert assigned("a", "b", "c", known={0: "0010", 1: "0020"}) == (["0010", "0020", "0030"], Order.NAME)


def test_what_comes_between_gets_a_number_between() -> None:
    new, _ = assigned("a", "new", "other", "b", known={0: "0010", 3: "0020"})

    assert new[0] == "0010"
    assert new[3] == "0020"
    assert 10 < int(new[1]) < int(new[2]) < 20


def test_where_no_number_is_free_it_is_said() -> None:
    with pytest.raises(ConfigError) as caught:
        assigned("a", "new", "b", known={0: "0010", 2: "0011"})

    assert caught.value.code == "E289"


def test_a_longer_version_that_comes_later_leaves_the_others_alone() -> None:
    assert assigned("1.1", "1.2", "2.1", known={0: "001001", 1: "001002"}) == (
        ["001001", "001002", "002001"],
        Order.NAME,
    )


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("create harbour", "create_harbour"),
        ("a/b c", "a_b_c"),
        ("", "migration"),
        ("ünïcode", "ünïcode"),
        ("../x", "x"),
        ("x" * 400, "x" * 180),
    ],
)
def test_names_become_file_names(name: str, slug: str) -> None:
    assert versions.slug(name) == slug
