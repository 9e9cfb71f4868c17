"""Colours for terminals: a line says which part of it stands out, and a stream that is a terminal shows that."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen
from dbmigrate.model import Severity

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

__all__ = ["OF_SEVERITY", "Line", "Style", "coloured", "plain", "wanted"]


class Style(Enum):
    """What the characters of a line mean, by the parameters of ECMA-48's SGR sequence that show it."""

    NONE = ""
    ERROR = "1;31"  # bold red
    WARNING = "33"  # yellow
    NOTE = "36"  # cyan
    SUCCESS = "32"  # green
    LABEL = "2"  # faint


OF_SEVERITY = {Severity.ERROR: Style.ERROR, Severity.WARNING: Style.WARNING, Severity.NOTE: Style.NOTE}


@frozen
class Line:
    """A line of output, safe to print. The characters from `begin` to before `end` have the style `style`."""

    text: str
    style: Style = Style.NONE
    begin: int = 0
    end: int = 0

    def __str__(self) -> str:
        return self.text


def wanted(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether `stream` is a terminal whose user has not asked for plain text (https://no-color.org)."""
    return stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def plain(line: Line | str) -> str:
    """The text of a line."""
    return str(line)


def coloured(line: Line | str) -> str:
    """The text of a line, with escape sequences around its styled part."""
    if isinstance(line, str) or line.style is Style.NONE:
        return str(line)
    before, shown, after = line.text[: line.begin], line.text[line.begin : line.end], line.text[line.end :]
    return f"{before}\x1b[{line.style.value}m{shown}\x1b[0m{after}"
