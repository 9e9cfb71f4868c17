"""SIGINT and SIGTERM while a backfill runs: the first one ends it after the page, the second one at once."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

__all__ = ["held"]

_HELD = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def held() -> Iterator[Callable[[], None]]:
    """Keep the first signal back; the function that is yielded does what it would have done.

    A handler that raises in the middle of a page would have it rolled back, and its work done again later.
    """
    # not where a shell's background job ignores it
    usual = {number: handler for number in _HELD if callable(handler := signal.getsignal(number))}
    come: list[int] = []

    def keep(number: int, frame: FrameType | None) -> None:
        come.append(number)
        if len(come) > 1:
            usual[signal.Signals(number)](number, frame)

    def check() -> None:
        if come:
            usual[signal.Signals(come[0])](come[0], None)

    for number in usual:
        signal.signal(number, keep)
    try:
        yield check
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)
