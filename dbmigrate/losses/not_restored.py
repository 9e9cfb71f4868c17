"""What a rollback does not bring back: data that the up section of a migration destroyed, by its text. Pure.

A down section that writes rows may bring it back: then there is no warning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.lint.sql.grammar import shape_of
from dbmigrate.lint.sql.shape import ActionKind, AlterTable, Changes, Copy, CreateTable, Drop, Name, Truncate, Verb
from dbmigrate.losses import is_worth_reading
from dbmigrate.migrations import parser
from dbmigrate.model import Direction, Problem, Step

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbmigrate.lint.sql.shape import Change, Shape
    from dbmigrate.model import History, Migration, Plan

__all__ = ["CODE", "problems"]

CODE = "W710"


def problems(planned: Plan, history: History) -> tuple[Problem, ...]:
    """W710 for every migration whose data is gone for good when it is rolled back."""
    applied = {item.version: item.applied_at for item in history.applied}
    found = []
    for step in planned.steps:
        lost = list(dict.fromkeys(_lost(step)))
        if lost:
            at = applied.get(step.version)
            before = f" from before {at:%Y-%m-%d %H:%M:%S %Z}" if at else ""
            message = f"the rollback of {step.name} does not bring back {', '.join(lost)}"
            found.append(Problem(CODE, message, hint=f"a backup{before} has it, or what --salvage saved then"))
    return tuple(found)


def _lost(step: Step) -> Iterator[str]:
    migration = step.migration
    if migration is None or step.direction is not Direction.DOWN or not step.runs_sql:
        return
    up = Step(step.version, step.name, Direction.UP, migration=migration)
    if not any(is_worth_reading(up, section) for section in migration.run_order(Direction.UP)):
        return
    if any(isinstance(shape, Changes | Copy) for shape in _shapes(migration, Direction.DOWN)):
        return
    tables: list[Name] = []  # that the migration has made itself
    columns: set[tuple[str, str]] = set()
    for shape in _shapes(migration, Direction.UP):
        if isinstance(shape, CreateTable):
            tables.append(shape.table)
        elif isinstance(shape, AlterTable):
            columns |= {(shape.table.name, each.name) for each in shape.actions if each.kind is ActionKind.ADD_COLUMN}
        yield from _by(shape, tables, columns)


def _shapes(migration: Migration, direction: Direction) -> Iterator[Shape]:
    for section in migration.run_order(direction):
        for statement in parser.statements(migration, section):
            yield shape_of(statement.sql)


def _by(shape: Shape, tables: Sequence[Name], columns: set[tuple[str, str]]) -> Iterator[str]:
    """What one statement has destroyed, but for what the same migration had made."""

    def is_old(table: Name) -> bool:
        return not any(table.means(own) for own in tables)

    if isinstance(shape, Drop) and shape.kind == "TABLE":
        yield from (f"the rows of {name}, which it dropped" for name in shape.names if is_old(name))
    elif isinstance(shape, Drop) and shape.kind == "SCHEMA" and shape.cascades:
        yield from (f"the rows of schema {name}, which it dropped" for name in shape.names)
    elif isinstance(shape, Truncate):
        yield from (f"the rows of {name}, which it truncated" for name in shape.tables if is_old(name))
    elif isinstance(shape, AlterTable) and is_old(shape.table):
        dropped = [each.name for each in shape.actions if each.kind is ActionKind.DROP_COLUMN]
        own = [name for table, name in columns if table == shape.table.name]
        yield from (f"the values of {shape.table}.{name}, which it dropped" for name in dropped if name not in own)
    elif isinstance(shape, Changes):
        yield from (_changed(each) for each in shape.changes if is_old(each.table) and _loses(each, columns))


def _loses(change: Change, columns: set[tuple[str, str]]) -> bool:
    is_own = change.sets and all((change.table.name, column) in columns for column in change.sets)
    return change.verb is Verb.DELETE or (change.verb is Verb.UPDATE and not is_own)


def _changed(change: Change) -> str:
    if change.verb is Verb.DELETE:
        return f"the rows of {change.table} that it deleted"
    return f"the old values of rows of {change.table} that it changed"
