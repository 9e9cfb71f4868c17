"""L128, L129, L136, L137: policies, rights, triggers and keys are removed while code relies on them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dbmigrate.lint.context import Finding
from dbmigrate.lint.rule import file_rule
from dbmigrate.lint.sql.reading import folded, spelled
from dbmigrate.lint.sql.shape import (
    ActionKind,
    AlterTable,
    ConstraintKind,
    CreateObject,
    Drop,
    Grant,
    Name,
    Other,
    Revoke,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbmigrate.lint.context import File, Unit
    from dbmigrate.lint.sql.shape import Action

_SWITCHES_ON = (("ENABLE", "ROW", "LEVEL", "SECURITY"), ("FORCE", "ROW", "LEVEL", "SECURITY"))
_SWITCHES_OFF = ("DISABLE", "ROW", "LEVEL", "SECURITY")
_TRIGGERS_OFF = (("DISABLE", "TRIGGER"), ("DISABLE", "RULE"))
_REPLICA_ROLE = "SESSION_REPLICATION_ROLE"
_COLUMNS = re.compile(r"\([^)]*\)")


@file_rule("L128", "row-security", "row level security is switched, or a policy dropped")
def switches_row_security(file: File) -> Iterator[Finding]:
    """A file rule, because a policy may be created after it, or dropped and created again."""
    changes = _Changes(file)
    for unit, table, action in changes.actions:
        if action.words[:4] in _SWITCHES_ON and not file.catalog.has_policy(table):
            what = f"row level security on {table} without a policy hides every row from all but its owner"
            if action.words[0] == "FORCE":
                what = f"forced row level security on {table} without a policy hides every row, also from its owner"
            yield Finding(action.at, what, "create the policies in the same transaction, before it", unit)
        elif action.words[:4] == _SWITCHES_OFF:
            message = f"without row level security every role that may read {table} sees all its rows"
            yield Finding(action.at, message, "if you mean it, say why in an ignore comment", unit)
    for unit, name, on in changes.drops("POLICY"):
        if on is not None and not changes.creates("POLICY", name, on):
            message = f"without the policy {name.name} its roles see and write other rows of {on} than before"
            yield Finding(0, message, "create its replacement in the same transaction", unit)


@file_rule("L129", "revoke", "rights are taken away")
def takes_rights(file: File) -> Iterator[Finding]:
    """A file rule, because a GRANT may come before or after it."""
    changes = _Changes(file)
    for unit in file.ups:
        shape = unit.shape
        if not isinstance(shape, Revoke) or shape.rights == ("CREATE",):
            continue  # an application does not use the right to create objects
        if shape.on and shape.names and all(_is_own(file, shape.on, name) for name in shape.names):
            continue
        if shape.of == ("public",) and _are_granted(changes, shape):
            continue  # the right moves from everybody to some roles
        on = ("on", shape.on) if shape.on else ()
        what = " ".join(filter(None, [_written(shape), *on, ", ".join(map(str, shape.names))]))
        message = f"REVOKE {what} from {', '.join(shape.of)}: code that still uses it gets permission denied"
        yield Finding(0, message, "first release code that does not use it; revoke in a later migration", unit)


def _written(revoked: Revoke) -> str:
    """The rights, with their columns, or the roles: ``SELECT (id), DELETE``; ``admin, reporting``."""
    text = spelled(revoked.rights)
    return _COLUMNS.sub(lambda found: f" {found[0].lower()}", text) if revoked.on else text.lower()


def _are_granted(changes: _Changes, revoked: Revoke) -> bool:
    """Whether the migration grants something on each of the objects."""
    return bool(revoked.names) and all(name.name.upper() in changes.granted for name in revoked.names)


def _is_own(file: File, kind: str, name: Name) -> bool:
    """Whether this migration creates it, so that nobody has used the right."""
    if kind == "table":
        return file.is_new(name)
    return any(created.means(name) for created in file.created.get(name.name, ()))


@file_rule("L136", "trigger-off", "a trigger is dropped or disabled")
def switches_triggers_off(file: File) -> Iterator[Finding]:
    """A file rule, because a later statement may enable or create the trigger again."""
    changes = _Changes(file)
    for unit, table, action in changes.actions:
        if action.words[:2] in _TRIGGERS_OFF and not _is_enabled_again(changes, table, action):
            what = " ".join(map(folded, action.words[1:3]))
            yield Finding(action.at, f"{what} on {table} stays disabled: {_MISSED}", _ON_AGAIN, unit)
    for unit, name, on in changes.drops("TRIGGER"):
        if on is not None and not changes.creates("TRIGGER", name, on) and not _loses_column(changes, on):
            yield Finding(0, f"without the trigger {name.name} on {on}: {_MISSED}", _STOPPED, unit)
    for unit in file.ups:
        words = unit.shape.words if isinstance(unit.shape, Other) else ()
        is_off = words[:1] == ("SET",) and _REPLICA_ROLE in words[1:3]
        if is_off and not {"'replica'", "REPLICA"}.isdisjoint(words):
            message = "no trigger fires in this session, and foreign keys are not checked"
            yield Finding(0, message, "disable only the trigger that is in the way, and enable it again", unit)


_MISSED = "what it checks, copies or records is skipped from now on"
_ON_AGAIN = "enable it again in the same transaction"
_STOPPED = "say in an ignore comment what replaces it"


def _is_enabled_again(changes: _Changes, table: Name, action: Action) -> bool:
    wanted = ("ENABLE", *action.words[1:3])
    return any(each.words[:3] == wanted for each in changes.of_table(table))


def _loses_column(changes: _Changes, table: Name) -> bool:
    """Whether a column is dropped with the trigger that maintains it: L121 reports that."""
    return any(each.kind is ActionKind.DROP_COLUMN for each in changes.of_table(table))


@file_rule("L137", "key-dropped", "a primary key or replica identity is dropped")
def drops_key(file: File) -> Iterator[Finding]:
    """A file rule, because a later statement may add another key."""
    changes = _Changes(file)
    for unit, table, action in changes.actions:
        if action.words[:3] == ("REPLICA", "IDENTITY", "NOTHING"):
            message = f"without a replica identity UPDATE and DELETE of {table} fail where it is published"
            yield Finding(
                action.at, message, "REPLICA IDENTITY DEFAULT is the primary key; FULL is the whole row", unit
            )
        elif action.kind is ActionKind.DROP_CONSTRAINT and _drops_primary(changes, table, action.name):
            lost = _KEY if _has_identity(changes, table) else f"{_KEY}, and UPDATE and DELETE, where it is published"
            message = f"DROP CONSTRAINT {action.name} drops the primary key of {table}: {lost}"
            yield Finding(action.at, message, _SWAP, unit)
    for unit, name, _ in changes.drops("INDEX"):
        owner = file.catalog.identity_of(name)
        if owner is not None:
            message = f"the index {name} is the replica identity of {owner}: its published changes fail"
            yield Finding(name.at, message, "first choose another one: ALTER TABLE .. REPLICA IDENTITY", unit)


_KEY = "duplicate rows become possible, ON CONFLICT fails"
_SWAP = (
    "add the new key in the same statement: ADD PRIMARY KEY USING INDEX; without one, on a published table, first"
    " ALTER TABLE .. REPLICA IDENTITY USING INDEX"
)


def _has_identity(changes: _Changes, table: Name) -> bool:
    """Whether an index or the whole row stands in the place of the key where the table is published."""
    known = changes.file.catalog.table(table)
    own = any(
        each.words[:2] == ("REPLICA", "IDENTITY") and {"INDEX", "FULL"} & set(each.words)
        for each in changes.of_table(table)
    )
    return own or (known is not None and known.identity is not None)


def _drops_primary(changes: _Changes, table: Name, constraint: str) -> bool:
    """Whether the constraint was a primary key, and the migration does not add another one."""
    if not changes.file.catalog.was_primary(table, constraint):
        return False
    added = [action.constraint for action in changes.of_table(table) if action.constraint]
    return all(each.kind is not ConstraintKind.PRIMARY for each in added)


# ------------------------------------------------------------------------------------------------- what the file holds


class _Changes:
    """What a migration does to tables in use, gathered once: a file may hold thousands of statements."""

    def __init__(self, file: File) -> None:
        self.file = file
        self.actions: list[tuple[Unit, Name, Action]] = []
        self.dropped: list[tuple[Unit, Drop]] = []
        self.granted: set[str] = set()  # words of the objects that rights are granted on
        self._by_table: dict[str, list[tuple[Name, Action]]] = {}
        self._created: dict[tuple[str, str], list[Name]] = {}
        self._gone: dict[str, list[Name]] = {}
        for unit in file.ups:
            self._add(unit)

    def _add(self, unit: Unit) -> None:
        match unit.shape:
            case AlterTable(table=table, actions=actions) if not self.file.is_new(table):
                self.actions += [(unit, table, action) for action in actions]
                self._by_table.setdefault(table.name, []).extend((table, action) for action in actions)
            case CreateObject(kind=kind, name=Name(name=name), on=Name() as on):
                self._created.setdefault((kind, name), []).append(on)
            case Grant(on=on_words):
                self.granted.update(on_words.upper().split())
            case Drop() as drop:
                self.dropped.append((unit, drop))
                for gone in drop.names if drop.kind == "TABLE" else ():
                    self._gone.setdefault(gone.name, []).append(gone)
            case _:
                pass

    def of_table(self, table: Name) -> Iterator[Action]:
        """The sub-commands of ALTER TABLE for a table."""
        return (action for name, action in self._by_table.get(table.name, ()) if name.means(table))

    def creates(self, kind: str, name: Name, table: Name) -> bool:
        """Whether it creates a trigger or policy of this name."""
        return any(on.means(table) for on in self._created.get((kind, name.name), ()))

    def drops(self, kind: str) -> Iterator[tuple[Unit, Name, Name | None]]:
        """What is dropped of a kind, with its table, if that is in use and is not dropped too."""
        for unit, shape in self.dropped:
            on = shape.on
            is_gone = on is not None and any(on.means(name) for name in self._gone.get(on.name, ()))
            if shape.kind == kind and not is_gone and not (on is not None and self.file.is_new(on)):
                yield from ((unit, name, on) for name in shape.names)
