"""L12x: statements that break the version of the application that is running now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.lint.context import Finding
from dbmigrate.lint.rule import statement_rule
from dbmigrate.lint.sql.shape import ActionKind, AlterObject, ConstraintKind, Drop, Generated, Name
from dbmigrate.lint.sql.types import SERIALS
from dbmigrate.model import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbmigrate.lint.context import StatementContext
    from dbmigrate.lint.sql.shape import Column

_TABLES = ("TABLE", "FOREIGN TABLE")
# objects that a query can name; a trigger, an index or a constraint is not one of them
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
_LATER = "first release code that does not use it; drop it in a later migration"


@statement_rule("L121", "drop-column", "DROP COLUMN", squawk=("ban-drop-column",))
def drops_column(context: StatementContext) -> Iterator[Finding]:
    for table, action in context.actions(ActionKind.DROP_COLUMN):
        known = context.catalog.table(table)
        if known is None or known.column_versions.get(action.name) not in context.new_versions:
            yield Finding(
                action.at,
                f"DROP COLUMN {action.name}: code that still uses it fails at once, and its data is lost",
                _LATER,
            )


@statement_rule("L122", "drop-table", "DROP TABLE", squawk=("ban-drop-table",))
def drops_table(context: StatementContext) -> Iterator[Finding]:
    shape = context.shape
    if isinstance(shape, Drop) and shape.kind in _TABLES:
        for name in shape.names:
            if not context.is_new(name):
                yield Finding(
                    name.at, f"DROP TABLE {name}: code that still uses it fails at once, and its data is lost", _LATER
                )


@statement_rule("L123", "rename-column", "a column is renamed", squawk=("renaming-column",))
def renames_column(context: StatementContext) -> Iterator[Finding]:
    for table, action in context.actions(ActionKind.RENAME_COLUMN):
        yield Finding(
            action.at,
            f"renaming {table}.{action.name} to {action.new_name} breaks the code that is running now",
            "add the new column, keep both in sync with a trigger, move the code, drop the old one: three releases",
        )


@statement_rule("L124", "rename-table", "a table or view is renamed", squawk=("renaming-table",))
def renames_table(context: StatementContext) -> Iterator[Finding]:
    for table, action in context.actions(ActionKind.RENAME):
        yield Finding(
            action.at,
            f"renaming {table} to {action.new_name} breaks the code that is running now",
            f"create a view {table} on the new table in the same transaction; drop it when no code uses it",
        )


@statement_rule(
    "L125",
    "rename-object",
    "a type, function, schema or value is renamed or moved",
    squawk=("renaming-object", "ban-set-schema"),
    most=3,
)
def moves_object(context: StatementContext) -> Iterator[Finding]:
    """RENAME and SET SCHEMA of anything that a query can name, except columns and tables."""
    for table, action in context.actions(ActionKind.SET_SCHEMA):
        yield Finding(
            action.at, f"moving {table} to schema {action.new_name} breaks the code that is running now", _VIEW
        )
    shape = context.shape
    if isinstance(shape, AlterObject) and shape.kind in _NAMED_BY_QUERIES:
        if shape.words[:1] == ("RENAME",):
            what = "renaming a value of" if shape.words[1:2] == ("VALUE",) else "renaming"
            yield Finding(
                shape.at, f"{what} {shape.kind.lower()} {shape.name} breaks the code that is running now", _NEW
            )
        elif shape.words[:2] == ("SET", "SCHEMA"):
            yield Finding(
                shape.at, f"moving {shape.kind.lower()} {shape.name} breaks the code that is running now", _NEW
            )


_VIEW = "create a view with the old name, and drop it when no code uses it"
_NEW = "create a second one with the new name, move the code, then drop the old one"


@statement_rule(
    "L126",
    "required-column",
    "ADD COLUMN NOT NULL without a default",
    Severity.ERROR,
    squawk=("adding-required-field",),
)
def requires_column(context: StatementContext) -> Iterator[Finding]:
    for table, action in context.actions(ActionKind.ADD_COLUMN):
        if action.column is not None and _is_required(action.column):
            yield Finding(
                action.at,
                f"the new column {action.name} is NOT NULL and has no default: this fails if {table} has rows, and "
                "INSERTs of the code that is running now fail too",
                "give it a DEFAULT, or add it without NOT NULL and fill it first",
            )


def _is_required(column: Column) -> bool:
    fills_itself = column.default is not None or column.generated is not Generated.NO or column.type[:1] in SERIALS
    return not fills_itself and (column.has(ConstraintKind.NOT_NULL) or column.has(ConstraintKind.PRIMARY))


@statement_rule(
    "L127",
    "drop-object",
    "a view, function, type, sequence or schema is dropped",
    squawk=(
        "ban-drop-database",
        "ban-drop-domain",
        "ban-drop-extension",
        "ban-drop-function",
        "ban-drop-schema",
        "ban-drop-sequence",
        "ban-drop-type",
        "ban-drop-view",
    ),
)
def drops_object(context: StatementContext) -> Iterator[Finding]:
    shape = context.shape
    if not isinstance(shape, Drop) or shape.kind not in _NAMED_BY_QUERIES:
        return
    for name in shape.names:
        if not _is_created_here(context, name) and not _is_trigger_function(context, name):
            yield Finding(
                name.at, f"dropping {shape.kind.lower()} {name}: code that still uses it fails at once", _LATER
            )


def _is_created_here(context: StatementContext, name: Name) -> bool:
    """Whether the same migration creates it: before the DROP, so that nobody uses it; or after, to replace it."""
    return any(created.means(name) for created in context.created.get(name.name, ()))


def _is_trigger_function(context: StatementContext, name: Name) -> bool:
    """Only its trigger calls it, which must be dropped first."""
    routine = context.catalog.routine(name)
    return routine is not None and routine.returns_trigger
