"""Frozen values at the price of a plain class: ``@frozen`` makes a dataclass with shared methods.

The standard decorator writes and compiles six methods for a frozen class, 0.3 to 0.4 ms each time: 30 ms of every
command for the 75 classes that a command imports. Here such a class is a true dataclass (`fields`, `replace`, `asdict`
and pattern matching work), whose methods are those below; making one costs a tenth of that, making an instance
about the same.

Answers can be frozen, too: a function that is `remembered` is asked once for the same thing while that is wanted.
"""

from __future__ import annotations

import dataclasses
import functools
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, dataclass_transform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    _Write = Callable[[object, object], None]

__all__ = ["Memory", "frozen", "remembered"]

_Given = ParamSpec("_Given")
_Found = TypeVar("_Found")
_Class = TypeVar("_Class")
_MISSING = dataclasses.MISSING


class _Value:
    """What the shared methods find in a class that `frozen` made."""

    # for each field: its name, what writes it, its default and the maker of that; those given by position first
    __shape__: tuple[tuple[str, _Write, object, Callable[[], object] | None], ...]
    __positional__: tuple[_Write, ...]
    __compared__: Callable[[object], object]

    def __post_init__(self) -> None: ...


_SHARED = frozenset(("__init__", "__eq__", "__hash__", "__setattr__", "__delattr__", "__reduce__"))


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def frozen(plain: type[_Class]) -> type[_Class]:
    """As ``dataclasses.dataclass(frozen=True, slots=True)``, with the shared methods.

    Raises TypeError for what these do not do: a base class, methods of that name in the class, ``InitVar``,
    ``field(init=False)``, ``field(hash=...)``.
    """
    if plain.__bases__ != (object,) or _SHARED & plain.__dict__.keys():
        raise TypeError(f"{plain.__qualname__} needs the dataclass of the standard library")
    # without a text the decorator would compose one of the signature, which takes as long again
    plain.__doc__ = plain.__doc__ or plain.__qualname__
    made: Any = dataclasses.dataclass(init=False, repr=False, eq=False, slots=True)(plain)
    fields = dataclasses.fields(made)
    if len(fields) != len(made.__dataclass_fields__) or not all(field.init and field.hash is None for field in fields):
        raise TypeError(f"{plain.__qualname__} has fields of a kind that needs the dataclass of the standard library")
    in_order = sorted(fields, key=attrgetter("kw_only"))
    # the descriptors of the slots write past __setattr__
    made.__shape__ = tuple(
        (field.name, getattr(made, field.name).__set__, field.default, _maker(field)) for field in in_order
    )
    made.__positional__ = tuple(getattr(made, field.name).__set__ for field in in_order if not field.kw_only)
    compared = [field.name for field in fields if field.compare]
    made.__compared__ = staticmethod(attrgetter(*compared) if compared else _nothing)
    made.__init__ = _init_and_check if hasattr(made, "__post_init__") else _init
    made.__eq__ = _eq
    made.__hash__ = _hash
    made.__dataclass_params__.eq = made.__dataclass_params__.frozen = True
    made.__setattr__ = _setattr
    made.__delattr__ = _delattr
    made.__reduce__ = _reduce
    if "__repr__" not in plain.__dict__:
        made.__repr__ = _repr
    return made  # type: ignore[no-any-return]


def _maker(field: dataclasses.Field[object]) -> Callable[[], object] | None:
    made = field.default_factory
    return None if made is dataclasses.MISSING else made


def _nothing(value: object) -> None:
    """What a value without fields has in common with every other of its class."""


def _init(self: _Value, /, *given: object, **named: object) -> None:
    positional = self.__positional__
    if len(given) > len(positional):
        raise TypeError(f"{type(self).__name__}() takes {len(positional)} values, but {len(given)} were given")
    for write, value in zip(positional, given, strict=False):
        write(self, value)
    for name, write, default, make in self.__shape__[len(given) :]:
        if name in named:
            write(self, named.pop(name))
        elif default is not _MISSING:
            write(self, default)
        elif make is not None:
            write(self, make())
        else:
            raise TypeError(f"{type(self).__name__}() lacks {name!r}")
    if named:
        raise TypeError(f"{type(self).__name__}() has no {', '.join(map(repr, named))}, or was given it twice")


def _init_and_check(self: _Value, /, *given: object, **named: object) -> None:
    _init(self, *given, **named)
    self.__post_init__()


def _repr(self: _Value) -> str:
    fields: Iterable[dataclasses.Field[object]] = dataclasses.fields(self)  # type: ignore[arg-type]
    shown = (f"{field.name}={getattr(self, field.name)!r}" for field in fields if field.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _eq(self: _Value, other: object) -> object:
    if type(other) is not type(self):
        return NotImplemented
    return self.__compared__(self) == self.__compared__(other)


def _hash(self: _Value) -> int:
    return hash(self.__compared__(self))


def _setattr(self: object, name: str, value: object) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _delattr(self: object, name: str) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


def _reduce(self: _Value) -> tuple[object, ...]:
    return _restored, (type(self), tuple(getattr(self, name) for name, *_ in self.__shape__))


def _restored(made: type[_Value], values: tuple[object, ...]) -> object:
    """A copy for `pickle` and `copy`, without running the checks again."""
    fresh = made.__new__(made)
    for (_, write, *_), value in zip(made.__shape__, values, strict=True):
        write(fresh, value)
    return fresh


class Memory:
    """What `remembered` functions have answered, by function and arguments; None, the usual, remembers nothing."""

    answers: dict[object, object] | None = None


def remembered(function: Callable[_Given, _Found]) -> Callable[_Given, _Found]:
    """A function whose answers are kept while `Memory.answers` is there. What raises is not an answer."""

    @functools.wraps(function)
    def asked(*given: _Given.args, **named: _Given.kwargs) -> _Found:
        if Memory.answers is None:
            return function(*given, **named)
        key = (function, given, tuple(named.items()))
        if key not in Memory.answers:
            Memory.answers[key] = function(*given, **named)
        return Memory.answers[key]  # type: ignore[return-value]

    return asked
