"""Values of variables that the proof of an import needs: it runs the files that the old tool has run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dbmigrate.errors import MigrationFileError, unchanged
from dbmigrate.model import Direction, Place
from dbmigrate.planning import variables
from dbmigrate.variables import environment_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dbmigrate.model import Migration

__all__ = ["refuse_missing"]


def refuse_missing(migrations: Iterable[Migration], directory: str) -> None:
    """Raise MigrationFileError E298 with every variable of an applied file that has no value.

    `directory` is where the files will be.
    """
    found: dict[str, list[Migration]] = {}
    for migration in migrations:
        for name in variables.missing(migration, Direction.UP):
            found.setdefault(name, []).append(migration)
    if not found:
        return
    listed = ", ".join(f"{name} ({', '.join(each.file.name for each in found[name])})" for name in sorted(found))
    first = next(iter(found.values()))[0]
    declared = next((each.place for each in first.annotated("vars")), None)
    raise unchanged(
        MigrationFileError(
            f"variables of applied migrations have no value, so nothing can be proved: {listed}",
            code="E298",
            place=Place(os.path.join(directory, first.file.name), declared.line) if declared else None,
            hint=f"set {', '.join(map(environment_name, sorted(found)))} to what the old tool had, in the environment"
            " or in an env file, or below [vars] in the project file",
        )
    )
