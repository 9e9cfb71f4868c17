"""How new SQL is written: in the author's letter case, his names as he wrote them, new names within 63 bytes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["Writer", "quoted"]

_NAME_BYTES = 63  # NAMEDATALEN - 1: the server cuts longer names silently
_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*").fullmatch
_KEYWORDS = re.compile(r"[a-z]+(?: [a-z]+)*").fullmatch
# key words that cannot be names of columns or constraints without quotes: pg_get_keywords() with catcode R or T, of all
# supported versions
_RESERVED = frozenset(
    re.findall(
        r"\w+",
        """
        all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate collation
        column concurrently constraint create cross current_catalog current_date current_role current_schema
        current_time current_timestamp current_user default deferrable desc distinct do else end except false fetch for
        foreign freeze from full grant group having ilike in initially inner intersect into is isnull join lateral
        leading left like limit localtime localtimestamp natural not notnull null offset on only or order outer
        overlaps placing primary references returning right select session_user similar some symmetric system_user
        table tablesample then to trailing true union unique user using variadic verbose when where window with
        """,
    )
)


def quoted(name: str) -> str:
    """A name as SQL has to write it."""
    if _PLAIN(name) and name not in _RESERVED:
        return name
    return '"' + name.replace('"', '""') + '"'


@frozen
class Writer:
    """Writes as one statement is written. `newline` is the file's, `taken` are names that exist."""

    is_upper: bool = False
    newline: str = "\n"
    taken: frozenset[str] = frozenset()

    @classmethod
    def like(cls, sql: str, newline: str = "\n", taken: Collection[str] = ()) -> Writer:
        """For statements that take the place of `sql`."""
        first = next(iter(re.findall(r"[A-Za-z]+", sql)), "")
        return cls(first.isupper(), newline, frozenset(taken))

    def __call__(self, keywords: str) -> str:
        """Key words, in the author's letter case."""
        assert _KEYWORDS(keywords), keywords
        return keywords.upper() if self.is_upper else keywords

    def free_name(self, *parts: str, suffix: str) -> str:
        """``<part>_<part>_<suffix>``, not longer than the server allows and not taken; unquoted.

        The parts are cut, never the suffix, and a number is put behind them where two long names became the same.
        """
        base = "_".join(parts)
        for number in range(1, 1000):
            ending = f"_{suffix}" if number == 1 else f"{number}_{suffix}"
            room = _NAME_BYTES - len(ending.encode())
            name = base.encode()[:room].decode(errors="ignore") + ending
            if name not in self.taken:
                return name
        raise AssertionError(base)

    def with_names(self, *names: str) -> Writer:
        """The same, where these are taken too."""
        return Writer(self.is_upper, self.newline, self.taken | frozenset(names))
