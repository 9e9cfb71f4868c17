"""Where the batches of a large file are, so that the second reading need not look for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.model import FileRange

if TYPE_CHECKING:
    from dbmigrate.migrations.source import Cursor

_LONGEST = 256 << 10  # bytes; about as long as the batches that `execution.batches` makes of statements
_MOST = 10_000  # in a section; each of them takes memory, and a file that has more is not made of rows


class BatchRanges:
    """The ranges of a section, found while it is read."""

    def __init__(self) -> None:
        self._found: list[FileRange] = []
        self._begin = self._end = self._number = self._ordinal = 0  # of the one that may still grow
        self._line = self._column = 1
        self._is_open = False

    def add(self, place: Cursor, length: int, number: int) -> None:
        """The next `number` statements, which begin at `place` and have `length` bytes."""
        end = place.size + length
        if not self._is_open or end - self._begin > _LONGEST:
            self.close()
            self._is_open = True
            self._begin, self._line, self._column = place.size, place.line, place.column
        self._end = end
        self._number += number

    def close(self, data: tuple[int, int] | None = None) -> None:
        """Let the next statement begin another range; `data` is the inline data of the last one."""
        if not self._is_open:
            return
        if len(self._found) <= _MOST:
            of_first = self._line, self._column, self._ordinal
            self._found.append(FileRange(self._begin, self._end, self._number, *of_first, data))
        self._is_open = False
        self._ordinal += self._number
        self._number = 0

    def without(self, ordinals: frozenset[int]) -> tuple[FileRange, ...] | None:
        """All but those that begin with one of these statements; None if there are too many to be kept."""
        self.close()
        if len(self._found) > _MOST:
            return None
        return tuple(each for each in self._found if each.ordinal not in ordinals)
