"""L12x: statements after which the version of the application that is running now gets errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.lint.context import Found
from dbmigrate.lint.sql.shape import ActionKind, AlterObject, ConstraintKind, Drop, Generated, Name
from dbmigrate.lint.sql.types import SERIALS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbmigrate.lint.context import Seen
    from dbmigrate.lint.sql.shape import Column

_TABLES = ("TABLE", "FOREIGN TABLE")
# what queries name; a trigger, an index or a constraint is named by none
_NAMED_BY_QUERIES = (
    "AGGREGATE",
    "DATABASE",
    "DOMAIN",
    "EXTENSION",
    "FUNCTION",
    "MATERIALIZED VIEW",
    "OPERATOR",
    "PROCEDURE",
    "ROUTINE",
    "SCHEMA",
    "SEQUENCE",
    "TYPE",
    "VIEW",
)
_LATER = "release code that does without it first; drop it in a later migration"


def drops_column(seen: Seen) -> Iterator[Found]:
    """L121"""
    for table, action in seen.actions(ActionKind.DROP_COLUMN):
        known = seen.catalog.table(table)
        if known is None or known.column_versions.get(action.name) not in seen.fresh:
            yield Found(
                action.at,
                f"DROP COLUMN {action.name}: code that still names it fails at once, and its data is gone",
                _LATER,
            )


def drops_table(seen: Seen) -> Iterator[Found]:
    """L122"""
    shape = seen.shape
    if isinstance(shape, Drop) and shape.kind in _TABLES:
        for name in shape.names:
            if not seen.is_new(name):
                yield Found(
                    name.at, f"DROP TABLE {name}: code that still uses it fails at once, and its data is gone", _LATER
                )


def renames_column(seen: Seen) -> Iterator[Found]:
    """L123"""
    for table, action in seen.actions(ActionKind.RENAME_COLUMN):
        yield Found(
            action.at,
            f"renaming {table}.{action.name} to {action.new_name} breaks the code that is running now",
            "add the new column, keep both equal with a trigger, move the code, then drop the old one: three releases",
        )


def renames_table(seen: Seen) -> Iterator[Found]:
    """L124"""
    for table, action in seen.actions(ActionKind.RENAME):
        yield Found(
            action.at,
            f"renaming {table} to {action.new_name} breaks the code that is running now",
            f"in the same transaction create a view {table} over the new name, and drop it when no code uses it",
        )


def moves_object(seen: Seen) -> Iterator[Found]:
    """L125"""
    for table, action in seen.actions(ActionKind.SET_SCHEMA):
        yield Found(action.at, f"moving {table} to schema {action.new_name} breaks the code that is running now", _VIEW)
    shape = seen.shape
    if isinstance(shape, AlterObject) and shape.kind in _NAMED_BY_QUERIES:
        if shape.words[:1] == ("RENAME",):
            what = "renaming a value of" if shape.words[1:2] == ("VALUE",) else "renaming"
            yield Found(shape.at, f"{what} {shape.kind.lower()} {shape.name} breaks the code that is running now", _NEW)
        elif shape.words[:2] == ("SET", "SCHEMA"):
            yield Found(shape.at, f"moving {shape.kind.lower()} {shape.name} breaks the code that is running now", _NEW)


_VIEW = "leave a view behind under the old name until no code uses it"
_NEW = "make a second one under the new name, move the code, then drop the old one"


def requires_column(seen: Seen) -> Iterator[Found]:
    """L126"""
    for table, action in seen.actions(ActionKind.ADD_COLUMN):
        if action.column is not None and _is_required(action.column):
            yield Found(
                action.at,
                f"the new column {action.name} is NOT NULL and has no default: this fails if {table} has any row, and "
                "INSERTs of the code that is running now fail too",
                "give it a DEFAULT, or add it without NOT NULL and fill it first",
            )


def _is_required(column: Column) -> bool:
    fills_itself = column.default is not None or column.generated is not Generated.NO or column.type[:1] in SERIALS
    return not fills_itself and (column.has(ConstraintKind.NOT_NULL) or column.has(ConstraintKind.PRIMARY))


def drops_object(seen: Seen) -> Iterator[Found]:
    """L127"""
    shape = seen.shape
    if not isinstance(shape, Drop) or shape.kind not in _NAMED_BY_QUERIES:
        return
    for name in shape.names:
        if not _is_made_here(seen, name) and not _is_trigger_function(seen, name):
            yield Found(name.at, f"dropping {shape.kind.lower()} {name}: code that still uses it fails at once", _LATER)


def _is_made_here(seen: Seen, name: Name) -> bool:
    """Made by the same migration: before the DROP it was nobody else's, after it there is another one."""
    return any(made.means(name) for made in seen.made.get(name.name, ()))


def _is_trigger_function(seen: Seen, name: Name) -> bool:
    """Nobody calls it but its trigger, which has to be gone before."""
    routine = seen.catalog.routine(name)
    return routine is not None and routine.returns_trigger
