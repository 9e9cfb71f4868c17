"""The queries of ``--traffic``: SQL, or files of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dbmigrate.check.queries import PREPARABLE, read_text
from dbmigrate.errors import ConfigError
from dbmigrate.migrations import plain_sql
from dbmigrate.sql.statements import first_word

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_HINT = "it takes SELECT, INSERT, UPDATE, DELETE, MERGE: each runs as a transaction of its own"


def queries(given: Sequence[str]) -> tuple[str, ...]:
    """The statements, in their order.

    Raises ConfigError E207 for a file that cannot be read, E200 for what is not a query.
    """
    return tuple(query for each in given for query in _of(each))


def _of(given: str) -> Iterator[str]:
    is_file = os.path.isfile(given) or (given.endswith(".sql") and not any(map(str.isspace, given)))
    text, path = (read_text(given), given) if is_file else (given, "--traffic")
    statements = list(plain_sql.split_sql(text, path=path))
    if not statements:
        raise ConfigError(f"{path} has no query", code="E200", hint="name a file of queries, or write SQL")
    for statement in statements:
        word = first_word(statement.sql.lstrip("( \n\t"))
        if word not in PREPARABLE:
            place = f"{given}:{statement.line}" if is_file else "--traffic"
            raise ConfigError(f"{place}: {word or 'this'} is not a query", code="E200", hint=_HINT)
        yield statement.sql.rstrip().removesuffix(";")
