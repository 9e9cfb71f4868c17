"""In which order migrations of several services run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmigrate.errors import PlanError
from dbmigrate.planning.service_order import Turn, closure, in_turn


def turns(*texts: str) -> list[Turn]:
    return [Turn(*text.split(":")) for text in texts]


def needs(**said: str) -> dict[Turn, tuple[Turn, ...]]:
    """``b_2="a:1"``: version 2 of b depends on a:1."""
    return {Turn(*name.split("_")): tuple(turns(*text.split())) for name, text in said.items()}


VERSIONS = {"a": ("1", "2", "3"), "b": ("1", "2"), "c": ("1",)}


def test_others_come_first_and_their_own_order_is_kept() -> None:
    assert in_turn(VERSIONS, {}, last="a") == tuple(turns("b:1", "b:2", "c:1", "a:1", "a:2", "a:3"))


def test_what_needs_the_last_service_waits_for_it() -> None:
    found = in_turn({"a": ("1", "2"), "b": ("1", "2")}, needs(b_2="a:1", a_2="b:2"), last="a")

    assert found == tuple(turns("b:1", "a:1", "b:2", "a:2"))


def test_a_circle_is_an_error_that_names_it() -> None:
    with pytest.raises(PlanError) as caught:
        in_turn({"a": ("1",), "b": ("1",)}, needs(a_1="b:1", b_1="a:1"), last="a")

    assert caught.value.code == "E293"
    assert caught.value.message == "services depend on each other in a circle: a:1 needs b:1, b:1 needs a:1"


def test_only_what_is_needed_is_taken_of_the_others() -> None:
    assert closure("a", VERSIONS, needs(a_2="b:1")) == {"a": ("1", "2", "3"), "b": ("1",)}
    assert closure("a", VERSIONS, needs(a_2="b:1", b_1="c:1")) == {"a": ("1", "2", "3"), "b": ("1",), "c": ("1",)}
    assert closure("c", VERSIONS, needs(c_1="b:9 nosuch:1")) == {"c": ("1",)}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 3), st.sampled_from("abc"), st.integers(1, 3))))
def test_every_order_that_is_found_holds(pairs) -> None:
    versions = {name: ("1", "2", "3") for name in "abc"}
    needed: dict[Turn, tuple[Turn, ...]] = {}
    for service, version, other, number in pairs:
        mine = Turn(service, str(version))
        needed[mine] = (*needed.get(mine, ()), Turn(other, str(number)))

    try:
        found = in_turn(versions, needed, last="b")
    except PlanError:
        return

    assert sorted(found) == sorted(Turn(name, version) for name in versions for version in versions[name])
    for turn in found:
        before = found[: found.index(turn)]
        assert all(need in before for need in needed.get(turn, ()))
        assert [each.version for each in before if each.service == turn.service] == [
            version for version in versions[turn.service] if version < turn.version
        ]
