"""The migrations directory of an import: what is in it, and the new files in it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dbmigrate.errors import ConfigError
from dbmigrate.importing.convert import FOLDER, Present

if TYPE_CHECKING:
    from dbmigrate.importing.convert import Conversion, NewFile

__all__ = ["present", "write"]


def present(directory: str) -> Present:
    """The SQL files of a migrations directory, none where that does not exist yet. Raises ConfigError E207."""
    texts = {name: _text(os.path.join(directory, name)) for name in _names(directory)}
    inner = os.path.join(directory, FOLDER)
    texts |= {f"{FOLDER}/{name}": _text(os.path.join(inner, name)) for name in _names(inner)}
    return Present(directory, texts)


def write(conversion: Conversion) -> None:
    """Write what is not there yet; no file is ever written over. Raises ConfigError E207."""
    for file in conversion.files:
        if not file.is_there:
            _write(conversion.directory, file)


def _names(directory: str) -> list[str]:
    try:
        return sorted(entry.name for entry in os.scandir(directory) if entry.name.endswith(".sql") and entry.is_file())
    except FileNotFoundError:
        return []
    except OSError as exc:
        raise ConfigError(f"cannot read {directory}: {exc.strerror}", code="E207") from exc


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace", newline="") as file:
            return file.read()
    except OSError as exc:
        raise ConfigError(f"cannot read {path}: {exc.strerror}", code="E207") from exc


def _write(directory: str, new: NewFile) -> None:
    path = os.path.join(directory, new.name)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "x", encoding="utf-8", newline="") as file:
            file.write(new.text)
    except OSError as exc:
        raise ConfigError(f"{path} cannot be written: {exc.strerror}", code="E207") from exc
