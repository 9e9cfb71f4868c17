"""Which tracking table is ours, where the one that is looked for is missing: a pure decision from what was seen.

The search_path decides where the table is looked for. When that is changed, by a migration or by
somebody else, a second table would be made in another schema, and everything would run a second time.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen
from dbmigrate.migrations import other_tools

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dbmigrate.reports import FileSum

__all__ = ["Candidate", "Entry", "Location", "Placement", "Seen", "decide", "home", "worth_reading"]

_FIRST = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([^,]*))')


class Location(StrEnum):
    """What becomes of the run."""

    HERE = "here"  # the table is where it is looked for
    NEW = "new"  # there is none: it is made where it is looked for
    ELSEWHERE = "elsewhere"  # a second one would be made, though the history of these files is in another schema


@frozen
class Entry:
    """What a log keeps of one version that was applied: the sums of its file."""

    version: str
    checksum: str | None = None
    token_checksum: str | None = None


@frozen
class Candidate:
    """A table of the same name in another schema. `owner_home` is the schema that its owner's own sessions begin in.

    `tool` is another one whose history it is. `entries` are those of its log, None where it has none that can be read;
    `versions` are its rows.
    """

    schema: str
    owner: str = ""
    owner_home: str = ""
    is_extensions: bool = False
    tool: str | None = None
    entries: tuple[Entry, ...] | None = None
    versions: tuple[str, ...] = ()


@frozen
class Seen:
    """Where the table is looked for, and what else there is. `is_chosen` says that the user has named the schema.

    `home` is the schema that the sessions of `role` begin in by its own settings. In the schemas `of_services` it
    is the table of another service of the project.
    """

    schema: str
    exists: bool = False
    is_chosen: bool = False
    role: str = ""
    home: str = ""
    candidates: tuple[Candidate, ...] = ()
    of_services: frozenset[str] = frozenset()


@frozen
class Placement:
    """The location, and the candidates that hold the history of these files, with how many versions of it."""

    location: Location
    found: tuple[tuple[Candidate, int], ...] = ()


def home(role: str, path: str | None) -> str:
    """The schema that a role's sessions begin in: the first one of its own search_path, else the one of its name."""
    match = _FIRST.match(path or "")
    first = "" if match is None else (match[1] or match[2].strip().lower()).replace('""', '"')
    return role if first in ("", "$user") else first


def worth_reading(seen: Seen) -> tuple[Candidate, ...]:
    """The candidates that could count."""
    if seen.exists or seen.is_chosen:
        return ()
    return tuple(candidate for candidate in seen.candidates if _may_count(candidate, seen))


def _may_count(candidate: Candidate, seen: Seen) -> bool:
    """A schema for each role is an arrangement, not an accident: both roles begin in the schema that is their own."""
    if candidate.is_extensions or candidate.tool or other_tools.is_of_platform(candidate.schema):
        return False
    if candidate.schema in seen.of_services:
        return False
    is_others = candidate.owner != seen.role and candidate.owner_home == candidate.schema
    return not (is_others and seen.home == seen.schema)


def decide(seen: Seen, files: Mapping[str, Iterable[FileSum]]) -> Placement:
    """Whether to go on. `files` are the files of this project by version, each with the sums that could be compared.

    A log proves by version and tokens (or bytes); where there is none, a version is enough.
    """
    if seen.exists:
        return Placement(Location.HERE)
    counted = ((candidate, _number(candidate, files)) for candidate in worth_reading(seen))
    found = tuple((candidate, number) for candidate, number in counted if number)
    return Placement(Location.ELSEWHERE if found else Location.NEW, found)


def _number(candidate: Candidate, files: Mapping[str, Iterable[FileSum]]) -> int:
    if candidate.entries is None:
        return len(files.keys() & set(candidate.versions))
    return sum(any(_is_same(entry, file) for file in files.get(entry.version, ())) for entry in candidate.entries)


def _is_same(entry: Entry, file: FileSum) -> bool:
    has_same_tokens = entry.token_checksum is not None and entry.token_checksum == file.token_checksum
    return has_same_tokens or (entry.checksum is not None and entry.checksum == file.checksum)
