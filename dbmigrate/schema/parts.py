"""The objects of a schema file by their titles, and the file without some of them.

Titles are pg_dump's: ``-- Name: users; Type: TABLE; Schema: public; Owner: -``. The text is one that `normalise` made.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from dbmigrate.schema.items import Kind, split
from dbmigrate.schema.normalise import TITLE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

__all__ = ["Title", "texts", "without"]

_BETWEEN = re.compile(r"SET (?:default_tablespace|default_table_access_method) = ")  # holds for what comes after it


class Title(NamedTuple):
    """What pg_dump says of an object; `name` has that of its table before it where it belongs to one."""

    kind: str
    schema: str
    name: str

    def __str__(self) -> str:
        place = "" if self.schema in ("", "-") else f"{self.schema}."
        return f"{self.kind.lower()} {place}{self.name}"


class _Part(NamedTuple):
    title: Title | None
    start: int
    end: int


def texts(text: str) -> Mapping[Title, str]:
    """The SQL of each object."""
    return {part.title: text[part.start : part.end] for part in _parts(text) if part.title}


def without(text: str, left_out: Collection[Title]) -> str:
    """The file without these objects."""
    kept, position = [], 0
    for part in _parts(text):
        if part.title in left_out:
            kept.append(text[position : part.start])
            position = part.end + len(text[part.end :]) - len(text[part.end :].lstrip("\n"))
    return "".join((*kept, text[position:])) if position < len(text) else "".join(kept).rstrip("\n") + "\n\n"


def _parts(text: str) -> Iterator[_Part]:
    title, start, end, has_statement = None, 0, 0, False
    for item in split(text):
        is_between = item.kind is Kind.STATEMENT and _BETWEEN.match(item.text)
        if (item.kind is Kind.COMMENT and (has_statement or item.breaks > 1)) or is_between:
            yield _Part(title, start, end)
            title, start, has_statement = None, item.start, False
        if item.kind is Kind.COMMENT:
            title = title or _title(item.text)
        has_statement = has_statement or item.kind is not Kind.COMMENT
        end = item.end
    yield _Part(title, start, end)


def _title(comment: str) -> Title | None:
    found = next(filter(None, map(TITLE.match, comment.split("\n"))), None)
    return Title(found["type"], found["schema"], found["name"]) if found else None
