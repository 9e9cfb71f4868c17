"""Queries that find the rows in the way of a constraint. Pure: names and expressions are SQL already, values text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen
from dbmigrate.tracking.write_log import literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.sql.constraints import UniqueIndex

__all__ = ["Key", "conflicts", "duplicates", "key_of", "matching", "nulls", "orphans", "unlike"]


@frozen
class Key:
    """What a DETAIL names: ``Key (a, b)=(1, 2)``. Of an index the columns are SQL, of a foreign key bare names."""

    columns: str
    values: str

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(_split(self.columns))


def key_of(detail: str | None) -> Key | None:
    """The key that the server's DETAIL names, in whatever language; None where the role may not see it."""
    text = detail or ""
    begin = text.find("(")
    end = _closing(text, begin) if begin >= 0 else -1
    last = text.rfind(")")
    if end < 0 or text[end + 1 : end + 3] != "=(" or last <= end + 2:
        return None
    return Key(text[begin + 1 : end], text[end + 3 : last])


def nulls(table: str, column: str) -> str:
    return f"SELECT * FROM {table} WHERE {column} IS NULL;"


def unlike(table: str, expression: str) -> str:
    """The rows that a CHECK refuses; one that is NULL passes."""
    return f"SELECT * FROM {table} WHERE NOT ({expression});"


def orphans(
    child: str, columns: Sequence[str], parent: str, parent_columns: Sequence[str], *, is_full: bool = False
) -> str:
    """The rows that refer to none. A row with a NULL refers to nothing; with MATCH FULL only if all are."""
    pairs = zip(columns, parent_columns, strict=True)
    same = " AND ".join(f"p.{theirs} = c.{ours}" for ours, theirs in pairs)
    filled = [f"c.{column} IS NOT NULL" for column in columns]
    condition = f"({' OR '.join(filled)})" if is_full and len(filled) > 1 else " AND ".join(filled)
    return f"SELECT c.* FROM {child} AS c WHERE {condition} AND NOT EXISTS (SELECT FROM {parent} AS p WHERE {same});"


def matching(table: str, columns: Sequence[str], values: str) -> str | None:
    """The rows with these values, as a DETAIL lists them; None where it is not clear which value is whose."""
    parts = values.split(", ") if len(columns) > 1 else [values]
    if len(parts) != len(columns) or "null" in parts:
        return None
    conditions = (f"{column} = {literal(value).strip()}" for column, value in zip(columns, parts, strict=True))
    return f"SELECT * FROM {table} WHERE {' AND '.join(conditions)};"


def duplicates(table: str, key: Key, index: UniqueIndex) -> str:
    """The keys that are there several times. NULLs are distinct unless the index says otherwise."""
    filled = [] if index.nulls_are_equal else [f"({part}) IS NOT NULL" for part in key.parts]
    conditions = [*([f"({index.predicate})"] if index.predicate else []), *filled]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"SELECT {key.columns}, count(*) FROM {table}{where} GROUP BY {key.columns} HAVING count(*) > 1;"


def conflicts(table: str, elements: Sequence[tuple[str, str]]) -> str:
    """Pairs of rows that exclude each other."""
    same = " AND ".join(f"a.{column} {operator} b.{column}" for column, operator in elements)
    return f"SELECT a.*, b.* FROM {table} AS a JOIN {table} AS b ON a.ctid < b.ctid AND {same};"


def _split(columns: str) -> list[str]:
    """The parts between commas outside of quotes and parentheses."""
    parts, begin, depth, quote = [], 0, 0, ""
    for at, character in enumerate(columns):
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character == "," and not depth:
            parts.append(columns[begin:at].strip())
            begin = at + 1
        else:
            depth += {"(": 1, ")": -1}.get(character, 0)
    return [*parts, columns[begin:].strip()]


def _closing(text: str, begin: int) -> int:
    """Where the parenthesis at `begin` is closed; -1 if it is not."""
    depth, quote = 0, ""
    for at in range(begin, len(text)):
        character = text[at]
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        else:
            depth += {"(": 1, ")": -1}.get(character, 0)
            if not depth:
                return at
    return -1
