"""Env files: ``NAME=value`` lines, read by python-dotenv's parser without touching the environment of this process.

What differs from dbmate's own reader (godotenv): nothing is ever expanded, so a ``$`` in a password is a ``$``;
``NAME: value`` is an error instead of an assignment; a backslash before a ``$`` stays.
"""

from __future__ import annotations

import io
import re
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from dbmigrate.errors import ConfigError
from dbmigrate.frozen import frozen
from dbmigrate.model import Place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dotenv.parser import Binding

__all__ = ["EnvFiles", "Setting", "read"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_LEADING_SPACE = re.compile(r"\s*")
_EXPORT = re.compile(r"\s*export\s")  # `export NAME` without a value is for shells, and harmless
_HINT = "write NAME=value, or NAME='value' if the value contains blanks, quotes or #"


@frozen
class Setting:
    """A value from an env file, and its ``file:line``."""

    text: str = field(repr=False)
    path: str
    line: int

    @property
    def origin(self) -> str:
        return f"{self.path}:{self.line}"


@frozen
class EnvFiles:
    """What was found: the variables by name, and which of the files exist."""

    settings: Mapping[str, Setting] = field(default_factory=dict, repr=False)
    found: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def read(paths: Sequence[str], *, cwd: str) -> EnvFiles:
    """Read the files in order; the first that sets a name wins, in one file the last line that does (as dbmate).

    A missing file is not an error. Raises ConfigError E204 with the place of a line that cannot be read, and E207 for a
    file that cannot be opened.
    """
    settings: dict[str, Setting] = {}
    found: list[str] = []
    missing: list[str] = []
    for path in paths:
        text = _content(path, Path(cwd, path))
        (missing if text is None else found).append(path)
        settings = _settings(text or "", path) | settings
    return EnvFiles(settings, tuple(found), tuple(missing))


def _content(name: str, path: Path) -> str | None:
    try:
        raw = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as exc:  # ValueError: a NUL in the name
        reason = exc.strerror if isinstance(exc, OSError) else str(exc)
        raise ConfigError(f"{name} cannot be read: {reason}", code="E207") from exc
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = raw.count(b"\n", 0, exc.start) + 1
        raise _unreadable(name, line, "it is not valid UTF-8") from exc


def _settings(text: str, path: str) -> dict[str, Setting]:
    return {name: Setting(value, path, line) for name, value, line in _assignments(text, path)}


def _assignments(text: str, path: str) -> Iterator[tuple[str, str, int]]:
    if not text.strip():
        return
    from dotenv.parser import parse_stream

    for binding in parse_stream(io.StringIO(text.replace("\r\n", "\n"))):
        line = _line(binding)
        reason = _fault(binding)
        if reason:
            raise _unreadable(path, line, reason)
        if binding.key is not None and binding.value is not None:
            yield binding.key, binding.value, line


def _line(binding: Binding) -> int:
    """The line of the assignment itself: the parser counts from the blank lines before it."""
    space = _LEADING_SPACE.match(binding.original.string)
    return binding.original.line + (space[0].count("\n") if space else 0)


def _fault(binding: Binding) -> str | None:
    """What is wrong with a line. The line itself is not quoted: it may contain a password."""
    if binding.error:
        return "the line is not NAME=value"
    if binding.key is None:  # a comment or a blank line
        return None
    if not _NAME.fullmatch(binding.key):
        return "the text before = is not a variable name"
    if binding.value is None and not _EXPORT.match(binding.original.string):
        return "the line has no ="
    return "the value contains a NUL character" if "\0" in (binding.value or "") else None


def _unreadable(path: str, line: int, reason: str) -> ConfigError:
    return ConfigError(
        f"the env file {path} cannot be read: {reason}", code="E204", hint=_HINT, place=Place(path, line)
    )
