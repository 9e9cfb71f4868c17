"""Numbers as versions: the next one after those of the files that are there."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from dbmigrate.errors import PlanError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbmigrate.model import MigrationFile

__all__ = ["TIMESTAMP_DIGITS", "following", "is_timestamp"]

TIMESTAMP_DIGITS = 12  # a time has at least those of the minute; nobody counts so far
_WIDTH = 4  # of the first number in a directory


def is_timestamp(version: str) -> bool:
    """Whether a version is a time, and not a number of a sequence."""
    return len(version) >= TIMESTAMP_DIGITS


def following(files: Sequence[MigrationFile]) -> Iterator[str]:
    """The numbers after the highest one, as wide as that. Raises PlanError E237 where all have times."""
    numbers = [file.version for file in files if not is_timestamp(file.version)]
    if files and not numbers:
        raise PlanError(
            f"{files[-1].name} is numbered by time: a number would come before all times",
            code="E237",
            hint="leave out --sequential",
        )
    last = max(numbers, key=int, default="0" * _WIDTH)
    return (str(number).zfill(len(last)) for number in itertools.count(int(last) + 1))
