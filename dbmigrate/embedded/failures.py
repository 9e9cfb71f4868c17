"""The operating system's refusals as errors of ours."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dbmigrate import errors

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def translated(what: str) -> Iterator[None]:
    """OSError -> `errors.ConfigError` (E207)."""
    try:
        yield
    except (OSError, subprocess.SubprocessError) as exc:
        raise errors.ConfigError(f"cannot prepare {what}: {exc}", code="E207") from exc
