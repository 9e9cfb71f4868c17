"""`frozen` behaves as the standard one does for frozen values with slots."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import Any

import pytest

from dbmigrate import frozen


@frozen.frozen
class Ours:
    a: int
    b: str = "b"
    c: list[int] = dataclasses.field(default_factory=list, compare=False)
    secret: str = dataclasses.field(default="hidden", repr=False)
    late: bool = dataclasses.field(default=False, kw_only=True)

    @property
    def double(self) -> int:
        return self.a * 2


@dataclasses.dataclass(frozen=True, slots=True)
class Standard:
    a: int
    b: str = "b"
    c: list[int] = dataclasses.field(default_factory=list, compare=False)
    secret: str = dataclasses.field(default="hidden", repr=False)
    late: bool = dataclasses.field(default=False, kw_only=True)

    @property
    def double(self) -> int:
        return self.a * 2


@frozen.frozen
class Mixed:
    first: int
    keyword: int = dataclasses.field(default=0, kw_only=True)
    second: int = 2


@frozen.frozen
class Other:
    a: int


@frozen.frozen
class Empty:
    pass


@frozen.frozen
class Checked:
    a: int

    def __post_init__(self) -> None:
        if self.a < 0:
            raise ValueError("negative")


@frozen.frozen
class Named:
    a: int

    def __repr__(self) -> str:
        return "somebody"


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ((1,), {}),
        ((1, "x"), {}),
        ((1, "x", [3], "s"), {}),
        ((1, "x", [3], "s"), {"late": True}),
        ((), {"b": "y", "a": 2}),
        ((1,), {"secret": "s"}),
    ],
)
def test_instances_are_made_and_shown_as_by_the_standard_library(given: tuple[Any, ...], named: dict[str, Any]) -> None:
    ours, standard = Ours(*given, **named), Standard(*given, **named)

    assert dataclasses.astuple(ours) == dataclasses.astuple(standard)
    assert repr(ours) == repr(standard).replace("Standard", "Ours")
    assert hash(ours) == hash(standard)
    assert ours.double == standard.double


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ((), {}),
        ((1, "x", [], "s", True), {}),
        ((1, "x", [], "s", True, 6), {}),
        ((1,), {"a": 2}),
        ((1,), {"unknown": 2}),
        ((1, "x", [], "s"), {"late": True, "b": "twice"}),
    ],
)
@pytest.mark.parametrize("kind", [Ours, Standard])
def test_wrong_arguments_are_refused(kind: Any, given: tuple[Any, ...], named: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        kind(*given, **named)


@pytest.mark.parametrize("kind", [Ours, Standard])
def test_equality_and_hash_follow_class_and_compared_fields(kind: Any) -> None:
    assert kind(1, c=[1]) == kind(1, c=[2])
    assert hash(kind(1, c=[1])) == hash(kind(1, c=[2]))
    assert kind(1) != kind(2)
    assert kind(1) != Other(1)
    assert kind(1) != (1, "b", [], "hidden", False)
    assert Empty() == Empty()
    assert hash(Empty()) == hash(Empty())
    assert len({kind(1), kind(1), kind(2)}) == 2


@pytest.mark.parametrize("kind", [Ours, Standard])
def test_nothing_can_be_assigned_deleted_or_added(kind: Any) -> None:
    value = kind(1)

    with pytest.raises(dataclasses.FrozenInstanceError):
        value.a = 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        del value.a
    with pytest.raises((AttributeError, TypeError)):
        value.unknown = 1
    assert value.a == 1
    assert not hasattr(value, "__dict__")


def test_the_tools_of_dataclasses_work_on_them() -> None:
    value = Ours(1, c=[1])

    assert dataclasses.is_dataclass(value)
    assert [field.name for field in dataclasses.fields(Ours)] == ["a", "b", "c", "secret", "late"]
    assert dataclasses.replace(value, a=2, late=True) == Ours(2, late=True)
    assert dataclasses.asdict(value) == {"a": 1, "b": "b", "c": [1], "secret": "hidden", "late": False}
    assert Ours.__match_args__ == Standard.__match_args__
    match value:
        case Ours(a, secret=hidden):
            assert (a, hidden) == (1, "hidden")


def test_copies_are_equal_and_deep_copies_share_nothing() -> None:
    value = Ours(1, c=[1], late=True)

    for twin in (copy.copy(value), copy.deepcopy(value), pickle.loads(pickle.dumps(value))):
        assert twin == value
        assert dataclasses.astuple(twin) == dataclasses.astuple(value)
    assert copy.deepcopy(value).c is not value.c


def test_a_check_of_its_own_is_called_and_a_representation_of_its_own_kept() -> None:
    assert Checked(1).a == 1
    with pytest.raises(ValueError, match="negative"):
        Checked(-1)
    assert repr(Named(1)) == "somebody"


def test_a_field_given_by_keyword_only_may_stand_anywhere() -> None:
    assert repr(Mixed(1, 5)).endswith("Mixed(first=1, keyword=0, second=5)")
    assert dataclasses.astuple(Mixed(1, keyword=3)) == (1, 3, 2)
    assert copy.copy(Mixed(1, 5, keyword=3)) == Mixed(1, 5, keyword=3)


def test_what_the_shared_methods_do_not_do_is_refused() -> None:
    def plain(**namespace: object) -> type:
        return type("Odd", (), {"__module__": __name__, **namespace})

    decorate = frozen.frozen
    odd = [
        plain(__annotations__={"a": "int"}, a=dataclasses.field(init=False)),
        plain(__annotations__={"a": "int"}, a=dataclasses.field(hash=False)),
        plain(__annotations__={"a": dataclasses.InitVar[int]}),
        plain(__annotations__={"a": "int"}, __hash__=lambda self: 1),
        plain(__annotations__={"a": "int"}, __eq__=lambda self, other: True),
        type("Odd", (Named,), {"__annotations__": {"b": "int"}}),
    ]

    for kind in odd:
        with pytest.raises(TypeError, match="Odd"):
            decorate(kind)
