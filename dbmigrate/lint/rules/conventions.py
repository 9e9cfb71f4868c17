"""L17x: habits that save trouble later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.lint.context import Found, references
from dbmigrate.lint.sql.shape import AlterTable, CreateIndex, CreateObject, CreateTable, Drop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbmigrate.lint.context import Ending, File, Seen, Unit
    from dbmigrate.lint.sql.shape import Constraint, Name


def fails_when_repeated(seen: Seen) -> Iterator[Found]:
    """L171"""
    shape = seen.shape
    word = ""
    if isinstance(shape, CreateTable | CreateIndex | CreateObject) and not shape.is_lenient:
        is_able = not isinstance(shape, CreateObject) or shape.kind in ("SCHEMA", "SEQUENCE", "EXTENSION")
        word = "IF NOT EXISTS" if is_able and not (isinstance(shape, CreateIndex) and shape.is_concurrent) else ""
    elif isinstance(shape, Drop) and not shape.is_lenient:
        word = "IF EXISTS"
    if word:
        yield Found(0, f"run a second time, this fails: it has no {word}", f"add {word}")


def reference_without_index(ending: Ending) -> Iterator[tuple[File, Unit, Found]]:
    """L173: asked at the end, because the index may come in a later migration."""
    for file in ending.files:
        for unit in file.ups:
            for table, constraint in _references(unit):
                known = ending.catalog.table(table)
                if known is None or (not known.version and not _is_new_column(file, known.column_versions, constraint)):
                    continue  # what indexes it has is not known
                if known.constraints and constraint.columns and not known.has_index_for(constraint.columns):
                    columns = ", ".join(constraint.columns)
                    found = Found(
                        constraint.at,
                        f"the foreign key {table} ({columns}) has no index: a DELETE in {constraint.references} reads "
                        f"all of {table} for each row",
                        f"CREATE INDEX ON {table} ({columns}); CONCURRENTLY if {table} has rows already",
                    )
                    yield file, unit, found


def _is_new_column(file: File, versions: dict[str, str], constraint: Constraint) -> bool:
    return all(versions.get(column) == file.migration.version for column in constraint.columns)


def _references(unit: Unit) -> Iterator[tuple[Name, Constraint]]:
    """The foreign keys that a statement adds."""
    if isinstance(unit.shape, CreateTable | AlterTable):
        for constraint in references(unit.shape):
            yield unit.shape.table, constraint
