"""Variables of the environment in goose's files, below ``-- +goose ENVSUB ON``.

The grammar is that of https://github.com/mfridman/interpolate (parser.go): ``$NAME``, ``${NAME}``,
``${NAME:-default}``, ``${NAME-default}``, ``${NAME?message}``; ``$$`` and a backslash before ``$`` are a dollar, and
``$(`` is text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_IDENTIFIER = re.compile(r"[^\W\d_]\w*")
_ESCAPED = {"\\\\": "\\\\", "\\$": "$", "$$": "$", "$(": "$("}


class NotUnderstoodError(Exception):
    """An expansion that goose refuses, or that is not converted."""


class Line:
    """One line, read from its beginning to its end. `missing` are the variables that have no value.

    `mark` makes what stands for one of a name and how it is written; None where its value has to be given.
    """

    def __init__(self, text: str, values: Mapping[str, str], mark: Callable[[str, str], str | None]) -> None:
        self.missing: list[str] = []
        self._text = text
        self._values = values
        self._mark = mark
        self._at = 0

    def expanded(self) -> str:
        """The line with the values. Raises NotUnderstoodError."""
        return self._expression("")

    def _expression(self, stop: str) -> str:
        parts = []
        while self._at < len(self._text) and not (stop and self._text[self._at] == stop):
            pair = self._text[self._at : self._at + 2]
            if pair in _ESCAPED:
                self._at += 2
                parts.append(_ESCAPED[pair])
            elif pair[0] == "$" and len(pair) == 2:
                self._at += 1
                parts.append(self._expansion())
            else:
                self._at += 1
                parts.append(pair[0])
        return "".join(parts)

    def _expansion(self) -> str:
        begin = self._at - 1
        if self._text[self._at] != "{":
            return self._value(self._identifier(), begin)
        self._at += 1
        name = self._identifier()
        operator = next((each for each in (":-", "-", "?", "") if self._text.startswith(each, self._at)), "")
        self._at += len(operator)
        default = self._expression("}") if operator else ""
        if self._text[self._at : self._at + 1] != "}":
            raise NotUnderstoodError(f"`{self._text[begin : self._at + 1]}` is not converted")
        self._at += 1
        value = self._value(name, begin) if not operator else self._given(name, begin)
        return default if operator == ":-" and value == "" else value

    def _identifier(self) -> str:
        match = _IDENTIFIER.match(self._text, self._at)
        if match is None:
            raise NotUnderstoodError(f"`{self._text[self._at - 1 :].split()[0]}` names no variable: goose refuses that")
        self._at = match.end()
        return match[0]

    def _value(self, name: str, begin: int) -> str:
        marked = None if name in self._values else self._mark(name, self._text[begin : self._at])
        return marked or self._given(name, begin)

    def _given(self, name: str, begin: int) -> str:
        if name not in self._values:
            self.missing.append(name)
            return self._text[begin : self._at]
        return self._values[name]
