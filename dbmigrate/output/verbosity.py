"""How much a command prints."""

from __future__ import annotations

from enum import IntEnum


class Verbosity(IntEnum):
    """QUIET: only results and errors."""

    QUIET = 0
    NORMAL = 1
    VERBOSE = 2
