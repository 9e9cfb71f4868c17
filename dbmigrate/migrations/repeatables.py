"""Repeatable migrations on disk: the files of ``repeatable/`` below the migrations directories.

dbmate does not look into folders of a migrations directory, so it never runs them.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dbmigrate.errors import ConfigError, PlanError
from dbmigrate.migrations import headers
from dbmigrate.model import MigrationFile, Problem, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["FOLDER", "MARKER", "name_of", "read"]

FOLDER = "repeatable"
MARKER = "-- migrate:repeatable"
_BOM = "\ufeff"
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
        if not _is_marked(path):
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


def _is_marked(path: str) -> bool:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            first = file.read(_HEAD).removeprefix(_BOM).partition("\n")[0]
    except OSError as exc:
        raise ConfigError(f"cannot read {path}: {exc.strerror}", code="E207") from exc
    return headers.REPEATABLE.match(first) is not None


def _note(unmarked: Sequence[str]) -> tuple[Problem, ...]:
    if not unmarked:
        return ()
    message = f"not run, because the first line is not `{MARKER}`: {', '.join(unmarked)}"
    return (Problem("W335", message, Severity.NOTE, hint="add that line, or move the file to another directory"),)
