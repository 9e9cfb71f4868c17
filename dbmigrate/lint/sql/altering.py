"""ALTER TABLE: its sub-commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.lint.sql import columns
from dbmigrate.lint.sql.columns import texts
from dbmigrate.lint.sql.reading import Reader, folded
from dbmigrate.lint.sql.shape import Action, ActionKind, AlterTable, Other

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dbmigrate.lint.sql.shape import Shape

__all__ = ["alter_table"]


def alter_table(reader: Reader) -> Shape:
    """What comes after ``ALTER TABLE``."""
    if reader.peek() == "ALL":
        return Other(("ALTER", "TABLE", "ALL"))
    reader.take_if_exists()
    reader.take("ONLY")
    table = reader.name()
    if table is None:
        return Other(("ALTER", "TABLE"))
    reader.take("*")
    return AlterTable(table, tuple(_actions(reader)))


def _actions(reader: Reader) -> Iterator[Action]:
    for part in reader.parts():
        if not part.is_done:
            at = part.start
            yield _PARSERS.get(part.peek(), _other)(part, at)


def _add(part: Reader, at: int) -> Action:
    part.next()
    if columns.is_constraint(part):
        constraint = columns.constraint(part)
        return Action(ActionKind.ADD_CONSTRAINT, at, constraint=constraint, name=(constraint and constraint.name) or "")
    part.take("COLUMN")
    is_lenient = part.take_if_exists()
    column = columns.column(part)
    if column is None:
        return Action(ActionKind.OTHER, at)
    return Action(ActionKind.ADD_COLUMN, at, column.name, column=column, is_lenient=is_lenient)


def _drop(part: Reader, at: int) -> Action:
    part.next()
    kind = ActionKind.DROP_CONSTRAINT if part.take("CONSTRAINT") else ActionKind.DROP_COLUMN
    part.take("COLUMN")
    is_lenient = part.take_if_exists()
    return Action(kind, at, folded(part.next()), words=texts(part.rest()), is_lenient=is_lenient)


def _alter(part: Reader, at: int) -> Action:
    part.next()
    if part.take("CONSTRAINT"):
        return Action(ActionKind.OTHER, at, folded(part.next()), words=texts(part.rest()))
    part.take("COLUMN")
    name = folded(part.next())
    if part.take("SET", "DATA", "TYPE") or part.take("TYPE"):
        type_ = texts(part.until("USING", "COLLATE"))
        return Action(ActionKind.SET_TYPE, at, name, type=type_, has_using="USING" in texts(part.rest()))
    heads = {
        ("SET", "NOT", "NULL"): ActionKind.SET_NOT_NULL,
        ("DROP", "NOT", "NULL"): ActionKind.DROP_NOT_NULL,
        ("ADD", "GENERATED"): ActionKind.ADD_IDENTITY,
    }
    kind = next((kind for head, kind in heads.items() if part.take(*head)), ActionKind.OTHER)
    return Action(kind, at, name, words=texts(part.rest()))


def _rename(part: Reader, at: int) -> Action:
    part.next()
    if part.take("TO"):
        return Action(ActionKind.RENAME, at, new_name=folded(part.next()))
    kind = ActionKind.OTHER if part.take("CONSTRAINT") else ActionKind.RENAME_COLUMN
    part.take("COLUMN")
    name = folded(part.next())
    part.take("TO")
    return Action(kind, at, name, new_name=folded(part.next()))


def _set(part: Reader, at: int) -> Action:
    part.next()
    if part.take("SCHEMA"):
        return Action(ActionKind.SET_SCHEMA, at, new_name=folded(part.next()))
    words = texts(part.rest())
    if words[:1] in (("LOGGED",), ("UNLOGGED",)) or words[:2] == ("ACCESS", "METHOD"):
        return Action(ActionKind.REWRITE, at, words=("SET", *words))
    kind = ActionKind.MOVE if words[:1] == ("TABLESPACE",) else ActionKind.OTHER
    return Action(kind, at, words=("SET", *words))


def _partition(part: Reader, at: int) -> Action:
    kind = ActionKind.ATTACH if part.next() == "ATTACH" else ActionKind.DETACH
    part.take("PARTITION")
    return Action(kind, at, partition=part.name(), words=texts(part.rest()))


def _validate(part: Reader, at: int) -> Action:
    part.next()
    part.take("CONSTRAINT")
    return Action(ActionKind.VALIDATE, at, folded(part.next()))


def _other(part: Reader, at: int) -> Action:
    return Action(ActionKind.OTHER, at, words=texts(part.rest()))


_PARSERS: dict[str, Callable[[Reader, int], Action]] = {
    "ADD": _add,
    "ALTER": _alter,
    "ATTACH": _partition,
    "DETACH": _partition,
    "DROP": _drop,
    "RENAME": _rename,
    "SET": _set,
    "VALIDATE": _validate,
}
