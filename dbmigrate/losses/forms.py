"""The statements that destroy data, by their text. Pure.

A statement in a DO block or in a function cannot be seen.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen
from dbmigrate.lint.sql.grammar import shape_of
from dbmigrate.lint.sql.shape import ActionKind, AlterTable, Changes, Drop, Name, Truncate, Verb
from dbmigrate.lint.sql.types import Cost, change_cost, written
from dbmigrate.losses import may_destroy
from dbmigrate.model import Direction
from dbmigrate.sql.statements import first_word

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbmigrate.lint.sql.shape import Action, Shape, Words

__all__ = ["Destruction", "Kind", "destructions", "is_hidden", "narrows"]

_INTEGERS = ("smallint", "integer", "bigint", "numeric")
_WIDER = {
    **{name: _INTEGERS[number + 1 :] for number, name in enumerate(_INTEGERS)},
    "real": ("double precision",),
    "date": ("timestamp without time zone", "timestamp with time zone"),
}


class Kind(StrEnum):
    """What destroys data. The value is the word for JSON."""

    DROP_TABLE = "drop_table"
    DROP_SCHEMA = "drop_schema"
    DROP_COLUMN = "drop_column"
    TRUNCATE = "truncate"
    DELETE = "delete"
    UPDATE = "update"
    SET_TYPE = "set_type"

    @property
    def can_be_saved(self) -> bool:
        return self in (Kind.DROP_TABLE, Kind.DROP_COLUMN, Kind.TRUNCATE)


@frozen
class Destruction:
    """One table or column that a statement destroys, or may. `at` is an offset in the statement's text.

    `names` are those of the table as the server reads them, the schema first if it is given. `new_type` is the type
    that a column gets. `has_using`: an expression makes the new values.
    """

    kind: Kind
    names: tuple[str, ...]
    column: str = ""
    at: int = 0
    cascades: bool = False
    new_type: str = ""
    has_using: bool = False

    @property
    def sql_name(self) -> str:
        """The table as an SQL identifier."""
        return ".".join('"' + name.replace('"', '""') + '"' for name in self.names)


def is_hidden(sql: str) -> bool:
    """Whether the statement runs others that cannot be seen: DO, CALL."""
    return first_word(sql) in ("DO", "CALL")


def destructions(sql: str, direction: Direction) -> tuple[Destruction, ...]:
    """What the statement destroys. An UPDATE of every row counts in a down section only: in an up it fills a column."""
    return tuple(_found(shape_of(sql), direction)) if may_destroy(sql) else ()


def _found(shape: Shape, direction: Direction) -> Iterator[Destruction]:
    if isinstance(shape, Drop):
        yield from _of_drop(shape)
    elif isinstance(shape, Truncate):
        for name in shape.tables:
            yield Destruction(Kind.TRUNCATE, _names(name), at=name.at, cascades=shape.cascades)
    elif isinstance(shape, AlterTable):
        for action in shape.actions:
            yield from _of_action(shape.table, action)
    elif isinstance(shape, Changes):
        for change in shape.changes:
            if change.is_whole and change.limit_at is None and _loses(change.verb, direction):
                yield Destruction(Kind(change.verb.value.lower()), _names(change.table), at=change.at)


def _loses(verb: Verb, direction: Direction) -> bool:
    return verb is Verb.DELETE or (verb is Verb.UPDATE and direction is Direction.DOWN)


def _of_drop(drop: Drop) -> Iterator[Destruction]:
    if drop.kind == "TABLE" or (drop.kind == "SCHEMA" and drop.cascades):
        kind = Kind.DROP_TABLE if drop.kind == "TABLE" else Kind.DROP_SCHEMA
        for name in drop.names:
            yield Destruction(kind, _names(name), at=name.at, cascades=drop.cascades)


def _of_action(table: Name, action: Action) -> Iterator[Destruction]:
    if action.kind is ActionKind.DROP_COLUMN:
        yield Destruction(Kind.DROP_COLUMN, _names(table), action.name, action.at, "CASCADE" in action.words)
    elif action.kind is ActionKind.SET_TYPE:
        yield Destruction(
            Kind.SET_TYPE,
            _names(table),
            action.name,
            action.at,
            new_type=written(action.type),
            has_using=action.has_using,
        )


def _names(name: Name) -> tuple[str, ...]:
    return (name.schema, name.name) if name.schema else (name.name,)


def narrows(old: str, new: str, *, has_using: bool) -> bool:
    """Whether values of the type `old` may not all be kept by `new`, both as format_type() or people write them.

    With USING any change may lose values: only the same type, or a wider one, does not.
    """
    before, after = _words(old), _words(new)
    if change_cost(before, after) is Cost.NONE:
        return has_using and before != after and not _is_text(new)
    name, wider = _plain(old), _plain(new)
    return not (_is_text(new) or (wider in _WIDER.get(name, ()) and "(" not in new))


def _is_text(type_: str) -> bool:
    return _plain(type_) in ("text", "character varying") and "(" not in type_


_ALIASES = {
    "int": "integer",
    "int4": "integer",
    "int2": "smallint",
    "int8": "bigint",
    "decimal": "numeric",
    "float4": "real",
    "float8": "double precision",
    "varchar": "character varying",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
}


def _plain(type_: str) -> str:
    """The type's one name, without its limits."""
    bare = re.sub(r"\s*\([^)]*\)", "", type_.lower().removeprefix("pg_catalog.")).strip()
    return _ALIASES.get(bare, bare)


def _words(type_: str) -> Words:
    return tuple(word if word.startswith('"') else word.upper() for word in re.findall(r'"[^"]*"|\w+|[^\s\w]', type_))
