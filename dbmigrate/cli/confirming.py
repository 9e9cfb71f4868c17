"""A question before a change that is not a run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from dbmigrate.errors import Refused

if TYPE_CHECKING:
    from dbmigrate.output import Renderer

__all__ = ["ask"]


def ask(renderer: Renderer, question: str, *, yes: bool) -> None:
    """Ask on a terminal; where there is none, `yes` is needed. Raises Refused E706."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise Refused(f"{question} needs a confirmation", code="E706", hint="no terminal to ask on: pass --yes")
    if renderer.ask(f"{question}? [y/N] ").strip().lower() not in ("y", "yes"):
        raise Refused("not confirmed; nothing was changed", code="E706")
