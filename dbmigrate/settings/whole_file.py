"""Replaces a small text file whole, or not at all."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress


def put(path: str, text: str) -> None:
    """Write the file; one that is there keeps its mode, a link is followed. Raises OSError: it is as it was then."""
    target = os.path.realpath(path)
    draft = f"{target}.{secrets.token_hex(4)}.tmp"
    try:
        with open(draft, "x", encoding="utf-8", newline="") as file:
            file.write(text)
        with suppress(FileNotFoundError):
            os.chmod(draft, os.stat(target).st_mode & 0o777)
        os.replace(draft, target)
    except OSError:
        with suppress(FileNotFoundError):
            os.unlink(draft)
        raise
