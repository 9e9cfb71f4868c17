"""What migrations destroy: found in their text, counted by the target's statistics, saved where that is asked for.

`report` says it before a run and in a dry run; `salvage` saves it in the migration's own transaction, and `restoring`
writes the SQL that brings it back. Here is a look that costs next to nothing, so that only few files are read closely.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dbmigrate.model import Section, Step

__all__ = ["is_worth_reading", "may_destroy"]

_WORDS = re.compile(r"\b(?:drop|truncate|delete|update|type)\b", re.IGNORECASE).search
# at the beginning of a line of a file whose statements are not kept; all of it is not lexed once more for this
_IN_LARGE_FILES = re.compile(rb"(?im)^[ \t]*(?:drop|truncate|delete|update|alter)\b").search

_PIECE, _LONGEST_BEGINNING = 1 << 18, 64  # bytes; of a line, up to the end of its first word


def may_destroy(sql: str) -> bool:
    """Whether it is worth while to read the statement."""
    return _WORDS(sql) is not None


def is_worth_reading(step: Step, section: Section) -> bool:
    """Whether a section may have a statement that destroys something."""
    assert step.migration is not None
    if section.statements is None:
        return _is_mentioned(step.migration.file.path)
    return any(may_destroy(statement.sql) for statement in section.statements)


def _is_mentioned(path: str) -> bool:
    """Read piece by piece: the pages of a mapped file would count as this process's memory."""
    with suppress(OSError), open(path, "rb") as file:
        end = b""
        while piece := file.read(_PIECE):
            if _IN_LARGE_FILES(end + piece):
                return True
            end = piece[-_LONGEST_BEGINNING:]
    return False
