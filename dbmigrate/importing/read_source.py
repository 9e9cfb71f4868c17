"""SOURCE, the directory of another tool's project: every file below it, read once."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dbmigrate.errors import ConfigError
from dbmigrate.importing.values import Source, SourceFile
from dbmigrate.migrations.source import Cursor, Origin

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

__all__ = ["content", "decoded", "read"]

_PASSED_OVER = frozenset((".git", ".hg", ".svn", "node_modules", "__pycache__", ".venv"))


def read(directory: str, skip: Collection[str] = ()) -> Source:
    """The files below `directory` in the order of their paths, but those in `skip`.

    Raises ConfigError E282: there is no such directory, or a file of `skip` is not in it; E207: something in it cannot
    be read, such as a link to nothing.
    """
    if not os.path.isdir(directory):
        raise ConfigError(
            f"{directory} is not a directory",
            code="E282",
            hint="name the directory that holds the old tool's migrations",
        )
    paths = sorted(_paths(directory))
    if unknown := sorted(set(skip) - set(paths)):
        raise ConfigError(
            f"--skip {unknown[0]}: there is no such file in {directory}",
            code="E282",
            hint="paths are written as seen from there",
        )
    files = tuple(SourceFile(path, content(os.path.join(directory, path))) for path in paths if path not in skip)
    return Source(directory, files)


def decoded(file: SourceFile, encoding: str = "utf-8") -> str:
    """The text of a file without a byte order mark; line ends stay as they are.

    Raises MigrationFileError E210: it is not in this encoding, or a NUL is in it.
    """
    try:
        text = file.content.decode(encoding)
    except UnicodeDecodeError as exc:
        cursor = Cursor()
        cursor.advance(file.content[: exc.start].decode(encoding, errors="replace"))
        raise Origin(file.path, file.content.decode(encoding, errors="replace")).error(
            "E210",
            f"not valid {encoding.upper()}: byte 0x{file.content[exc.start]:02x}",
            (cursor.line, cursor.column),
            hint="save the file as UTF-8, or leave it out with --skip",
        ) from exc
    if "\0" in text:
        cursor = Cursor()
        cursor.advance(text.partition("\0")[0])
        raise Origin(file.path, text).error(
            "E210", "a NUL character in the file", (cursor.line, cursor.column), hint="remove it, or --skip the file"
        )
    return text.removeprefix("\ufeff")


def _paths(directory: str) -> Iterator[str]:
    def refuse(exc: OSError) -> None:
        raise ConfigError(f"cannot read {exc.filename}: {exc.strerror}", code="E207") from exc

    for parent, folders, names in os.walk(directory, onerror=refuse, followlinks=True):
        folders[:] = [name for name in folders if name not in _PASSED_OVER and not _leads_back(parent, name)]
        for name in names:
            path = os.path.join(parent, name)
            if os.path.isfile(path) or os.path.islink(path):  # reading says that a link leads nowhere
                yield os.path.relpath(path, directory).replace(os.sep, "/")


def _leads_back(parent: str, name: str) -> bool:
    """Whether a link leads to a directory in which it stands."""
    path = os.path.join(parent, name)
    if not os.path.islink(path):
        return False
    here, there = os.path.realpath(parent), os.path.realpath(path)
    return os.path.commonpath((here, there)) == there


def content(path: str) -> bytes:
    """The bytes of a file. Raises ConfigError E207."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as exc:
        raise ConfigError(f"cannot read {path}: {exc.strerror}", code="E207") from exc
