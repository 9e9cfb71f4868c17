"""What has to be true before the first step: that no row offends what the file is about to demand.

A CHECK that is NOT VALID fails every UPDATE of a row that offends it, from the moment it is there; VALIDATE then fails,
and the migration is half done. So the rewritten file asks first: ``-- migrate:require``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.lint.fix.actions import words_between
from dbmigrate.lint.fix.writing import quoted
from dbmigrate.lint.sql.reading import Reader, folded
from dbmigrate.lint.sql.shape import ActionKind, ConstraintKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.lint.fix.actions import Slice
    from dbmigrate.lint.fix.facts import Relation
    from dbmigrate.lint.fix.values import Target

__all__ = ["annotation", "no_duplicates", "no_offender"]


def annotation(conditions: Sequence[str], newline: str) -> str:
    """The lines below a section's header."""
    first, *others = dict.fromkeys(conditions)
    return "".join((f"-- migrate:require select {first}{newline}", *(f"--   and {other}{newline}" for other in others)))


def no_offender(target: Target, part: Slice, table: Relation, written: str) -> tuple[str, ...]:
    """That no row offends an action; nothing where that cannot be asked before the file has run."""
    constraint = part.action.constraint
    columns = (
        (part.action.name,) if part.action.kind is ActionKind.SET_NOT_NULL else constraint.columns if constraint else ()
    )
    if any(column not in table.columns for column in columns):
        return ()
    names = [quoted(column) for column in columns]
    if constraint is None or constraint.kind is ConstraintKind.NOT_NULL:
        return _none(f"{written} where {names[0]} is null")
    words = words_between(target.piece.sql, part.begin, part.end)
    texts = [word.text for word in words]
    if constraint.kind is ConstraintKind.CHECK:
        return _check(target, part, table, written)
    if constraint.kind is ConstraintKind.FOREIGN:
        return () if "MATCH" in texts else _reference(target, part, written)
    is_unique = constraint.kind is ConstraintKind.UNIQUE
    are_distinct = is_unique and not ("DISTINCT" in texts and "NOT" in texts)
    twice = no_duplicates(written, columns, are_nulls_distinct=are_distinct)
    if is_unique:
        return twice
    missing = [f"{quoted(name)} is null" for name in columns if not table.columns[name].is_required]
    return (*(_none(f"{written} where {' or '.join(missing)}") if missing else ()), *twice)


def _none(rows: str) -> tuple[str]:
    return (f"not exists (select from {rows})",)


def no_duplicates(written: str, columns: Sequence[str], *, are_nulls_distinct: bool) -> tuple[str]:
    """That no two rows of a table have the same values."""
    names = [quoted(column) for column in columns]
    where = f" where {' and '.join(f'{name} is not null' for name in names)}" if are_nulls_distinct else ""
    return _none(f"{written}{where} group by {', '.join(names)} having count(*) > 1")


def _check(target: Target, part: Slice, table: Relation, written: str) -> tuple[str, ...]:
    """The condition as it is written; only where all columns are there already, and it stands on one line."""
    sql = target.piece.sql
    words = words_between(sql, part.begin, part.end)
    at = next(number for number, word in enumerate(words) if word.text == "CHECK")
    inside = Reader(words[at + 1 :]).group()
    condition = sql[inside[0].start : inside[-1].end] if inside else ""
    after = next((each for each in target.after.relations.values() if each.name == table.name), table)
    added = after.columns.keys() - table.columns.keys()
    is_new = not added.isdisjoint(folded(word.text) for word in inside)
    if not condition or "\n" in condition or "--" in condition or is_new:
        return ()
    only = "only " if any(word.text == "INHERIT" for word in words) else ""
    return _none(f"{only}{written} where not ({condition})")


def _reference(target: Target, part: Slice, written: str) -> tuple[str, ...]:
    constraint = part.action.constraint
    parent = target.before.relation(constraint.references) if constraint and constraint.references else None
    if constraint is None or parent is None or constraint.references is None:
        return ()
    reader = Reader(words_between(target.piece.sql, part.begin, part.end))
    reader.until("REFERENCES")
    reader.next()
    name = constraint.references
    reader.name()
    referred = [folded(word.text) for word in reader.group() if word.text != ","]
    if not referred:
        keys = target.before.constraints_of(parent, "p")
        referred = list(keys[0].columns) if keys else []
    if len(referred) != len(constraint.columns):
        return ()
    shown = f"{quoted(name.schema)}.{quoted(name.name)}" if name.schema else quoted(name.name)
    given = " and ".join(f"a.{quoted(column)} is not null" for column in constraint.columns)
    equal = " and ".join(
        f"b.{quoted(one)} = a.{quoted(two)}" for one, two in zip(referred, constraint.columns, strict=True)
    )
    return _none(f"{written} a where {given} and not exists (select from {shown} b where {equal})")
