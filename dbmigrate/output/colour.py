"""Colours for terminals, put on finished lines: what they say is the same without them.

A line is recognised by how it begins, so that the texts are made in one place and know nothing of colours.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

_RED, _GREEN, _YELLOW, _CYAN, _DIM = "1;31", "32", "33", "36", "2"
# what a line begins with, and the colour of the part in the first group
_RULES = tuple(
    (re.compile(pattern), colour)
    for pattern, colour in (
        (r"(error\[[\w:-]+\]:|Failed:)", _RED),
        (r"(warning\[[\w:-]+\]:)", _YELLOW),
        (r"(note\[[\w:-]+\]:)", _CYAN),
        (r" +\| *\t*(\^+)$", _RED),
        (r"((?:  )?hint:|state:|[A-Z]+:(?= )|  -->)", _DIM),
        (r"(\[X\])", _GREEN),
        (r"(\[ \])", _YELLOW),
        (r"(\[[!?]\])", _RED),
        (r"(Applied:|Rolled back:|Recorded:)(?! \d+$)", _GREEN),
    )
)


def wanted(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether `stream` is a terminal whose user has not asked for plain text (https://no-color.org)."""
    return stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def painted(text: str) -> str:
    """`text`, whose control characters are made visible already, with escape sequences around what stands out."""
    return "\n".join(map(_line, text.split("\n")))


def _line(line: str) -> str:
    for pattern, colour in _RULES:
        if found := pattern.match(line):
            begin, end = found.span(1)
            return f"{line[:begin]}\x1b[{colour}m{line[begin:end]}\x1b[0m{line[end:]}"
    return line
