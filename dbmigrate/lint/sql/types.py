"""What a change of a column's type costs, from the words of the two types.

PostgreSQL rewrites nothing if the old values stay valid (binary-coercible, or only a limit is widened):
``ATColumnChangeRequiresRewrite`` and the support functions of the length coercions.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen
from dbmigrate.lint.sql.reading import spelled

if TYPE_CHECKING:
    from dbmigrate.lint.sql.shape import Words

__all__ = ["SERIALS", "Cost", "change_cost", "written"]

# not real types: a column of one is an integer whose default is nextval()
SERIALS = (("SERIAL",), ("BIGSERIAL",), ("SMALLSERIAL",), ("SERIAL2",), ("SERIAL4",), ("SERIAL8",))


class Cost(Enum):
    NONE = "no row changes"
    REWRITE = "every row is rewritten"
    UNKNOWN = "it depends on the old type"


@frozen
class _Type:
    name: str
    limits: tuple[int, ...] = ()
    is_array: bool = False


_SPELLINGS = {
    "int": "integer",
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "float4": "real",
    "float8": "double precision",
    "decimal": "numeric",
    "dec": "numeric",
    "bool": "boolean",
    "character varying": "varchar",
    "char varying": "varchar",
    "character": "char",
    "bpchar": "char",
    "bit varying": "varbit",
    "timestamp without time zone": "timestamp",
    "timestamp with time zone": "timestamptz",
    "time without time zone": "time",
    "time with time zone": "timetz",
}
_TEXTS = ("text", "varchar")
_PRECISE = ("timestamp", "timestamptz", "time", "timetz", "interval")
_MOST_DIGITS = 6  # of a second


def written(words: Words) -> str:
    """A type as people write it: ``varchar(500)``."""
    return spelled(word if word.startswith('"') else word.lower() for word in words)


def change_cost(old: Words, new: Words) -> Cost:
    """The cost of ALTER COLUMN TYPE without USING; `old` is empty if the column's type is not known."""
    if not old:
        return Cost.UNKNOWN
    before, after = _parsed(old), _parsed(new)
    if before == after:
        return Cost.NONE
    if before.is_array or after.is_array:
        return Cost.REWRITE
    return Cost.NONE if _is_wider(before, after) else Cost.REWRITE


def _is_wider(before: _Type, after: _Type) -> bool:
    if before.name in _TEXTS and after.name in _TEXTS:
        return not after.limits or bool(before.limits and before.limits <= after.limits)
    if (before.name, after.name) == ("cidr", "inet"):
        return True
    if before.name != after.name:
        return False
    if before.name == "numeric":
        return not after.limits or (len(before.limits) > 0 and _fits(before.limits, after.limits))
    if before.name == "varbit":
        return not after.limits or bool(before.limits and before.limits <= after.limits)
    if before.name in _PRECISE:
        return (after.limits or (_MOST_DIGITS,)) >= (before.limits or (_MOST_DIGITS,))
    return False


def _fits(before: tuple[int, ...], after: tuple[int, ...]) -> bool:
    """numeric(p, s): as many decimals as before, and at least as many digits."""
    (digits, scale), (new_digits, new_scale) = (*before, 0)[:2], (*after, 0)[:2]
    return scale == new_scale and new_digits >= digits


def _parsed(words: Words) -> _Type:
    limits = tuple(int(word) for word in words if word.isascii() and word.isdigit())
    is_array = "[" in words or "ARRAY" in words
    bare = [word for word in words if word not in ("(", ")", ",", "[", "]", "ARRAY") and not word.isdigit()]
    if bare[:2] == ["PG_CATALOG", "."]:
        bare = bare[2:]
    name = " ".join(word.strip('"').lower() for word in bare)
    return _Type(_SPELLINGS.get(name, name), limits, is_array)
