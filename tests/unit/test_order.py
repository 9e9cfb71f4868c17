"""What comes first: by the bytes of the name, or by the number."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmigrate.model import Order, leading_number

VERSIONS = st.text("0123456789", min_size=1, max_size=60)
NAMES = st.tuples(VERSIONS, st.sampled_from(("", "_a", "a", "-ü", "_B"))).map("".join)


@given(st.lists(NAMES))
def test_by_name_is_dbmates_order_of_bytes(names: list[str]) -> None:
    assert sorted(names, key=Order.NAME.key) == sorted(names, key=os.fsencode)


@given(st.lists(VERSIONS))
def test_by_number_is_the_order_of_integers(versions: list[str]) -> None:
    ordered = sorted(versions, key=Order.NUMERIC.key)

    assert list(map(int, ordered)) == sorted(map(int, versions))
    assert Order.NUMERIC.highest(versions) == (ordered[-1] if ordered else "")


@given(NAMES, NAMES)
def test_two_names_never_have_one_place(one: str, other: str) -> None:
    for order in Order:
        assert (order.key(one) == order.key(other)) == (one == other)


def test_a_number_that_python_refuses_to_convert_has_its_place() -> None:
    huge = "1" + "0" * 5000

    assert Order.NUMERIC.highest(["9" * 5000, huge, "2"]) == huge


@pytest.mark.parametrize(
    ("text", "expected"), [("001_users.sql", "1"), ("10", "10"), ("000", ""), ("abc", ""), ("", ""), ("٣_a", "")]
)
def test_the_number_of_a_name(text: str, expected: str) -> None:
    assert leading_number(text) == expected
