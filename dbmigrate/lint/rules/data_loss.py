"""L13x: statements that delete or change every row, and down sections that do not restore it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.lint.context import Finding
from dbmigrate.lint.rule import file_rule, statement_rule
from dbmigrate.lint.sql.shape import ActionKind, AlterTable, Changes, Drop, Truncate, Verb

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbmigrate.lint.context import File, StatementContext, Unit
    from dbmigrate.lint.sql.shape import Change


@statement_rule("L131", "delete-all", "DELETE without WHERE")
def deletes_all(context: StatementContext) -> Iterator[Finding]:
    for change in _whole(context, Verb.DELETE):
        yield Finding(
            change.at,
            f"DELETE of every row of {change.table}",
            "add a WHERE; if you mean every row, say why in an ignore comment",
        )


@statement_rule("L132", "update-all", "UPDATE without WHERE")
def updates_all(context: StatementContext) -> Iterator[Finding]:
    for change in _whole(context, Verb.UPDATE):
        yield Finding(
            change.at,
            f"UPDATE of every row of {change.table}: all of them stay locked, and the table doubles in size",
            "update in batches by key, each in its own transaction: see L156",
        )


def _whole(context: StatementContext, verb: Verb) -> Iterator[Change]:
    if isinstance(context.shape, Changes):
        for change in context.shape.changes:
            if change.verb is verb and change.is_whole and change.limit_at is None and not context.is_new(change.table):
                yield change


@statement_rule("L133", "truncate", "TRUNCATE", squawk=("ban-truncate-cascade",))
def truncates(context: StatementContext) -> Iterator[Finding]:
    if isinstance(context.shape, Truncate):
        for name in context.shape.tables:
            if not context.is_new(name):
                also = ", also of every table that references it" if context.shape.cascades else ""
                yield Finding(
                    name.at,
                    f"TRUNCATE {name} deletes every row{also}, and blocks all readers until the transaction ends",
                    "if you mean every row, say why in an ignore comment",
                )


@statement_rule("L134", "cascade", "DROP .. CASCADE")
def cascades(context: StatementContext) -> Iterator[Finding]:
    """CASCADE in DROP, DROP COLUMN and DROP CONSTRAINT."""
    shape = context.shape
    if isinstance(shape, Drop) and shape.cascades and not all(context.is_new(name) for name in shape.names):
        names = ", ".join(map(str, shape.names))
        yield Finding(0, f"DROP {shape.kind} {names} CASCADE also drops everything that depends on it", _NAME_THEM)
    for table, action in context.actions(ActionKind.DROP_COLUMN, ActionKind.DROP_CONSTRAINT):
        if "CASCADE" in action.words:
            what = action.kind.value.upper()
            yield Finding(
                action.at,
                f"{what} {action.name} CASCADE on {table} also drops everything that depends on it",
                _NAME_THEM,
            )


_NAME_THEM = "first drop the dependent objects by name; without CASCADE the server lists them"


@file_rule("L135", "lossy-down", "the down section does not restore the data")
def rollback_loses(file: File) -> Iterator[Finding]:
    """The down section runs, but does not restore what was there before."""
    if file.migration.is_irreversible:
        return
    yield from _overwritten(file)
    restores = any(isinstance(unit.shape, Changes) for unit in file.downs)
    lost = None if restores or not file.downs else next(_destroyed(file), None)
    if lost is not None:
        unit, change = lost
        yield Finding(
            change.at,
            f"rollback does not restore the rows of {change.table}: the down section changes no data",
            "keep the old values in another table, or write `-- migrate:down irreversible:true`",
            unit,
        )


def _destroyed(file: File) -> Iterator[tuple[Unit, Change]]:
    """Changes of rows that were there before, other than of columns that the migration adds."""
    added = {(table, column) for table, column in _added_columns(file.ups)}
    for unit in file.ups:
        for change in unit.shape.changes if isinstance(unit.shape, Changes) else ():
            is_own = change.sets and all((change.table.name, column) in added for column in change.sets)
            if change.verb in (Verb.UPDATE, Verb.DELETE) and not is_own and not file.is_new(change.table):
                yield unit, change


def _overwritten(file: File) -> Iterator[Finding]:
    """A rollback that deletes every row, or sets one value in all of them, except in a column that it just added."""
    added = set(_added_columns(file.downs))
    for unit in file.downs:
        for change in unit.shape.changes if isinstance(unit.shape, Changes) else ():
            is_own = change.sets and all((change.table.name, column) in added for column in change.sets)
            takes_all = change.is_whole and (change.verb is Verb.DELETE or change.is_constant)
            if takes_all and not is_own and not file.is_new(change.table):
                message = (
                    f"the {change.verb.value} in the down section takes every row of {change.table}, also newer ones"
                )
                yield Finding(change.at, message, "add a WHERE that selects the rows this migration has changed", unit)


def _added_columns(units: Sequence[Unit]) -> Iterator[tuple[str, str]]:
    for unit in units:
        if isinstance(unit.shape, AlterTable):
            for action in unit.shape.actions:
                if action.kind is ActionKind.ADD_COLUMN:
                    yield unit.shape.table.name, action.name
