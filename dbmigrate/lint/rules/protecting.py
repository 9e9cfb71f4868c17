"""L128, L129, L136, L137: what guards rows, or tells them apart, is changed or taken away while code relies on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.lint.context import Found
from dbmigrate.lint.reading import folded
from dbmigrate.lint.shape import ActionKind, AlterTable, ConstraintKind, CreateObject, Drop, Grant, Name, Other, Revoke

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbmigrate.lint.context import File, Unit
    from dbmigrate.lint.shape import Action

_SWITCHES_ON = (("ENABLE", "ROW", "LEVEL", "SECURITY"), ("FORCE", "ROW", "LEVEL", "SECURITY"))
_SWITCHES_OFF = ("DISABLE", "ROW", "LEVEL", "SECURITY")
_TRIGGERS_OFF = (("DISABLE", "TRIGGER"), ("DISABLE", "RULE"))
_REPLICA_ROLE = "SESSION_REPLICATION_ROLE"


def switches_row_security(file: File) -> Iterator[tuple[Unit, Found]]:
    """L128"""
    for unit, table, action in _actions(file):
        if action.words[:4] in _SWITCHES_ON and not file.catalog.has_policy(table):
            what = f"row level security on {table} without a policy hides every row from all but its owner"
            if action.words[0] == "FORCE":
                what = f"forced row level security on {table} without a policy hides every row, also from its owner"
            yield unit, Found(action.at, what, "create the policies in the same transaction, before it")
        elif action.words[:4] == _SWITCHES_OFF:
            message = f"without row level security every role that may read {table} sees all of its rows"
            yield unit, Found(action.at, message, "say in an ignore comment why that is meant")
    for unit, name, on in _drops(file, "POLICY"):
        if on is not None and not _is_made(file, "POLICY", name, on):
            message = f"without the policy {name.name} the roles of {on} see and write other rows than before"
            yield unit, Found(0, message, "create the policy that takes its place in the same transaction")


def takes_rights(file: File) -> Iterator[tuple[Unit, Found]]:
    """L129"""
    for unit in file.ups:
        shape = unit.shape
        if not isinstance(shape, Revoke) or shape.rights == ("CREATE",):
            continue  # to create objects is no right that an application uses
        if shape.on and shape.names and all(_is_own(file, shape.on, name) for name in shape.names):
            continue
        if shape.of == ("public",) and _are_granted(file, shape):
            continue  # to name who may, instead of everybody
        rights = shape.rights if shape.on else map(str.lower, shape.rights)  # or names of roles
        said = [*rights, *(("on", shape.on) if shape.on else ()), ", ".join(map(str, shape.names))]
        what = " ".join(filter(None, said)).replace(" ,", ",")
        message = f"REVOKE {what} from {', '.join(shape.of)}: code that still uses it gets permission denied"
        yield unit, Found(0, message, "release code that does without it first; revoke in a later migration")


def _are_granted(file: File, revoked: Revoke) -> bool:
    """Whether the migration grants something on each of the objects."""
    granted = [set(unit.shape.on.upper().split()) for unit in file.ups if isinstance(unit.shape, Grant)]
    return bool(revoked.names) and all(any(name.name.upper() in on for on in granted) for name in revoked.names)


def _is_own(file: File, kind: str, name: Name) -> bool:
    """Made by this migration, so nobody has used the right."""
    if kind == "table":
        return file.is_new(name)
    return any(made.means(name) for made in file.made.get(name.name, ()))


def switches_triggers_off(file: File) -> Iterator[tuple[Unit, Found]]:
    """L136"""
    for unit, table, action in _actions(file):
        if action.words[:2] in _TRIGGERS_OFF and not _is_enabled_again(file, table, action):
            what = " ".join(map(folded, action.words[1:3]))
            yield unit, Found(action.at, f"{what} on {table} is off, and stays off: {_MISSED}", _ON_AGAIN)
    for unit, name, on in _drops(file, "TRIGGER"):
        if on is not None and not _is_made(file, "TRIGGER", name, on) and not _loses_column(file, on):
            yield unit, Found(0, f"without the trigger {name.name} on {on} {_MISSED}", _STOPPED)
    for unit in file.ups:
        words = unit.shape.words if isinstance(unit.shape, Other) else ()
        is_off = words[:1] == ("SET",) and _REPLICA_ROLE in words[1:3]
        if is_off and not {"'replica'", "REPLICA"}.isdisjoint(words):
            message = "no trigger runs in this session, nor any check of a foreign key"
            yield unit, Found(0, message, "disable the one trigger that is in the way, and enable it again")


_MISSED = "what it checks, copies or records is missed from now on"
_ON_AGAIN = "enable it again in the same transaction"
_STOPPED = "say in an ignore comment what does its work now"


def _is_enabled_again(file: File, table: Name, action: Action) -> bool:
    wanted = ("ENABLE", *action.words[1:3])
    return any(other.means(table) and each.words[:3] == wanted for _, other, each in _actions(file))


def _loses_column(file: File, table: Name) -> bool:
    """The trigger has kept a column up to date that goes with it: L121 is about that."""
    return any(other.means(table) and each.kind is ActionKind.DROP_COLUMN for _, other, each in _actions(file))


def drops_key(file: File) -> Iterator[tuple[Unit, Found]]:
    """L137"""
    for unit, table, action in _actions(file):
        if action.words[:3] == ("REPLICA", "IDENTITY", "NOTHING"):
            message = f"without a replica identity UPDATE and DELETE of {table} fail where it is published"
            yield unit, Found(action.at, message, "REPLICA IDENTITY DEFAULT is the primary key; FULL is the whole row")
        elif action.kind is ActionKind.DROP_CONSTRAINT and _takes_primary(file, table, action.name):
            message = f"DROP CONSTRAINT {action.name} takes the primary key of {table}: {_KEY}"
            yield unit, Found(action.at, message, _SWAP)
    for unit, name, _ in _drops(file, "INDEX"):
        owner = file.catalog.identity_of(name)
        if owner is not None:
            message = f"the index {name} is the replica identity of {owner}: its published changes fail"
            yield unit, Found(name.at, message, "choose another one before: ALTER TABLE .. REPLICA IDENTITY")


_KEY = "rows can become duplicates, and ON CONFLICT and logical replication fail"
_SWAP = "put another key in its place in the same statement: ADD PRIMARY KEY USING INDEX"


def _takes_primary(file: File, table: Name, constraint: str) -> bool:
    """Whether the constraint was a primary key, and the migration makes no other one."""
    if not file.catalog.was_primary(table, constraint):
        return False
    added = [action.constraint for _, other, action in _actions(file) if other.means(table) and action.constraint]
    return all(each.kind is not ConstraintKind.PRIMARY for each in added)


# ------------------------------------------------------------------------------------------------- what the file holds


def _actions(file: File) -> Iterator[tuple[Unit, Name, Action]]:
    """The sub-commands of ALTER TABLE for tables that others may be using."""
    for unit in file.ups:
        if isinstance(unit.shape, AlterTable) and not file.is_new(unit.shape.table):
            for action in unit.shape.actions:
                yield unit, unit.shape.table, action


def _drops(file: File, kind: str) -> Iterator[tuple[Unit, Name, Name | None]]:
    """What is dropped of a kind, with its table, which stays and which others may be using."""
    dropped = [(unit, unit.shape) for unit in file.ups if isinstance(unit.shape, Drop)]
    gone = [name for _, shape in dropped if shape.kind == "TABLE" for name in shape.names]
    for unit, shape in dropped:
        table = shape.on
        is_used = table is None or not (file.is_new(table) or any(table.means(name) for name in gone))
        if shape.kind == kind and is_used:
            yield from ((unit, name, table) for name in shape.names)


def _is_made(file: File, kind: str, name: Name, table: Name) -> bool:
    """Made anew in the same migration."""
    made = [unit.shape for unit in file.ups if isinstance(unit.shape, CreateObject) and unit.shape.kind == kind]
    return any(each.on and each.on.means(table) and each.name and each.name.name == name.name for each in made)
