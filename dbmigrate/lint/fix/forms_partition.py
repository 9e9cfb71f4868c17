"""Partitions: attached with a CHECK that spares the server its look at the rows, detached CONCURRENTLY."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.lint.fix.actions import name_at
from dbmigrate.lint.fix.values import Refusal, Rewrite, Sql, Step
from dbmigrate.lint.fix.writing import quoted
from dbmigrate.lint.sql.shape import Action, ActionKind, AlterTable

if TYPE_CHECKING:
    from dbmigrate.lint.fix.facts import Facts, Relation
    from dbmigrate.lint.fix.values import Target

__all__ = ["attached", "detached"]

_ATTACHED, _DETACHED = frozenset(("L181",)), frozenset(("L182",))
_CONCURRENT_DETACH = 14  # PostgreSQL's version from which DETACH PARTITION knows CONCURRENTLY


def attached(target: Target) -> Rewrite | Refusal | None:
    """ATTACH PARTITION: the server reads the new partition, unless a valid CHECK proves its bounds."""
    found = _only(target, ActionKind.ATTACH)
    if found is None or "L181" not in target.codes:
        return None
    parent, child = _both(target, found)
    after = target.after.relation(found.partition) if found.partition else None
    after_parent = target.after.relation(target.shape.table) if isinstance(target.shape, AlterTable) else None
    if parent is None or child is None or after is None or after_parent is None or found.partition is None:
        return None
    reason = _cannot_attach(target.after, target.before, parent, after)
    if reason:
        return Refusal(reason)
    if not after.bounds or "satisfies_hash_partition" in after.bounds:
        return Refusal("its bounds cannot be written as a CHECK")
    write, name = target.write, name_at(target.piece.sql, found.partition.at)
    check = quoted(write.free_name(child.name, suffix="bounds"))
    alter = write("alter table")
    condition = f"{write('add constraint')} {check} {write('check')} {after.bounds} {write('not valid')}"
    own = target.piece.sql if target.piece.is_closed else f"{target.piece.sql};"
    steps = [
        *_indexes(target, after_parent, after, name),
        Step((Sql(f"{alter} {name} {condition};"),)),
        Step((Sql(f"{alter} {name} {write('validate constraint')} {check};"),)),
        Step((Sql(own), Sql(f"{alter} {name} {write('drop constraint')} {check};")), is_block=True),
    ]
    return Rewrite(tuple(steps), _ATTACHED, main=len(steps) - 1)


def _indexes(target: Target, parent: Relation, child: Relation, name: str) -> list[Step]:
    """The indexes of the parent that the partition does not have yet: ATTACH would build them under its lock."""
    steps = []
    for index in target.after.indexes_of(parent):
        part = target.after.index_of_leaf(index, child)
        if part is not None and not target.before.has_index(part) and not part.is_of_constraint:
            definition = part.definition
            rest = definition[definition.index(" USING ") :]
            head = target.write("create unique index concurrently" if part.is_unique else "create index concurrently")
            steps.append(Step((Sql(f"{head} {quoted(part.name)} {target.write('on')} {name}{rest};"),)))
    return steps


def _cannot_attach(after: Facts, before: Facts, parent: Relation, child: Relation) -> str:
    defaults = [each for each in before.relations.values() if each.parent == parent.oid and each.is_default]
    if defaults:
        return (
            f"the DEFAULT partition {defaults[0].name} is read under the lock, unless a CHECK excludes the new bounds"
        )
    own = [each for each in after.constraints if each.table == child.oid]
    new = [each for each in own if not before.has_constraint(each, after)]
    if any(each.kind in ("f", "p", "u", "x") for each in new):
        return (
            f"ATTACH makes constraints of {parent.name} on {child.name} and checks them under its lock: add them to"
            " the partition first"
        )
    return ""


def detached(target: Target) -> Rewrite | Refusal | None:
    """DETACH PARTITION CONCURRENTLY leaves a CHECK behind that the plain form does not: it is dropped."""
    found = _only(target, ActionKind.DETACH)
    if found is None or "L182" not in target.codes or found.partition is None:
        return None
    parent, child = _both(target, found)
    if parent is None or child is None:
        return None
    if target.server < _CONCURRENT_DETACH:
        return Refusal(
            f"DETACH PARTITION CONCURRENTLY needs PostgreSQL {_CONCURRENT_DETACH}, and the migrations have to work on"
            f" {target.server}",
            "set pg-version in [tool.dbmigrate.lint] if all servers are newer",
        )
    if any(each.parent == parent.oid and each.is_default for each in target.before.relations.values()):
        return Refusal("a table with a DEFAULT partition cannot detach one CONCURRENTLY")
    write, sql = target.write, target.piece.sql
    own = f"{sql.rstrip().removesuffix(';').rstrip()} {write('concurrently')};"
    steps = [Step((Sql(own),))]
    left = _left_check(target.before, parent, child)
    if left:
        name = name_at(sql, found.partition.at)
        steps.append(Step((Sql(f"{write('alter table')} {name} {write('drop constraint')} {quoted(left)};"),)))
    return Rewrite(tuple(steps), _DETACHED)


def _left_check(before: Facts, parent: Relation, child: Relation) -> str:
    """The CHECK that it leaves behind, named as any CHECK without a name; the proof finds it wrong where it is."""
    column = parent.keys[0] if len(parent.keys) == 1 else ""
    base = "_".join(part for part in (child.name, column, "check") if part)
    taken = {each.name for each in before.constraints if each.table == child.oid}
    return next(name for name in (base, *(f"{base}{number}" for number in range(1, 100))) if name not in taken)


def _only(target: Target, kind: ActionKind) -> Action | None:
    shape = target.shape
    if isinstance(shape, AlterTable) and len(shape.actions) == 1 and shape.actions[0].kind is kind:
        return None if shape.actions[0].is_concurrent else shape.actions[0]
    return None


def _both(target: Target, action: Action) -> tuple[Relation | None, Relation | None]:
    assert isinstance(target.shape, AlterTable)
    child = target.before.relation(action.partition) if action.partition else None
    return target.before.relation(target.shape.table), child
