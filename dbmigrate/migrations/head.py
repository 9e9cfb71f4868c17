"""What stands before the first statement of a migration: its header, and the comments that say what it is about."""

from __future__ import annotations

import re

__all__ = ["cut", "read"]

_MOST = 16 << 10  # characters: no comment that anybody reads is longer
_PIECE = re.compile(r"\s+|--[^\n]*|/\*", re.DOTALL)
_NEXT = re.compile(r"/\*|\*/")
_DOWN = re.compile(r"--[ \t\f]*migrate:down(?:\s|\Z)")


def cut(text: str) -> str:
    """The comments, headers and blank lines that `text` begins with, up to the first statement or down section."""
    text = text[:_MOST].removeprefix("\ufeff")
    at = 0
    while found := _PIECE.match(text, at):
        if found[0].startswith("--") and _DOWN.match(found[0]) and (at == 0 or text[at - 1] == "\n"):
            break
        end = _comment_end(text, at) if found[0] == "/*" else found.end()
        if end is None:
            break
        at = end
    return text[:at]


def _comment_end(text: str, start: int) -> int | None:
    """Where a block comment ends; they nest. None if it is not closed."""
    depth = 0
    for found in _NEXT.finditer(text, start):
        depth += 1 if found[0] == "/*" else -1
        if depth == 0:
            return found.end()
    return None


def read(path: str) -> str:
    """The same of a file; empty if it cannot be read, which is for whoever runs it to say."""
    try:
        with open(path, encoding="utf-8", errors="replace", newline="") as file:
            return cut(file.read(_MOST))
    except OSError:
        return ""
