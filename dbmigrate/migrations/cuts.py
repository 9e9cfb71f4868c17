"""Where in a large file the SQL stands that is sent in one message, so that it need not be looked for twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.model import Cut

if TYPE_CHECKING:
    from dbmigrate.migrations.source import Cursor

_LONGEST = 256 << 10  # bytes; about as long as the batches that `wire` makes of statements
_MOST = 10_000  # in a section; each of them takes memory, and a file that has more is not made of rows


class Cuts:
    """The cuts of a section, found while it is read."""

    def __init__(self) -> None:
        self._found: list[Cut] = []
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
        """Let the next statement begin another cut; `data` is the inline data of the last one."""
        if not self._is_open:
            return
        if len(self._found) <= _MOST:
            of_first = self._line, self._column, self._ordinal
            self._found.append(Cut(self._begin, self._end, self._number, *of_first, data))
        self._is_open = False
        self._ordinal += self._number
        self._number = 0

    def without(self, ordinals: frozenset[int]) -> tuple[Cut, ...] | None:
        """All but those that begin with one of these statements; None if there are too many to be kept."""
        self.close()
        if len(self._found) > _MOST:
            return None
        return tuple(cut for cut in self._found if cut.ordinal not in ordinals)
