"""Annotations of files that are not to run: of the few files that mention one, without an error for any of them."""

from __future__ import annotations

import mmap
from contextlib import suppress
from typing import TYPE_CHECKING

from dbmigrate.errors import ConfigError, MigrationFileError
from dbmigrate.model import Direction

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dbmigrate.model import Migration, MigrationFile

__all__ = ["mentioning"]


def mentioning(files: Iterable[MigrationFile], *words: str) -> Iterator[Migration]:
    """The files that hold one of `words` anywhere, read; one that cannot be read is left out."""
    sought = [word.encode() for word in words]
    for file in files:
        with suppress(MigrationFileError, ConfigError):
            if _holds(file.path, sought):
                from dbmigrate.migrations import parser  # it loads sqlparse

                yield parser.read(file, (Direction.UP,))


def _holds(path: str, sought: Iterable[bytes]) -> bool:
    """Whether a file holds one of these texts; its pages are mapped, because it may be large."""
    # an empty file cannot be mapped, and what is not there holds nothing
    with (
        suppress(OSError, ValueError),
        open(path, "rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
    ):
        return any(mapped.find(word) >= 0 for word in sought)
    return False
