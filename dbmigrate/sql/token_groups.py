"""The tokens of a text by what may stand in them, for those who look for text and not for SQL."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from sqlparse import tokens as T  # noqa: N812 (sqlparse's own habit)

from dbmigrate.sql import scan

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Group", "Token", "grouped"]


class Group(StrEnum):
    """What a token is."""

    COMMENT = "comment"
    BODY = "dollar-quoted string"
    STRING = "string"
    NAME = "quoted name"
    WORD = "word"
    OTHER = "other"


class Token(NamedTuple):
    """A token and its place."""

    group: Group
    begin: int
    end: int


def grouped(sql: str) -> Iterator[Token]:
    """Every token of one statement, comments included."""
    for kind, begin, end in scan.spans(sql):
        yield Token(_group(kind), begin, end)


def _group(kind: T._TokenType) -> Group:
    if kind in T.Comment:
        return Group.COMMENT
    if kind is T.String.Symbol:
        return Group.NAME
    if kind in T.String:
        return Group.STRING
    if kind in T.Literal:
        return Group.BODY
    return Group.WORD if kind is T.Name else Group.OTHER
