"""Keys written into the project file, the rest of it left as it is."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from dbmigrate.errors import ConfigError
from dbmigrate.settings import project_file, whole_file
from dbmigrate.settings.project_file import FILE, PYPROJECT

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["put"]

_TABLE = re.compile(r"(?m)^[ \t]*\[")
_SECTION = re.compile(r"(?m)^[ \t]*\[[ \t]*tool[ \t]*\.[ \t]*dbmigrate[ \t]*\][^\n]*\n?")


def put(cwd: str, values: Mapping[str, str]) -> str:
    """Set keys to texts in the project file that is read in `cwd`, or in a new one; its name.

    Raises ConfigError E207, and what `project_file.read` raises.
    """
    known = project_file.read(cwd)
    name = known.path or FILE
    path = os.path.join(cwd, name)
    try:
        with open(path, encoding="utf-8", newline="") as file:
            text = file.read()
    except FileNotFoundError:
        text = ""
    except OSError as exc:
        raise ConfigError(f"{name} cannot be read: {exc.strerror}", code="E207") from exc
    for key, value in values.items():
        text = _with(text, key, f'{key} = "{value}"\n', is_section=name == PYPROJECT)
    _replace(path, name, text)
    return name


def _with(text: str, key: str, line: str, *, is_section: bool) -> str:
    """The text with the key's line in the place of its old one, or as the last of its table."""
    begin = 0
    if is_section:
        heading = _SECTION.search(text)
        if heading is None:  # nothing but tables below it, or no such section at all
            return f"{text.rstrip()}\n\n[tool.dbmigrate]\n{line}"
        begin = heading.end()
    end = found.start() if (found := _TABLE.search(text, begin)) else len(text)
    part = text[begin:end]
    spelt = "[-_]".join(map(re.escape, key.split("-")))
    old = re.search(rf"(?m)^[ \t]*{spelt}[ \t]*=[^\n]*\n?", part)
    if old:
        part = part[: old.start()] + line + part[old.end() :]
    else:
        body = part.rstrip()
        blank = part[len(body) :].removeprefix("\n") if body else part
        part = f"{body}\n{line}{blank}" if body else line + blank
    return text[:begin] + part + text[end:]


def _replace(path: str, name: str, text: str) -> None:
    try:
        whole_file.put(path, text)
    except OSError as exc:
        raise ConfigError(f"{name} cannot be written: {exc.strerror}", code="E207") from exc
