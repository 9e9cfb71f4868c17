"""Placeholders of variables, ``:'name'`` for a literal and ``:"name"`` for an identifier, as psql has them.

They are tokens: nothing in strings, quoted names, comments and dollar-quoted bodies is one. In two places SQL has a
colon of its own, which psql does not know (its scanner has no grammar): in the subscript of an array (``a[1:'2']``),
and behind a key of JSON_OBJECT (``json_object('k':'v')``). There the colon stays what it is.
https://www.postgresql.org/docs/current/app-psql.html#APP-PSQL-INTERPOLATION
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlparse import tokens as T  # noqa: N812 (sqlparse's own habit)

from dbmigrate.sql import scan
from dbmigrate.variables import Filled, Patch, Use

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

__all__ = ["fill", "identifier", "literal", "stands_apart", "uses"]

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_CANDIDATES = re.compile(rf""":(?:'({_NAME})'|"({_NAME})")""").finditer
# brackets, JSON_OBJECT, comments, and strings that are not plain
_NEEDS_A_LOOK = re.compile(r"[\[$\\]|--|/\*|(?i:json_object)").search
_PLAIN_TOKENS = re.compile(
    rf""":(?:'({_NAME})'(?!')|"({_NAME})"(?!"))|'[^']*+'(?:'[^']*+')*|"[^"]*+"(?:"[^"]*+")*|::|:="""
).finditer
_QUOTED = re.compile(rf"""'({_NAME})'|"({_NAME})\"""").fullmatch
_APART = frozenset(" \t\n\r\f\v(),;=[].")  # beside these nothing sticks to a string or a name
_JSON = frozenset(("JSON_OBJECT", "JSON_OBJECTAGG"))
# words behind which an expression goes on: they are not the end of a key
_GOES_ON = frozenset(
    ("AND", "BETWEEN", "CASE", "DISTINCT", "ELSE", "ILIKE", "IN", "IS", "LIKE", "NOT", "OR", "THEN", "WHEN", "WHERE")
)


def uses(sql: str, names: Collection[str], known: Collection[Use] = ()) -> Iterator[Use]:
    """The variables of `names` whose values a statement needs; nothing if they are all `known`."""
    if all(Use(*_name_of(found)) in known for found in _CANDIDATES(sql)):
        return iter(())
    return (use for _, _, use in _found(sql, names))


def fill(sql: str, values: Mapping[str, str]) -> Filled | None:
    """A statement with `values` in the place of its placeholders; None if it has none of them."""
    patches = tuple(
        Patch(begin, end, use, _apart(sql, begin, end, _written(values[use.name], use)))
        for begin, end, use in _found(sql, values)
    )
    if not patches:
        return None
    parts: list[str] = []
    at = 0
    for patch in patches:
        parts += (sql[at : patch.begin], patch.text)
        at = patch.end
    return Filled(sql, patches, "".join((*parts, sql[at:])))


def literal(text: str) -> str:
    """A literal that means `text` under both settings of standard_conforming_strings, as libpq's PQescapeLiteral."""
    quoted = text.replace("'", "''")
    return " E'{}'".format(quoted.replace("\\", "\\\\")) if "\\" in quoted else f"'{quoted}'"


def identifier(text: str) -> str:
    """A quoted name, as libpq's PQescapeIdentifier."""
    return '"{}"'.format(text.replace('"', '""'))


def stands_apart(sql: str, patch: Patch) -> bool:
    """Whether nothing would stick to a string or a name in the place of a placeholder."""
    begin, end = patch.begin, patch.end
    return (not begin or sql[begin - 1] in _APART) and (end == len(sql) or sql[end] in _APART)


def _written(text: str, use: Use) -> str:
    return identifier(text) if use.is_identifier else literal(text)


def _apart(sql: str, begin: int, end: int, text: str) -> str:
    """With blanks where something would stick to it: ``x:'41'`` must not become a string of bits."""
    left = " " if begin and sql[begin - 1] not in _APART else ""
    right = " " if end < len(sql) and sql[end] not in _APART else ""
    return f"{left}{text}{right}"


def _found(sql: str, names: Collection[str]) -> Iterator[tuple[int, int, Use]]:
    if not any(_name_of(found)[0] in names for found in _CANDIDATES(sql)):
        return iter(())
    return _in_tokens(sql, names) if _NEEDS_A_LOOK(sql) else _in_plain(sql, names)


def _name_of(found: re.Match[str]) -> tuple[str, bool]:
    """The name in quotes, and whether it is that of an identifier."""
    return found[1] or found[2], found[2] is not None


def _in_plain(sql: str, names: Collection[str]) -> Iterator[tuple[int, int, Use]]:
    """Of a statement without anything but plain strings and names: rows of data, which may be very many."""
    for found in _PLAIN_TOKENS(sql):
        name, is_identifier = _name_of(found)
        if name in names:
            yield found.start(), found.end(), Use(name, is_identifier)


def _in_tokens(sql: str, names: Collection[str]) -> Iterator[tuple[int, int, Use]]:
    place = _Place()
    colon = -1  # where one ended whose meaning depends on what comes next
    for kind, at, end in scan.spans(sql):
        token = sql[at:end]
        if colon >= 0:
            quoted = _QUOTED(token) if colon == at else None
            if quoted and _name_of(quoted)[0] in names and not place.is_of_sql:
                yield at - 1, end, Use(*_name_of(quoted))
            else:
                place.add(":")
        colon = end if token == ":" else -1
        if colon < 0 and kind not in T.Comment:
            place.add(token.upper() if kind is T.Name else token)


class _Place:
    """What a statement's tokens so far say about a colon that comes next."""

    def __init__(self) -> None:
        self._open: list[str] = []  # brackets: `[` of a subscript, "ARRAY", "(", "KEY" and "VALUE" of JSON_OBJECT
        self._before = ""

    @property
    def is_of_sql(self) -> bool:
        inside = self._open[-1] if self._open else ""
        if inside == "KEY":
            return self._before not in ("(", ",") and self._before not in _GOES_ON and not _is_operator(self._before)
        return inside == "["

    def add(self, token: str) -> None:
        inside = self._open[-1] if self._open else ""
        if token == "(":
            self._open.append("KEY" if self._before in _JSON else "(")
        elif token == "[":
            is_array = self._before == "ARRAY" or (inside == "ARRAY" and self._before in ("[", ","))
            self._open.append("ARRAY" if is_array else "[")
        elif token in (")", "]"):
            del self._open[-1:]
        elif inside in ("KEY", "VALUE") and token == ",":
            self._open[-1] = "KEY"
        elif inside == "KEY" and (token == ":" or (token == "VALUE" and self._before not in ("(", ","))):
            self._open[-1] = "VALUE"
        self._before = token


def _is_operator(token: str) -> bool:
    return token[0] in "~!@#^&|`?+-*/%<>=:"
