"""The options of a column as pg_dump writes them: ``ALTER TABLE ONLY t ALTER COLUMN a SET (n_distinct=5);``

A server may keep notes of its own among them, which only its own pg_dump knows to leave out: the minor releases of
November 2026 have a ``pg_attver=<number>`` for every column, another one in each database, which no other server takes.
"""

from __future__ import annotations

import re

__all__ = ["OPTIONS", "settable"]

# what a user can set, by the documentation of ALTER TABLE
# https://www.postgresql.org/docs/18/sql-altertable.html#SQL-ALTERTABLE-DESC-SET-ATTRIBUTE-OPTION
OPTIONS = ("n_distinct", "n_distinct_inherited")

_NAME = r'(?:"[^"]*+(?:""[^"]*+)*"|[^\s".;]++)'
_SET = re.compile(
    rf"(?P<head>ALTER (?:FOREIGN )?TABLE (?:ONLY )?{_NAME}(?:\.{_NAME})? ALTER COLUMN {_NAME} SET \()"
    r"(?P<options>\w+=[^()']*)\);"
)


def settable(statement: str) -> str:
    """The statement with the options alone that a user can set; empty if it sets no such one.

    Any other statement comes back as it is.
    """
    if not statement.endswith(");") or " SET (" not in statement:
        return statement
    match = _SET.fullmatch(statement)
    if not match:
        return statement
    options = match["options"].split(", ")
    kept = [option for option in options if option.partition("=")[0] in OPTIONS]
    return f"{match['head']}{', '.join(kept)});" if kept else ""
