"""Function bodies without their comments: some tools strip those before they send a file."""

from __future__ import annotations

import re

from dbmigrate.sql import LexerError, words

__all__ = ["differ_in_comments_alone"]

_BODY = re.compile(r"\bAS (\$[\w]*\$)(.*)\1", re.DOTALL)


def differ_in_comments_alone(one: str, other: str) -> bool:
    """Whether two definitions of a function are the same but for comments and blanks in their bodies."""
    first, second = _BODY.search(one), _BODY.search(other)
    if first is None or second is None:
        return False
    if (one[: first.start()], one[first.end() :]) != (other[: second.start()], other[second.end() :]):
        return False
    try:
        return list(words(first[2])) == list(words(second[2]))
    except LexerError:
        return False
