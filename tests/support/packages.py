"""Packages from PyPI, each set in a virtual environment of its own that is kept between runs."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

from tests.support.servers import cache_directory
from tests.support.unavailable import UnavailableError

ENVIRON = dict(os.environ)  # as the test run was started; the tests themselves see a cleaned one


def environment_with(name: str, wanted: Sequence[str]) -> Path:
    """The virtual environment `name` with these packages, made on first use. Raises `UnavailableError`."""
    directory = cache_directory(ENVIRON) / name
    directory.parent.mkdir(parents=True, exist_ok=True)
    with open(directory.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test processes may want them at once
        if not (directory / "complete").exists():
            _fetch(directory, wanted)
    return directory


def _fetch(directory: Path, wanted: Sequence[str]) -> None:
    venv.create(directory, clear=True, with_pip=True)
    pip = [str(directory / "bin" / "python"), "-m", "pip", "install", "--quiet", *wanted]
    done = subprocess.run(pip, env=ENVIRON, capture_output=True, text=True)
    if done.returncode != 0:
        raise UnavailableError(f"{sys.executable}: pip cannot install {wanted[0]}: {done.stderr[-500:]}")
    (directory / "complete").touch()
