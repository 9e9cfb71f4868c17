"""Settings of the session that a file changes and does not take back.

dbmate runs every file in one session, so that a ``SET search_path`` of one file holds in the files after it. Here each
migration begins in a session as new: what comes after such a file ends in another catalog than with dbmate.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen
from dbmigrate.sql import words

if TYPE_CHECKING:
    from dbmigrate.model import Statement

_LONGEST = 16  # words: SELECT pg_catalog.set_config('search_path', 'a', false)
# what pg_dump sets in every file is what the session has anyway
_ALREADY_SO = {"client_encoding": ("'UTF8'", "UTF8"), "standard_conforming_strings": ("ON", "TRUE", "'ON'")}
_SPELLED: dict[tuple[str, ...], str] = {
    ("TIME", "ZONE"): "timezone",
    ("SESSION", "AUTHORIZATION"): "session authorization",
    ("SESSION", "CHARACTERISTICS"): "session characteristics",
    ("XML", "OPTION"): "xmloption",
}
_SINGLE = {"SCHEMA": "search_path", "NAMES": "client_encoding"}
HINT = "write SET LOCAL, or RESET it where the file ends; where later files need it, set it in them or for the role"


@frozen
class Change:
    """What a statement does to a setting of the session: sets it, or takes it back. `name` None means all of them."""

    name: str | None
    is_left: bool


class Left:
    """The settings that a section has changed so far, each with the statement that did it."""

    def __init__(self) -> None:
        self.found: dict[str, Statement] = {}

    def add(self, statement: Statement) -> None:
        change = change_of(statement.sql)
        if change is None:
            return
        if change.name is None:
            self.found.clear()
        elif change.is_left:
            self.found.setdefault(change.name, statement)
        else:
            self.found.pop(change.name, None)

    @property
    def message(self) -> str:
        """For a section that has left something."""
        names = ", ".join(self.found)
        return f"{names} is set for the session: with dbmate it holds in the files after this one, here it does not"

    @property
    def first(self) -> Statement:
        return next(iter(self.found.values()))


def change_of(sql: str) -> Change | None:
    """What a statement does to the session beyond its transaction, None for all but SET, RESET and their like."""
    if sql[:2].upper() not in ("SE", "RE", "DI"):
        return None
    tokens = tuple(word for word in islice(words(sql), _LONGEST) if word != ";")
    if tokens[:1] == ("SET",):
        return _set(tokens[1:])
    if tokens[:1] == ("RESET",):
        return Change(None if tokens[1:] == ("ALL",) else _name(tokens[1:])[0], is_left=False)
    if tokens[:2] == ("DISCARD", "ALL"):
        return Change(None, is_left=False)
    return _set_config(tokens)


def _set(tokens: tuple[str, ...]) -> Change | None:
    if not tokens or tokens[0] in ("LOCAL", "TRANSACTION", "CONSTRAINTS"):
        return None
    if tokens[0] == "SESSION" and tokens[1:2] not in (("AUTHORIZATION",), ("CHARACTERISTICS",)):
        tokens = tokens[1:]
    name, value = _name(tokens)
    if value in (("DEFAULT",), ("NONE",), ("LOCAL",)) or value[:1] in [(word,) for word in _ALREADY_SO.get(name, ())]:
        return Change(name, is_left=False)
    return Change(name, is_left=True)


def _name(tokens: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """The setting's name, and its value's words."""
    if tokens[:2] in _SPELLED:
        return _SPELLED[tokens[:2]], tokens[2:]
    if tokens[:1] and tokens[0] in _SINGLE:
        return _SINGLE[tokens[0]], tokens[1:]
    end = next((at for at, word in enumerate(tokens) if word in ("=", "TO")), 1)
    value = tokens[end + 1 :] if tokens[end : end + 1] in (("=",), ("TO",)) else tokens[end:]
    return "".join(tokens[:end]).strip('"').lower(), value


def _set_config(tokens: tuple[str, ...]) -> Change | None:
    """``SELECT [pg_catalog.]set_config('name', 'value', false)``, as pg_dump writes it."""
    rest = tokens[3:] if tokens[:3] == ("SELECT", "PG_CATALOG", ".") else tokens[1:]
    if (
        tokens[:1] != ("SELECT",)
        or rest[:2] != ("SET_CONFIG", "(")
        or rest[3:4] != (",",)
        or not rest[2].startswith("'")
    ):
        return None
    if rest[5:8] != (",", "FALSE", ")"):
        return None
    return Change(rest[2].strip("'").lower(), is_left=True)
