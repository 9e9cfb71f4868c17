"""L11x: statements that rewrite a whole table, or hold strong locks while they change its rows.

https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.lint.context import Finding
from dbmigrate.lint.rule import statement_rule
from dbmigrate.lint.sql.expressions import volatile_call
from dbmigrate.lint.sql.shape import ActionKind, ConstraintKind, Generated, Maintenance
from dbmigrate.lint.sql.types import SERIALS, Cost, change_cost, written

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dbmigrate.lint.context import StatementContext
    from dbmigrate.lint.sql.shape import Action, Column, Constraint, Words

_FILL = "add the column without a default, set the default for new rows, then fill the old rows in batches"


@statement_rule(
    "L111",
    "column-fills-table",
    "ADD COLUMN that rewrites the whole table",
    squawk=("adding-field-with-default", "adding-serial-primary-key-field"),
)
def adds_filled_column(context: StatementContext) -> Iterator[Finding]:
    for table, action in context.actions(ActionKind.ADD_COLUMN):
        reason = _reason_to_rewrite(action.column, context) if action.column else None
        if reason:
            yield Finding(action.at, f"ADD COLUMN {action.name} rewrites the table {table}: {reason}", _FILL)


def _reason_to_rewrite(column: Column, context: StatementContext) -> str | None:
    if column.type[:1] in SERIALS:
        return f"{column.type[0].lower()} gives every row a number"
    if column.generated is Generated.IDENTITY:
        return "an identity column gives every row a number"
    if column.generated is Generated.STORED:
        return "a stored generated column is computed for every row"
    called = volatile_call(column.default or (), context.catalog)
    return f"its default {called}() differs from row to row" if called else None


@statement_rule(
    "L112",
    "type-change-rewrites",
    "a type change that rewrites or reads the whole table",
    squawk=("changing-column-type",),
)
def changes_type(context: StatementContext) -> Iterator[Finding]:
    """The old type is known if a migration defines it; USING always rewrites."""
    for name, action in context.actions(ActionKind.SET_TYPE):
        table = context.catalog.table(name)
        cost = change_cost(table.types.get(action.name, ()) if table else (), action.type)
        if action.has_using:
            cost = Cost.REWRITE
        elif context.transaction.is_utc and table is not None and _is_timestamp(table.types.get(action.name, ())):
            cost = Cost.NONE if _is_timestamp(action.type) else cost  # the bytes are the same, and the server knows it
        what = f"changing {name}.{action.name} to {written(action.type)}"
        if cost is Cost.UNKNOWN:
            yield Finding(action.at, f"{what} may rewrite the whole table while nobody can read or write it", _COPY)
        elif cost is Cost.REWRITE:
            yield Finding(action.at, f"{what} rewrites the whole table while nobody can read or write it", _COPY)
        elif table is not None and _is_checked(table.constraints.values(), action):
            yield Finding(
                action.at,
                f"{what} reads the whole table, because a CHECK constraint on the column is checked again",
                "drop the constraint first, add it again as NOT VALID, VALIDATE it in the next migration",
            )


def _is_timestamp(type_: Words) -> bool:
    return type_[:1] in (("TIMESTAMP",), ("TIMESTAMPTZ",)) and "(" not in type_


_COPY = "add a column of the new type, fill it in batches, then swap the columns"


def _is_checked(constraints: Iterable[Constraint], action: Action) -> bool:
    words = {action.name.upper(), f'"{action.name}"'}
    return any(
        found.kind is ConstraintKind.CHECK and (action.name in found.columns or not words.isdisjoint(found.condition))
        for found in constraints
    )


@statement_rule(
    "L113", "table-is-copied", "VACUUM FULL, CLUSTER, SET LOGGED or SET TABLESPACE", squawk=("prefer-repack",)
)
def rewrites_table(context: StatementContext) -> Iterator[Finding]:
    shape = context.shape
    for name, action in context.actions(ActionKind.REWRITE, ActionKind.MOVE):
        what = "SET TABLESPACE" if action.kind is ActionKind.MOVE else " ".join(action.words[:3])
        yield Finding(action.at, f"{what} rewrites the table {name} while nobody can read or write it", _SWAP)
    if isinstance(shape, Maintenance) and (shape.verb == "CLUSTER" or "FULL" in shape.options):
        what = "CLUSTER" if shape.verb == "CLUSTER" else "VACUUM FULL"
        if shape.name is None or not context.is_new(shape.name):
            table = f"the table {shape.name}" if shape.name else "every table"
            yield Finding(0, f"{what} rewrites {table} while nobody can read or write it", _REPACK)


_SWAP = "plan a downtime, or fill a new table in batches and swap the two"
_REPACK = "VACUUM without FULL blocks nobody; pg_repack and pg_squeeze shrink a table while it is used"


@statement_rule("L114", "refresh-blocks-readers", "REFRESH MATERIALIZED VIEW without CONCURRENTLY")
def refreshes_view(context: StatementContext) -> Iterator[Finding]:
    shape = context.shape
    if not isinstance(shape, Maintenance) or shape.verb != "REFRESH" or shape.is_concurrent or shape.name is None:
        return
    if not context.is_new(shape.name):
        yield Finding(
            0,
            f"REFRESH MATERIALIZED VIEW blocks readers of {shape.name} until its query is done",
            "create a unique index on it, then use REFRESH MATERIALIZED VIEW CONCURRENTLY",
        )


@statement_rule("L115", "mixed-ddl-dml", "data and schema changes in one transaction")
def changes_data_and_schema(context: StatementContext) -> Iterator[Finding]:
    """Found once in a transaction, at the first statement of the second kind."""
    altered, filled = context.transaction.altered, context.transaction.filled
    if altered and not filled and not context.transaction.is_slow and (change := next(context.slow(), None)):
        yield Finding(
            change.at,
            f"{change.verb.value} of {change.table} while the transaction holds its lock on {altered}: others wait "
            "until all rows are done",
            _APART,
        )
    elif filled and not altered and (table := context.altered()):
        yield Finding(
            0,
            f"this locks {table} after a long {filled.verb.value} in the same transaction, which holds its row locks "
            "while it waits",
            _APART,
        )


_APART = "change data in a separate migration, or in a section with transaction:false"
