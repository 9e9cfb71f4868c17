"""Files that are read once for a run on many databases: what was found out about them is remembered while that runs.

Without `reading_once` nothing is remembered: every look at a file shows it as it is now. Large files are read again
when they are sent, and compared with what was read first (`large_files`), so that a changed one is noticed.
"""

from __future__ import annotations

import functools
from contextlib import contextmanager
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["reading_once", "remembered"]

_Given = ParamSpec("_Given")
_Found = TypeVar("_Found")


class _Memory:
    """The answers by the function and what it was given; None while nothing is to be remembered."""

    answers: dict[object, object] | None = None


@contextmanager
def reading_once() -> Iterator[None]:
    """Remember, until the end and in processes that are forked meanwhile, what functions that are `remembered` find.

    What raises is not remembered.
    """
    before, _Memory.answers = _Memory.answers, {}
    try:
        yield
    finally:
        _Memory.answers = before


def remembered(function: Callable[_Given, _Found]) -> Callable[_Given, _Found]:
    """A function about files whose answers are remembered within `reading_once`. What it is given can be a key."""

    @functools.wraps(function)
    def asked(*given: _Given.args, **named: _Given.kwargs) -> _Found:
        if _Memory.answers is None:
            return function(*given, **named)
        key = (function, given, tuple(named.items()))
        if key not in _Memory.answers:
            _Memory.answers[key] = function(*given, **named)
        return _Memory.answers[key]  # type: ignore[return-value]

    return asked
