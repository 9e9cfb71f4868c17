"""Definitions of columns and constraints, as CREATE TABLE and ALTER TABLE have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.lint.sql.reading import Reader, folded
from dbmigrate.lint.sql.shape import Column, Constraint, ConstraintKind, Generated, Words

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dbmigrate.sql import Word

__all__ = ["column", "constraint", "is_constraint", "names_in"]

_CONSTRAINTS = {
    ("CHECK",): ConstraintKind.CHECK,
    ("UNIQUE",): ConstraintKind.UNIQUE,
    ("PRIMARY", "KEY"): ConstraintKind.PRIMARY,
    ("EXCLUDE",): ConstraintKind.EXCLUDE,
    ("FOREIGN", "KEY"): ConstraintKind.FOREIGN,
    ("NOT", "NULL"): ConstraintKind.NOT_NULL,
}
# what ends a column's type, or an expression that stands without parentheses
_CLAUSES = (
    "CONSTRAINT",
    "NOT",
    "NULL",
    "CHECK",
    "DEFAULT",
    "GENERATED",
    "UNIQUE",
    "PRIMARY",
    "REFERENCES",
    "COLLATE",
    "STORAGE",
    "COMPRESSION",
    "DEFERRABLE",
    "INITIALLY",
    "OPTIONS",
)


def texts(words: Iterable[Word]) -> Words:
    return tuple(word.text for word in words)


def names_in(words: Iterable[Word]) -> tuple[str, ...]:
    """The names in a list of columns; of each part the first word."""
    return tuple(folded(part.peek()) for part in Reader(words).parts() if not part.is_done)


def is_constraint(reader: Reader) -> bool:
    """Whether a table constraint comes next, and not a column."""
    if reader.peek() == "CONSTRAINT":
        return True
    return any(all(reader.peek(ahead) == text for ahead, text in enumerate(head)) for head in _CONSTRAINTS)


def constraint(reader: Reader) -> Constraint | None:
    """A table constraint; all words of `reader` are its own."""
    at = reader.start
    name = folded(reader.next()) if reader.take("CONSTRAINT") else None
    kind = next((kind for head, kind in _CONSTRAINTS.items() if reader.take(*head)), None)
    if kind is None:
        return None
    reader.take("NULLS", "NOT", "DISTINCT") or reader.take("NULLS", "DISTINCT")
    using_index = folded(reader.next()) if reader.take("USING", "INDEX") else None
    condition: Words = ()
    columns: tuple[str, ...] = ()
    if kind is ConstraintKind.CHECK:
        condition = texts(reader.group())
    elif kind is ConstraintKind.NOT_NULL:
        columns = (folded(reader.next()),)
    else:
        columns = names_in(reader.group())
    references = reader.name() if reader.take("REFERENCES") else None
    rest = texts(reader.rest())
    not_valid = any(rest[at : at + 2] == ("NOT", "VALID") for at in range(len(rest)))
    return Constraint(kind, at, name, columns, references, condition, not_valid, using_index)


def column(reader: Reader) -> Column | None:
    """A column definition; all words of `reader` are its own."""
    at = reader.start
    named = reader.name()
    if named is None:
        return None
    reader.take("WITH", "OPTIONS")  # the column of a typed table or of a partition, which has its type from there
    type_ = texts(reader.until(*_CLAUSES))
    default: Words | None = None
    generated = Generated.NO
    constraints: list[Constraint] = []
    while not reader.is_done:
        if reader.take("DEFAULT"):
            default = _default(reader)
        elif reader.take("GENERATED"):
            generated = _generated(reader)
        elif (found := _column_constraint(reader, named.name)) is not None:
            constraints.append(found)
        else:
            reader.next()
    return Column(named.name, at, type_, default, generated, tuple(constraints))


def _default(reader: Reader) -> Words | None:
    first = reader.next()
    if first == "(":
        depth, found = 1, [first]
        while depth and not reader.is_done:
            found.append(reader.next())
            depth += (found[-1] == "(") - (found[-1] == ")")
    else:
        found = [first]
    found += texts(reader.until(*_CLAUSES))
    return None if found[0] == "NULL" else tuple(found)


def _generated(reader: Reader) -> Generated:
    reader.take("ALWAYS") or reader.take("BY", "DEFAULT")
    reader.take("AS")
    if reader.take("IDENTITY"):
        reader.group()
        return Generated.IDENTITY
    reader.group()
    return Generated.STORED if reader.take("STORED") else Generated.VIRTUAL


def _column_constraint(reader: Reader, name: str) -> Constraint | None:
    at = reader.start
    constraint_name = folded(reader.next()) if reader.take("CONSTRAINT") else None
    if reader.take("REFERENCES"):
        parent = reader.name()
        reader.group()
        _skip_reference_actions(reader)
        return Constraint(ConstraintKind.FOREIGN, at, constraint_name, (name,), parent)
    for head in (("CHECK",), ("UNIQUE",), ("PRIMARY", "KEY"), ("NOT", "NULL")):
        if reader.take(*head):
            condition = texts(reader.group()) if head == ("CHECK",) else ()
            return Constraint(_CONSTRAINTS[head], at, constraint_name, (name,), condition=condition)
    return None


def _skip_reference_actions(reader: Reader) -> None:
    """``MATCH FULL ON DELETE SET NULL (column) ON UPDATE ..``, whose NULL and DEFAULT do not belong to the column."""
    while True:
        if reader.take("MATCH"):
            reader.next()
        elif reader.take("ON"):
            reader.next()
            if reader.take("SET"):
                reader.next()
                reader.group()
            else:
                reader.take("NO")
                reader.next()
        else:
            return
