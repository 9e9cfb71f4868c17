"""Unpacking what was downloaded."""

from __future__ import annotations

import tarfile
from pathlib import Path


def unpack(archive: tarfile.TarFile, folder: Path) -> None:
    """All of it, and nothing outside of `folder` or with odd modes, where Python can see to that.

    The first releases of Python 3.11, Debian's among them, know no filters.
    """
    if hasattr(tarfile, "data_filter"):
        archive.extractall(folder, filter="data")
    else:
        archive.extractall(folder)
