"""The editor of whoever runs this: VISUAL, else EDITOR."""

from __future__ import annotations

import os
import shlex
import signal
from typing import TYPE_CHECKING

from dbmigrate.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["chosen", "edit"]


def chosen(environ: Mapping[str, str]) -> list[str]:
    """The command that was chosen; it may have arguments. Raises ConfigError E206."""
    for name in ("VISUAL", "EDITOR"):
        if command := environ.get(name, "").strip():
            try:
                return shlex.split(command)
            except ValueError as exc:
                raise ConfigError(f"{name}={command} cannot be read: {exc}", code="E206") from exc
    raise ConfigError("no editor is set", code="E206", hint="set VISUAL or EDITOR, or leave out --edit")


def edit(command: list[str], path: str) -> None:
    """Wait until the editor has ended. Ctrl-C is for the editor. Raises ConfigError E206."""
    before = signal.signal(signal.SIGINT, lambda *_: None)  # what is ignored here would be ignored there
    try:
        status = os.spawnvp(os.P_WAIT, command[0], [*command, path])
    finally:
        signal.signal(signal.SIGINT, before)
    if status:
        what = "cannot be started" if status == _NOT_FOUND else f"ended with {status}"
        raise ConfigError(f"the editor {command[0]} {what}", code="E206", hint=f"the file is there: {path}")


_NOT_FOUND = 127
