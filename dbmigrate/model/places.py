"""Places in files, and problems there. Frozen, without I/O."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping


@frozen
class Place:
    """A place in a text file. Line and column are 1-based; columns count characters."""

    path: str
    line: int
    column: int = 1

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


@frozen
class Excerpt:
    """The source lines to show with an error: the line at fault, at most two before it, and the caret's column."""

    lines: tuple[tuple[int, str], ...]
    column: int
    width: int = 1


class Severity(StrEnum):
    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


@frozen
class Problem:
    """A warning or note: it does not stop the run. `code` is stable and documented, `data` the same for programs."""

    code: str
    message: str
    severity: Severity = Severity.WARNING
    place: Place | None = None
    hint: str | None = None
    excerpt: Excerpt | None = None
    data: Mapping[str, object] | None = None
