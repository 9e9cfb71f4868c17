"""Annotations of files that are not to run: of the few files that mention one, without an error for any of them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from dbmigrate.errors import ConfigError, MigrationFileError
from dbmigrate.frozen import remembered
from dbmigrate.model import Direction

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dbmigrate.model import Migration, MigrationFile

__all__ = ["mentioning"]

_PIECE = 1 << 18  # bytes


def mentioning(files: Iterable[MigrationFile], *words: str) -> Iterator[Migration]:
    """The files that hold one of `words` anywhere, read; one that cannot be read is left out."""
    sought = tuple(word.encode() for word in words)
    for file in files:
        with suppress(MigrationFileError, ConfigError):
            if _holds(file.path, sought):
                from dbmigrate.migrations import parser  # it loads sqlparse

                yield parser.read(file, (Direction.UP,))


@remembered
def _holds(path: str, sought: tuple[bytes, ...]) -> bool:
    """Whether a file holds one of these texts; read in pieces, because it may be large."""
    overlap = max(map(len, sought)) - 1  # a text may begin in one piece and end in the next
    piece = b""
    with suppress(OSError), open(path, "rb") as file:
        while read := file.read(_PIECE):
            piece = piece[-overlap:] + read
            if any(word in piece for word in sought):
                return True
    return False
