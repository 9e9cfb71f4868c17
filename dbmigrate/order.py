"""Which migration comes first: the one place that decides what is "higher", "newer" or "last".

dbmate sorts by the bytes of the file name, so that ``10_b.sql`` runs before ``9_a.sql``; so does dbmigrate unless
``version-order = "numeric"`` says that the number of the version counts. The value is handed to whoever sorts.
"""

from __future__ import annotations

import os
import re
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Key", "Order", "number"]

Key = tuple[int, str, bytes]
_DIGITS = re.compile("[0-9]*")


class Order(StrEnum):
    """How file names and versions are ordered. A version is compared as a file name that is nothing but digits."""

    NAME = "name"
    NUMERIC = "numeric"

    def key(self, text: str) -> Key:
        """The sort key of a file name or a version. Names of one number are told apart by their bytes."""
        digits = number(text) if self is Order.NUMERIC else ""
        return len(digits), digits, os.fsencode(text)

    def highest(self, versions: Iterable[str]) -> str:
        """The version that comes last; empty if there is none."""
        return max(versions, key=self.key, default="")


def number(text: str) -> str:
    """The number that a file name or a version begins with, without the zeros before it; ``0`` and none are empty.

    As text: of equally long ones the greater number is the greater text, and `int` refuses more than 4300 digits.
    """
    found = _DIGITS.match(text)
    return found[0].lstrip("0") if found else ""
