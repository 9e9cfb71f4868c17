"""The part of a text that is looked at while the text is read as a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.sql.tokens import LexerError, Unclosed

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = 1 << 20


class Window:
    """What is at hand of a text that is read segment by segment: whole lines, from `position` on not yet lexed.

    One character before `position` stays at hand. `final` says that nothing follows.
    """

    def __init__(self, text: str, read: Callable[[int], str] | None, size: int) -> None:
        self.text = text
        self.position = 0
        self.final = read is None
        self._read = read
        self._size = size
        self._rest = ""
        self._known = 0  # a position whose place was found: those after it are counted from there
        self._line = 1
        self._column = 1

    def extend(self) -> None:
        """Forget what is lexed; read on until at least as much again is at hand, to the end of a line."""
        gone = max(self.position - 1, 0)
        self.place(gone)
        self._known = 0
        kept = self.text[gone:]
        more = self._lines(max(self._size, len(kept)))
        self.text = kept + more
        self.position -= gone

    def _lines(self, size: int) -> str:
        parts = [self._rest]
        self._rest = ""
        while not self.final and self._read is not None:
            part = self._read(size)
            self.final = not part
            cut = part.rfind("\n") + 1
            if cut:
                parts.append(part[:cut])
                self._rest = part[cut:]
                break
            parts.append(part)
            size += len(part)
        return "".join(parts)

    def place(self, position: int) -> tuple[int, int]:
        """Line and column in the whole text of a position in the window, not before one that was asked for earlier."""
        breaks = self.text.count("\n", self._known, position)
        if breaks:
            self._line += breaks
            self._column = position - self.text.rfind("\n", 0, position)
        else:
            self._column += position - self._known
        self._known = position
        return self._line, self._column

    def error(self, what: Unclosed, position: int) -> LexerError:
        return LexerError(*what.value, *self.place(position))
