"""The file of metrics: read, and replaced as a whole.

node_exporter's textfile collector reads ``*.prom`` at any time: the new content is written beside the file under
another ending and renamed. It is for everybody to read (0644): node_exporter runs as an account of its own. A link is
followed; what is not a regular file (``/dev/stdout``, a pipe) is written to directly and never read.
"""

from __future__ import annotations

import os
from contextlib import suppress

__all__ = ["earlier", "replaced"]

_MODE = 0o644
_LONGEST = 1 << 20  # bytes of an earlier file that are read: ours have a few thousand


def earlier(path: str) -> str:
    """What the file holds; empty if it does not exist or is not a regular file. Raises OSError."""
    if _is_special(path):
        return ""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(_LONGEST)
    except FileNotFoundError:
        return ""


def replaced(path: str, text: str) -> None:
    """Write the file. Raises OSError, with nothing left behind."""
    if _is_special(path):
        with open(path, "w", encoding="utf-8", newline="\n") as device:
            device.write(text)
        return
    target = os.path.realpath(path)
    new = f"{target}.{os.getpid()}.tmp"
    try:
        with open(new, "w", encoding="utf-8", newline="\n") as file:
            os.fchmod(file.fileno(), _MODE)  # whatever the umask says
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, target)
    except OSError:
        with suppress(OSError):
            os.unlink(new)
        raise


def _is_special(path: str) -> bool:
    return os.path.exists(path) and not os.path.isfile(path)
