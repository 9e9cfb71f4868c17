"""L148: a repeatable migration has to be able to run twice: it runs again when it changed, and once after dbmate."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from dbmigrate.lint.context import Finding
from dbmigrate.lint.rule import file_rule
from dbmigrate.lint.sql.shape import (
    ActionKind,
    AddEnumValue,
    AlterTable,
    Changes,
    Copy,
    Drop,
    Truncate,
    Verb,
)
from dbmigrate.sql import words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dbmigrate.lint.context import File, Unit
    from dbmigrate.lint.sql.shape import Name

REPEATABLE = "L148"

_HEAD_WORDS = 12
_TEMPORARY = frozenset(("TEMP", "TEMPORARY"))


@file_rule(REPEATABLE, "runs-only-once", "a repeatable migration that cannot run twice")
def runs_only_once(file: File) -> Iterator[Finding]:
    if not file.migration.file.is_repeatable:
        return
    dropped: set[str] = set()
    for unit in file.ups:
        found = None if unit.is_nested else _once(unit, dropped)
        dropped |= {name.name.lower() for name in _removed(unit)}
        if found is not None:
            what, hint = found
            yield Finding(0, f"{what} fails or changes something the second time: this file runs again", hint, unit)


def _removed(unit: Unit) -> Iterable[Name]:
    """What the statement drops or empties."""
    shape = unit.shape
    if isinstance(shape, Drop):
        return shape.names
    if isinstance(shape, Truncate):
        return shape.tables
    if isinstance(shape, Changes):
        return [each.table for each in shape.changes if each.verb is Verb.DELETE]
    return ()


def _once(unit: Unit, dropped: set[str]) -> tuple[str, str] | None:
    """What cannot run twice, and what to write instead. DO blocks are believed: they can look first."""
    shape = unit.shape
    if isinstance(shape, Drop):
        return None if shape.is_lenient else (f"DROP {shape.kind}", "write DROP ... IF EXISTS")
    if isinstance(shape, AlterTable):
        return _altered(shape)
    if isinstance(shape, AddEnumValue):
        return None if shape.is_lenient else ("ALTER TYPE ... ADD VALUE", "write ADD VALUE IF NOT EXISTS")
    return _created(unit, dropped) or _inserted(unit, dropped)


def _altered(shape: AlterTable) -> tuple[str, str] | None:
    gone = {action.name for action in shape.actions if action.kind is ActionKind.DROP_CONSTRAINT and action.is_lenient}
    for action in shape.actions:
        is_new = action.kind in (ActionKind.ADD_COLUMN, ActionKind.DROP_COLUMN, ActionKind.DROP_CONSTRAINT)
        if is_new and not action.is_lenient:
            return "ALTER TABLE", "write IF NOT EXISTS or IF EXISTS, or move it to a versioned migration"
        added = action.constraint if action.kind is ActionKind.ADD_CONSTRAINT else None
        if added is not None and added.name not in gone:
            return "ALTER TABLE ... ADD CONSTRAINT", "move it to a versioned migration, or drop it IF EXISTS before"
        if action.kind in (ActionKind.RENAME_COLUMN, ActionKind.RENAME):
            return "ALTER TABLE ... RENAME", "move it to a versioned migration"
    return None


def _created(unit: Unit, dropped: set[str]) -> tuple[str, str] | None:
    head = list(islice(words(unit.sql), _HEAD_WORDS))
    if head[:1] != ["CREATE"] or head[1:3] == ["OR", "REPLACE"] or "EXISTS" in head or _TEMPORARY & set(head[:4]):
        return None
    if dropped & {word.strip('"').lower() for word in head}:
        return None
    return " ".join(head[:2]), "write CREATE OR REPLACE, IF NOT EXISTS, or DROP ... IF EXISTS before it"


def _inserted(unit: Unit, emptied: set[str]) -> tuple[str, str] | None:
    """Rows that would be there twice."""
    shape = unit.shape
    tables = [each.table for each in shape.changes if each.verb is Verb.INSERT] if isinstance(shape, Changes) else []
    tables += [shape.table] if isinstance(shape, Copy) else []
    if all(table.name.lower() in emptied for table in tables) or {"CONFLICT", "EXISTS"} & set(words(unit.sql)):
        return None
    return "INSERT" if isinstance(shape, Changes) else "COPY", "write ON CONFLICT, or delete the rows before"
