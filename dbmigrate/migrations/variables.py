"""What ``-- migrate:vars NAME, NAME`` of a file declares, with the values that there are for it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate.migrations import conditions
from dbmigrate.migrations.large_files import statements
from dbmigrate.model import Annotation, Direction, Place
from dbmigrate.sql import placeholders
from dbmigrate.variables import Bound, Use

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dbmigrate.model import Migration
    from dbmigrate.variables import Variables

__all__ = ["bound", "declared", "declaring"]


def declared(migration: Migration) -> tuple[str, ...]:
    """The names that a file declares."""
    words = (word.strip() for each in migration.annotated("vars") for word in each.value.split(","))
    return tuple(dict.fromkeys(words))


def declaring(migration: Migration, names: Iterable[str]) -> Migration:
    """A migration of which only the down SQL is left, with the names that its file declared."""
    value = ", ".join(names)
    if not value:
        return migration
    said = Annotation("vars", value, Place(migration.file.path, 1), Direction.UP)
    return replace(migration, annotations=(*migration.annotations, said))


def bound(migration: Migration, variables: Variables) -> Migration:
    """The migration with the values of what it declares, and where they are used; without, if it declares nothing.

    Reads a large file once more. Raises MigrationFileError E222 if it is not the one that was read.
    """
    names = declared(migration)
    if not names:
        return migration
    values = {name: given for name in names if (given := variables.find(name)) is not None}
    return replace(migration, bound=Bound(names, values, {each.value: _uses(migration, each) for each in Direction}))


def _uses(migration: Migration, direction: Direction) -> frozenset[Use]:
    names, found = declared(migration), set[Use]()
    for section in migration.run_order(direction):
        for statement in statements(migration, section) if section.fault is None else ():
            found.update(placeholders.uses(statement.sql, names, found))
    for query in conditions.queries(migration, direction):
        found.update(placeholders.uses(query, names, found))
    return frozenset(found)
