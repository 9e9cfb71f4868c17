"""L17x: conventions that save trouble later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.lint.context import Finding, references
from dbmigrate.lint.rule import project_rule, statement_rule
from dbmigrate.lint.sql.shape import AlterTable, CreateIndex, CreateObject, CreateTable, Drop
from dbmigrate.model import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbmigrate.lint.context import File, StatementContext, Unit
    from dbmigrate.lint.sql.shape import Constraint, Name


@statement_rule(
    "L171",
    "prefer-if-exists",
    "a statement that fails when it is repeated",
    Severity.NOTE,
    squawk=("prefer-robust-stmts",),
    is_optional=True,
)
def fails_when_repeated(context: StatementContext) -> Iterator[Finding]:
    shape = context.shape
    word = ""
    if isinstance(shape, CreateTable | CreateIndex | CreateObject) and not shape.is_lenient:
        is_able = not isinstance(shape, CreateObject) or shape.kind in ("SCHEMA", "SEQUENCE", "EXTENSION")
        word = "IF NOT EXISTS" if is_able and not (isinstance(shape, CreateIndex) and shape.is_concurrent) else ""
    elif isinstance(shape, Drop) and not shape.is_lenient:
        word = "IF EXISTS"
    if word:
        yield Finding(0, f"this fails when it is run a second time: {word} is missing", f"add {word}")


@project_rule("L173", "fk-without-index", "a foreign key without an index", most=3)
def reference_without_index(file: File) -> Iterator[Finding]:
    """A project rule, because a later migration may create the index."""
    for unit in file.ups:
        for table, constraint in _references(unit):
            known = file.catalog.table(table)
            if known is None or (not known.version and not _is_new_column(file, known.column_versions, constraint)):
                continue  # its indexes are not known
            if known.constraints and constraint.columns and not known.has_index_for(constraint.columns):
                columns = ", ".join(constraint.columns)
                yield Finding(
                    constraint.at,
                    f"the foreign key {table} ({columns}) has no index: a DELETE in {constraint.references} reads "
                    f"the whole table {table} for each row",
                    f"CREATE INDEX ON {table} ({columns}); CONCURRENTLY if {table} has rows already",
                    unit,
                )


def _is_new_column(file: File, versions: dict[str, str], constraint: Constraint) -> bool:
    return all(versions.get(column) == file.migration.version for column in constraint.columns)


def _references(unit: Unit) -> Iterator[tuple[Name, Constraint]]:
    """The foreign keys that a statement adds."""
    if isinstance(unit.shape, CreateTable | AlterTable):
        for constraint in references(unit.shape):
            yield unit.shape.table, constraint
