"""Files that are read once for a run on many databases: what was found out about them is remembered while that runs.

Usually nothing is remembered: every look at a file shows it as it is now. Large files are read again when they are
sent, and compared with what was read first (`large_files`), so that a changed one is noticed.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from dbmigrate.frozen import Memory

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["reading_once"]


@contextmanager
def reading_once() -> Iterator[None]:
    """Remember, until the end and in processes that are forked meanwhile, what functions that are `remembered` find."""
    before, Memory.answers = Memory.answers, {}
    try:
        yield
    finally:
        Memory.answers = before
