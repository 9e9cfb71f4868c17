"""What Liquibase runs of its changes in one environment: contexts, labels and kinds of databases."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["holds", "is_for_postgresql"]

_TOKEN = re.compile(r"\s*(\(|\)|,|!|\band\b|\bor\b|\bnot\b|[^\s(),!]+)", re.IGNORECASE)


def holds(expression: str, names: Collection[str]) -> bool:
    """Whether an expression of names with ``and``, ``or``, ``!``, commas and parentheses is true for these `names`."""
    return _Expression([token.lower() for token in _TOKEN.findall(expression)], {name.lower() for name in names}).any()


def is_for_postgresql(dbms: str | None) -> bool:
    """Whether ``dbms:a,!b`` includes PostgreSQL."""
    listed = [name.strip().lower() for name in (dbms or "").split(",") if name.strip()]
    if "none" in listed or "!postgresql" in listed:
        return False
    wanted = [name for name in listed if not name.startswith("!")]
    return not wanted or "all" in wanted or "postgresql" in wanted


class _Expression:
    def __init__(self, tokens: list[str], names: Collection[str]) -> None:
        self._tokens = tokens
        self._names = names

    def any(self) -> bool:
        found = self._all()
        while self._tokens and self._tokens[0] in (",", "or"):
            self._tokens.pop(0)
            found = self._all() or found
        return found

    def _all(self) -> bool:
        found = self._one()
        while self._tokens and self._tokens[0] == "and":
            self._tokens.pop(0)
            found = self._one() and found
        return found

    def _one(self) -> bool:
        token = self._tokens.pop(0) if self._tokens else ""
        if token in ("!", "not"):
            return not self._one()
        if token != "(":
            return token in self._names
        found = self.any()
        if self._tokens:
            self._tokens.pop(0)
        return found
