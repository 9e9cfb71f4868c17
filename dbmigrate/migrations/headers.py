"""Section headers: ``-- migrate:up`` and ``-- migrate:down`` with their options, and what is nearly one.

The rule is dbmate's (pkg/dbmate/migration.go): ``^--\\s*migrate:(up|down)(\\s*$|\\s+\\S+)``, in lower case, at the
beginning of a line. Unlike in dbmate a header is a comment of the SQL: one inside quoted text is text.
"""

from __future__ import annotations

import re
from dataclasses import field
from difflib import get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING

from dbmigrate.backfill import options as of_backfill
from dbmigrate.frozen import frozen
from dbmigrate.model import Direction

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dbmigrate.model import MigrationFile

__all__ = [
    "BOUNDARY",
    "REPEATABLE",
    "Header",
    "HeaderError",
    "boundary",
    "may_be_marker",
    "near_miss",
    "parse",
    "quoted",
]

BOUNDARY = re.compile(r"--[ \t\f]*migrate:(up|down)(?:[ \t\f]|\Z)")
REPEATABLE = re.compile(r"--[ \t\f]*migrate:(repeatable)(?:[ \t\f]|\Z)")  # the only header of its file
_IN_TEXT = re.compile(r"^--[ \t\f]*migrate:(?:up|down)(?=\s|\Z)", re.MULTILINE)
_NEAR = re.compile(
    r"--+[ \t\f\v]*migrate[ \t]*:?[ \t]*(up|down)[ \t]*[:;,.]?(?:[ \t]+[\w-]+[ \t]*:[ \t]*\S+)*[ \t\f\v]*\Z",
    re.IGNORECASE,
)
_MARKER_WORD = re.compile(r"migrat|goose|drop below", re.IGNORECASE).search

_DURATION = re.compile(r"0|(?:[0-9]+(?:\.[0-9]+)?(?:ns|us|µs|ms|s|min|m|h|d))+", re.ASCII).fullmatch
_SAYS_NO_TRANSACTION = frozenset(("notransaction", "notx", "tx", "transactions", "transactional"))


class HeaderError(Exception):
    """An option that cannot be meant as it is written; `start` and `width` are its place in the comment."""

    def __init__(self, message: str, hint: str, start: int, width: int) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.start = start
        self.width = width


@frozen
class Header:
    """What a header line says. `ignored` are options of other tools."""

    direction: Direction
    options: Mapping[str, str] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()

    @property
    def transaction(self) -> bool:
        return self.options.get("transaction") != "false" and not self.is_backfill

    @property
    def is_backfill(self) -> bool:
        return "backfill" in self.options

    @property
    def irreversible(self) -> bool:
        return self.options.get("irreversible") == "true"


def boundary(file: MigrationFile) -> re.Pattern[str]:
    """What a section of this file begins with; a repeatable one has no sections but itself."""
    return REPEATABLE if file.is_repeatable else BOUNDARY


@lru_cache(64)
def parse(comment: str) -> Header:
    """Read a comment that matches `BOUNDARY` or `REPEATABLE`. Raises HeaderError."""
    found = BOUNDARY.match(comment) or REPEATABLE.match(comment)
    assert found is not None
    direction = Direction.DOWN if found[1] == "down" else Direction.UP
    options: dict[str, str] = {}
    ignored = []
    rest = comment[found.end() :]
    for match in _WORDS(rest):
        word, start = match.group(), found.end() + match.start()
        key, _, value = word.partition(":")
        if key in _OPTIONS and (_is_written_well(word) or (key in _NAMES and value)):
            _check(direction, key, value, start)
            if key in options:
                raise HeaderError(f"{key} is given twice", "keep one of them", start, len(word))
            options[key] = value
        else:
            _refuse_misspelling(word, rest[match.end() :].split()[:1], start)
            if ":" in word:
                ignored.append(word)
    if clash := of_backfill.clash(options):
        option, message, hint = clash
        at = re.search(rf"\b{option}:\S*", comment)
        raise HeaderError(message, hint, *((at.start(), len(at[0])) if at else (0, len(comment))))
    return Header(direction, options, tuple(ignored))


