"""Liquibase's preconditions: which of them a query can say, for ``-- migrate:require``. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dbmigrate.errors import MigrationFileError
from dbmigrate.importing.liquibase_sql import option
from dbmigrate.importing.texts import statements

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbmigrate.importing.liquibase_sql import Change
    from dbmigrate.importing.texts import Text

__all__ = ["halts", "marks", "required"]

_SQL_CHECK = re.compile(r"""expectedResult:("[^"]*"|'[^']*'|\S+)\s+(select\b.*)""", re.IGNORECASE)
# how JDBC and PostgreSQL call the two values
_BOOLEANS = {"t": "'t', 'true'", "f": "'f', 'false'"}


def halts(change: Change) -> bool:
    """Whether preconditions that do not hold end the update, as they do by default."""
    return bool(change.checks) and _said(change) == "HALT"


def marks(change: Change) -> bool:
    """Whether the update goes on without the change then."""
    return bool(change.checks) and _said(change) in ("MARK_RAN", "CONTINUE")


def _said(change: Change) -> str:
    return (option(change.preconditions or "", "onFail") or "HALT").upper()


def required(change: Change, text: Text, expanded: Callable[[str], str]) -> str | None:
    """One boolean query that says what the preconditions say; None where one of them is not a plain query."""
    if not halts(change):
        return None
    conditions = [_condition(kind, expanded(check), text, line) for kind, check, line in change.checks]
    return None if None in conditions else f"SELECT {' AND '.join(filter(None, conditions))}"


def _condition(kind: str, check: str, text: Text, line: int) -> str | None:
    """Liquibase compares what a query returns, as text, with the expected result."""
    found = _SQL_CHECK.fullmatch(check.strip())
    if kind != "sql-check" or found is None:
        return None
    result, query = found[1].strip("\"'"), found[2].strip().rstrip(";").rstrip()
    if not _is_one(query, text):
        return None
    if result in _BOOLEANS:
        return f"({query})::text IN ({_BOOLEANS[result]})"
    return "({})::text = '{}'".format(query, result.replace("'", "''"))


def _is_one(query: str, text: Text) -> bool:
    """Whether it is one statement that stays within the parentheses around it."""
    if "--" in query or "/*" in query:
        return False
    try:
        alone, within = statements(text.with_text(query)), statements(text.with_text(f"({query});"))
    except MigrationFileError:
        return False
    return len(alone) == len(within) == 1 and _closes(query)


def _closes(query: str) -> bool:
    """Whether each parenthesis is closed after it was opened; those in strings are counted as well."""
    depth = 0
    for character in query:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth < 0:
            return False
    return depth == 0
