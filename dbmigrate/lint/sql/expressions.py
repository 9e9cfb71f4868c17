"""Whether a DEFAULT has one value for all rows of a table, so that PostgreSQL (11 and later) does not rewrite it."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from dbmigrate.lint.sql.reading import folded, is_name
from dbmigrate.lint.sql.shape import Name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbmigrate.lint.catalog import Catalog
    from dbmigrate.lint.sql.shape import Words

__all__ = ["volatile_call"]

# What looks like a call and is syntax, or a type with its limits. https://www.postgresql.org/docs/current/functions.html
_SYNTAX = frozenset(
    re.findall(
        r"\w+",
        """
        cast coalesce greatest least nullif row trim treat normalize grouping exists xmlelement xmlforest xmlconcat
        xmlparse xmlpi xmlroot xmlserialize json_array json_scalar json_serialize json_exists json_query json_value
        array in any all some not and or is like ilike between case when then else
        bit varbit char character varying decimal dec float numeric time timestamp interval varchar
        """,
    )
)
_NONVOLATILE_WORDS = ("STABLE", "IMMUTABLE")


def volatile_call(default: Words, catalog: Catalog) -> str | None:
    """The name of the first function in a DEFAULT that may give each row another value."""
    return next((name.name for name in _calls(default) if not _is_nonvolatile(name, catalog)), None)


def _is_nonvolatile(name: Name, catalog: Catalog) -> bool:
    routine = catalog.routine(name)
    if routine is not None:
        return any(word in routine.words for word in _NONVOLATILE_WORDS)
    if name.schema is None and name.name in _SYNTAX:
        return True
    return name.schema in (None, "pg_catalog") and name.name in _nonvolatile_functions()


@cache  # read at the first DEFAULT with a call
def _nonvolatile_functions() -> frozenset[str]:
    """PostgreSQL's functions without a volatile form; scripts/nonvolatile_functions.py writes the list."""
    return frozenset(Path(__file__).with_name("nonvolatile_functions.txt").read_text("ascii").split())


def _calls(default: Words) -> Iterator[Name]:
    """The names that an opening parenthesis follows; after ``::`` it is a type."""
    for at, word in enumerate(default):
        if not is_name(word) or default[at + 1 : at + 2] != ("(",):
            continue
        schema = folded(default[at - 2]) if at >= 2 and default[at - 1] == "." else None
        before = default[at - 3] if schema and at >= 3 else default[at - 1] if at else ""
        if before not in ("::", "AS"):
            yield Name(schema, folded(word))