def near_miss(comment: str) -> str | None:
    """The header that a line comment, which is none, was probably meant to be."""
    match = _NEAR.match(comment)
    return f"-- migrate:{match[1].lower()}" if match else None


def may_be_marker(comment: str) -> bool:
    """Whether `near_miss` and `other_tools.tool_of_comment` are worth asking: False for nearly every comment."""
    return _MARKER_WORD(comment) is not None


def quoted(sql: str) -> int | None:
    """Where in an SQL text, whose headers have been cut off, a line still looks like a header: inside quotes."""
    match = _IN_TEXT.search(sql) if "migrate:" in sql else None
    return match.start() if match else None


# ------------------------------------------------------------------------------------------------------------ options


def _is_switch(value: str) -> str | None:
    return None if value in ("true", "false") else f"has to be true or false, not `{value}`"


def _is_duration(value: str) -> str | None:
    if _DURATION(value):
        return None
    if value.isdecimal():
        return f"needs a unit: `{value}ms`, `{value}s`, `{value}min`"
    return f"has to be a duration such as 500ms, 5s, 30min or 0, not `{value}`"


_OPTIONS: dict[str, Callable[[str], str | None]] = {
    "transaction": _is_switch,
    "irreversible": _is_switch,
    "lock_timeout": _is_duration,
    "timeout": _is_duration,
    **of_backfill.CHECKS,
}
_NAMES = ("backfill", "key")  # their values may be quoted names
_WORDS = re.compile(rf'(?:{"|".join(_NAMES)}):(?:"[^"]*"|[^\s"])+|\S+').finditer


def _is_written_well(word: str) -> bool:
    return word.count(":") == 1 and not word.endswith(":")


def _check(direction: Direction, key: str, value: str, start: int) -> None:
    width = len(key) + 1 + len(value)
    if key == "irreversible" and direction is Direction.UP:
        raise HeaderError(
            "irreversible belongs to the down section", "write `-- migrate:down irreversible:true`", start, width
        )
    wrong = _OPTIONS[key](value)
    if wrong:
        raise HeaderError(f"{key} {wrong}", f"for example `{key}:{_EXAMPLES[key]}`", start, width)


_EXAMPLES = {
    "transaction": "false",
    "irreversible": "true",
    "lock_timeout": "5s",
    "timeout": "30min",
    **of_backfill.EXAMPLES,
}


def _refuse_misspelling(word: str, following: list[str], start: int) -> None:
    """Raise for what looks like an option of ours and is not written as one: ignoring it would change what runs."""
    key = re.split("[:=]", word, maxsplit=1)[0]
    meant = _meant(key, is_pair=key != word, is_followed=bool(following) and _is_value(following[0]))
    if meant is None:
        return
    example = f"{meant}:{_EXAMPLES[meant]}"
    if key == meant and not word.rstrip(":=").removeprefix(meant):
        raise HeaderError(f"`{word}` has no value", f"write it in one word: `{example}`", start, len(word))
    raise HeaderError(f"unknown option `{word}`", f"did you mean `{example}`?", start, len(word))


def _is_value(word: str) -> bool:
    return word.lstrip(":=").lower() in ("true", "false", "no", "off", "")


def _meant(key: str, *, is_pair: bool, is_followed: bool) -> str | None:
    plain = re.sub("[-_]", "", key).lower()
    if plain in _SAYS_NO_TRANSACTION and (is_pair or is_followed or plain == "notransaction"):
        return "transaction"
    for option in _OPTIONS:
        if plain == option.replace("_", "") and (is_pair or is_followed or option == "irreversible"):
            return option
    return next(iter(get_close_matches(key.lower(), _OPTIONS, 1, 0.8)), None) if is_pair else None
