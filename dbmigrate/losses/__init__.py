"""What migrations destroy: found in their text, counted by the target's statistics, saved where that is asked for.

`report` says it before a run and in a dry run; `salvage` saves it in the migration's own transaction, and `restoring`
writes the SQL that brings it back. Here is a look that costs next to nothing, so that only few files are read closely.
"""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from dbmigrate.sql.statements import first_word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.model import FileRange, Section, Step

__all__ = ["is_worth_reading", "may_destroy"]

_FIRST = frozenset(("ALTER", "DELETE", "DROP", "TRUNCATE", "UPDATE", "WITH"))
_WORDS = re.compile(r"\b(?:drop|truncate|delete|update|type)\b", re.IGNORECASE).search
# at the beginning of a line of a file whose statements are not kept; all of it is not lexed once more for this
_IN_LARGE_FILES = re.compile(rb"(?i)\n[ \t]*(?:drop|truncate|delete|update|alter)\b").search

_PIECE, _LONGEST_BEGINNING = 1 << 18, 64  # bytes; of a line, up to the end of its first word


def may_destroy(sql: str) -> bool:
    """Whether it is worth while to read the statement. Of those that are long, INSERTs, no more than a word is read."""
    return first_word(sql) in _FIRST and _WORDS(sql) is not None


def is_worth_reading(step: Step, section: Section) -> bool:
    """Whether a section may have a statement that destroys something."""
    assert step.migration is not None
    if section.statements is None:
        return _is_mentioned(step.migration.file.path, section.batch_ranges)
    return any(may_destroy(statement.sql) for statement in section.statements)


def _is_mentioned(path: str, ranges: Sequence[FileRange] | None) -> bool:
    """Read piece by piece: the pages of a mapped file would count as this process's memory.

    Without ranges, which a section of very many batches has not, all of the file is looked at.
    """
    begin, end = (ranges[0].begin, ranges[-1].end) if ranges else (0, sys.maxsize)
    with suppress(OSError), open(path, "rb") as file:
        file.seek(begin)
        before = b"\n"
        while begin < end and (piece := file.read(min(_PIECE, end - begin))):
            if _IN_LARGE_FILES(before + piece):
                return True
            before = piece[-_LONGEST_BEGINNING:]
            begin += len(piece)
    return False
