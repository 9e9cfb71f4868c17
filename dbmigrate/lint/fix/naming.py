"""The names that the server gave to what the file leaves unnamed: found in the scratch database, in order.

A file that makes three unnamed foreign keys of a table has made three new ones there, in the same order. Where the
numbers differ (one was dropped or renamed again), no name is given: a wrong one would be worse than none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.lint.sql.shape import ActionKind, AlterTable, ConstraintKind, CreateIndex

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dbmigrate.lint.fix.facts import Facts
    from dbmigrate.lint.sql.shape import Constraint, Name, Shape

__all__ = ["KINDS", "given"]

KINDS = {
    ConstraintKind.CHECK: "c",
    ConstraintKind.UNIQUE: "u",
    ConstraintKind.PRIMARY: "p",
    ConstraintKind.EXCLUDE: "x",
    ConstraintKind.FOREIGN: "f",
    ConstraintKind.NOT_NULL: "n",
}
_INDEX = "index"


def given(statements: Iterable[tuple[int, Shape]], before: Facts, after: Facts) -> dict[tuple[int, int], str]:
    """By a statement's place and the offset of the action in it: the name of what it makes."""
    wanted: dict[tuple[int, str], list[tuple[int, int]]] = {}
    named: set[str] = set()
    for at, shape in statements:
        for table, kind, name, offset in _made(shape):
            relation = after.relation(table)
            if name is not None:
                named.add(name)
            elif relation is not None:
                wanted.setdefault((relation.oid, kind), []).append((at, offset))
    found: dict[tuple[int, int], str] = {}
    for (oid, kind), places in wanted.items():
        names = [name for name in _new(oid, kind, before, after) if name not in named]
        if len(names) == len(places):
            found |= dict(zip(places, names, strict=True))
    return found


def _made(shape: Shape) -> Iterator[tuple[Name, str, str | None, int]]:
    """The table, the kind, the name that the file gives, and the offset of what a statement makes."""
    if isinstance(shape, CreateIndex):
        yield shape.table, _INDEX, shape.name, 0
    elif isinstance(shape, AlterTable):
        for action in shape.actions:
            if action.kind is ActionKind.ADD_CONSTRAINT and action.constraint:
                yield shape.table, KINDS[action.constraint.kind], action.constraint.name, action.at
            elif action.column is not None:
                for each in _of_column(action.column.constraints):
                    yield shape.table, KINDS[each.kind], each.name, -each.at
            elif action.kind is ActionKind.SET_NOT_NULL:  # a constraint with a name since PostgreSQL 18
                yield shape.table, "n", None, action.at


def _of_column(constraints: Iterable[Constraint]) -> Iterator[Constraint]:
    return (each for each in constraints if each.kind in KINDS)


def _new(oid: int, kind: str, before: Facts, after: Facts) -> list[str]:
    table = after.relations[oid]
    if kind == _INDEX:
        indexes = [each for each in after.indexes_of(table) if not before.has_index(each) and not each.is_of_constraint]
        return [each.name for each in indexes]
    found = [each for each in after.constraints_of(table, kind) if not before.has_constraint(each, after)]
    return [each.name for each in found if not each.is_copied]
