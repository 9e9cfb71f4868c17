"""Repeatable migrations on disk: the files of ``repeatable/`` below the migrations directories.

dbmate does not look into folders of a migrations directory, so it never runs them.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from dbmigrate.errors import ConfigError, PlanError
from dbmigrate.migrations import headers
from dbmigrate.migrations.source import Origin
from dbmigrate.model import MigrationFile, Problem, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["FOLDER", "MARKER", "name_of", "read", "refuse_misspelt"]

FOLDER = "repeatable"
MARKER = "-- migrate:repeatable"
_BOM = "\ufeff"
# the marker, or a misspelling of it; what stands behind it may be an option
_NEARLY = re.compile(
    r"[ \t]*--+[ \t]*migrate[ \t]*:[ \t]*([a-z_-]+)[ \t:]*(?:transaction:\w+)?\s*", re.IGNORECASE
).fullmatch
_HEAD = 4096  # characters: the first line is far shorter


def name_of(file: str) -> str:
    """How a file of the folder is called: ``repeatable/views.sql``."""
    return f"{FOLDER}/{file}"


def read(paths: Sequence[str]) -> tuple[tuple[MigrationFile, ...], tuple[Problem, ...]]:
    """The repeatable migrations among these files, and a note about those without the marker.

    Raises PlanError E276 (two have one name), ConfigError E207.
    """
    found: dict[str, MigrationFile] = {}
    unmarked = []
    for path in paths:
        name = os.path.basename(path)
        first = _first_line(path)
        if not (headers.REPEATABLE.match(first) or _is_misspelt(first)):
            unmarked.append(path)
        elif name in found:
            raise PlanError(
                f"two repeatable migrations are called {name}: {found[name].path} and {path}",
                code="E276",
                hint="the log knows them by their names: rename one of them",
            )
        else:
            found[name] = MigrationFile(name, name_of(name), path, is_repeatable=True)
    return tuple(found.values()), _note(unmarked)


def refuse_misspelt(file: MigrationFile) -> None:
    """Raise MigrationFileError E290 for a repeatable migration whose marker is not written exactly."""
    if file.is_repeatable and _is_misspelt(first := _first_line(file.path)):
        message, hint = f"`{first.strip()}` is not an annotation", f"did you mean `{MARKER}`?"
        raise Origin(file.path).error("E290", message, (1, 1), hint=hint, width=len(first.rstrip()))


def _first_line(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(_HEAD).removeprefix(_BOM).partition("\n")[0]
    except OSError as exc:
        raise ConfigError(f"cannot read {path}: {exc.strerror}", code="E207") from exc


def _is_misspelt(line: str) -> bool:
    """Whether a first line is nearly the marker: to pass over its file would leave out what it makes."""
    if headers.REPEATABLE.match(line) or not (found := _NEARLY(line)):
        return False
    from dbmigrate.migrations.annotations import is_near

    return is_near(found[1], "repeatable")


def _note(unmarked: Sequence[str]) -> tuple[Problem, ...]:
    if not unmarked:
        return ()
    message = f"not run, because the first line is not `{MARKER}`: {', '.join(unmarked)}"
    return (Problem("W335", message, Severity.NOTE, hint="add that line, or move the file to another directory"),)
