"""Whether a DEFAULT has one value for all rows of a table, so that PostgreSQL (11 and later) need not write them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dbmigrate.lint.reading import folded, is_name
from dbmigrate.lint.shape import Name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbmigrate.lint.catalog import Catalog
    from dbmigrate.lint.shape import Words

__all__ = ["volatile_call"]

# pg_proc.provolatile is i or s; what users write in a DEFAULT. A function that is not here may be volatile.
_STEADY = frozenset(
    re.findall(
        r"\w+",
        """
        abs age array_fill btrim cardinality cast ceil ceiling char_length chr clamp coalesce concat concat_ws
        current_database current_query current_schema current_schemas current_setting date date_part date_trunc decode
        encode extract floor format greatest initcap int4range int8range json_build_array json_build_object
        jsonb_build_array jsonb_build_object jsonb_object json_object jsonb_set justify_days justify_hours
        justify_interval least left length lower lpad ltrim make_date make_interval make_time make_timestamp
        make_timestamptz md5 mod now nullif numrange overlay pg_current_xact_id pg_typeof position power quote_ident
        quote_literal replace reverse right round row row_to_json rpad rtrim sha224 sha256 sha384 sha512 split_part sqrt
        statement_timestamp string_to_array strpos substr substring timezone to_char to_date to_json to_jsonb to_number
        to_regclass to_timestamp to_tsvector transaction_timestamp translate trim trunc tsrange tstzrange txid_current
        upper bit char character decimal dec float interval numeric time timestamp timestamptz timetz varbit varchar
        varying array in any all some not and or
        """,
    )
)
_VOLATILE_WORDS = ("STABLE", "IMMUTABLE")


def volatile_call(default: Words, catalog: Catalog) -> str | None:
    """The name of the first function in the words of a DEFAULT that may give every row another value."""
    return next((name.name for name in _calls(default) if not _is_steady(name, catalog)), None)


def _is_steady(name: Name, catalog: Catalog) -> bool:
    routine = catalog.routine(name)
    if routine is not None:
        return any(word in routine.words for word in _VOLATILE_WORDS)
    return name.name in _STEADY and name.schema in (None, "pg_catalog")


def _calls(default: Words) -> Iterator[Name]:
    """The names that an opening parenthesis follows; after ``::`` it is a type."""
    for at, word in enumerate(default):
        if not is_name(word) or default[at + 1 : at + 2] != ("(",):
            continue
        schema = folded(default[at - 2]) if at >= 2 and default[at - 1] == "." else None
        before = default[at - 3] if schema and at >= 3 else default[at - 1] if at else ""
        if before not in ("::", "AS"):
            yield Name(schema, folded(word))
