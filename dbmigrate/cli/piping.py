"""Printing for programs that may stop to read."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import typer

from dbmigrate.output.renderer import silence

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dbmigrate.output import Renderer


def script(renderer: Renderer, segments: Iterable[str]) -> None:
    """Print a script. If the reader goes away, exit as SIGPIPE would."""
    try:
        renderer.script(segments)
    except BrokenPipeError:
        silence(sys.stdout)
        raise typer.Exit(128 + signal.SIGPIPE) from None
