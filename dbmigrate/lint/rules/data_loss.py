"""L13x: statements after which data is gone, or changed for every row."""

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
            "say which rows with WHERE; if all are meant, say why in an ignore comment",
        )


@statement_rule("L132", "update-all", "UPDATE without WHERE")
def updates_all(context: StatementContext) -> Iterator[Finding]:
    for change in _whole(context, Verb.UPDATE):
        yield Finding(
            change.at,
            f"UPDATE of every row of {change.table}: all of them stay locked, and the table doubles in size",
            "update in batches by key, each in a transaction of its own: see L156",
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
                also = ", and of every table that refers to it" if context.shape.cascades else ""
                yield Finding(
                    name.at,
                    f"TRUNCATE {name} takes away every row{also}, and blocks all readers until the transaction ends",
                    "if all rows are meant, say why in an ignore comment",
                )


@statement_rule("L134", "cascade", "DROP .. CASCADE")
def cascades(context: StatementContext) -> Iterator[Finding]:
    shape = context.shape
    if isinstance(shape, Drop) and shape.cascades and not all(context.is_new(name) for name in shape.names):
        names = ", ".join(map(str, shape.names))
        yield Finding(0, f"DROP {shape.kind} {names} CASCADE drops whatever depends on it, unseen", _NAME_THEM)
    for table, action in context.actions(ActionKind.DROP_COLUMN, ActionKind.DROP_CONSTRAINT):
        if "CASCADE" in action.words:
            what = action.kind.value.upper()
            yield Finding(
                action.at, f"{what} {action.name} CASCADE on {table} drops whatever depends on it, unseen", _NAME_THEM
            )


_NAME_THEM = "drop what depends on it by name, before; without CASCADE the server says what that is"


@file_rule("L135", "lossy-down", "the down section does not bring the data back")
def rollback_loses(file: File) -> Iterator[Finding]:
    """The down section runs, and does not bring back what was."""
    if file.migration.is_irreversible:
        return
    yield from _overwritten(file)
    restores = any(isinstance(unit.shape, Changes) for unit in file.downs)
    lost = None if restores or not file.downs else next(_destroyed(file), None)
    if lost is not None:
        unit, change = lost
        yield Finding(
            change.at,
            f"rollback does not bring back the rows of {change.table}: the down section changes no data",
            "keep the old values in a table of their own, or write `-- migrate:down irreversible:true`",
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
    """What a rollback deletes, or sets to one value, in every row; a column that it has just added is its own."""
    added = set(_added_columns(file.downs))
    for unit in file.downs:
        for change in unit.shape.changes if isinstance(unit.shape, Changes) else ():
            is_own = change.sets and all((change.table.name, column) in added for column in change.sets)
            takes_all = change.is_whole and (change.verb is Verb.DELETE or change.is_constant)
            if takes_all and not is_own and not file.is_new(change.table):
                said = "says with WHERE which rows this migration has changed"
                message = f"the rollback's {change.verb.value} takes every row of {change.table}, also newer ones"
                yield Finding(change.at, message, f"write one that {said}", unit)


def _added_columns(units: Sequence[Unit]) -> Iterator[tuple[str, str]]:
    for unit in units:
        if isinstance(unit.shape, AlterTable):
            for action in unit.shape.actions:
                if action.kind is ActionKind.ADD_COLUMN:
                    yield unit.shape.table.name, action.name
