"""Guesses from their text whether statements touch nothing but what they make themselves.

A wrong guess costs time, and nothing else: the server says what was touched.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_NAME = r'((?:[\w$]+|"[^"]+")(?:\.(?:[\w$]+|"[^"]+"))?)'
_MISSING = r"(?:if\s+not\s+exists\s+)?"
_TABLE = re.compile(rf"create\s+table\s+{_MISSING}{_NAME}\s*\(", re.IGNORECASE)
_OTHER_TABLES = re.compile(r"\b(?:references|inherits|like|select)\b", re.IGNORECASE)
_INDEX = re.compile(
    rf'create\s+(?:unique\s+)?index\s+{_MISSING}(?:[\w$]+\s+|"[^"]+"\s*)?on\s+(?:only\s+)?{_NAME}', re.IGNORECASE
)
_COMMENT = re.compile(rf"comment\s+on\s+table\s+{_NAME}\s", re.IGNORECASE)
_WITHOUT_TABLES = re.compile(r"create\s+(?:domain|extension|schema|sequence|type)\b", re.IGNORECASE)


def are_all(statements: Iterable[str]) -> bool:
    """Whether these statements of one file seem to touch nothing that was there before."""
    made: set[str] = set()
    for sql in statements:
        if table := _TABLE.match(sql):
            if _OTHER_TABLES.search(sql, table.end()):
                return False
            made.add(table[1].lower())
        elif about := _INDEX.match(sql) or _COMMENT.match(sql):
            if about[1].lower() not in made:
                return False
        elif not _WITHOUT_TABLES.match(sql):
            return False
    return True
