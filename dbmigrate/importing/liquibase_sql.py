"""Liquibase's formatted SQL: a file cut into its changes, line by line, as AbstractFormattedChangeLogParser does.

Everything between two ``--changeset`` lines that is not a line of Liquibase's own is the SQL of the change. Nothing is
interpreted here: options, properties and rollbacks are kept as they were written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dbmigrate.importing.texts import Text

__all__ = ["Change", "Line", "SqlFile", "is_formatted", "option", "read_changes"]


def _line(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


_FIRST = _line(r"\s*--\s*liquibase\s*formatted.*")
_CHANGE = _line(r'\s*--\s*changeset\s+("[^"]+"|[^:]+):("[^"]+"|\S+).*')
_ANY_CHANGE = _line(r"\s*--?\s*changeset\b.*")
_PROPERTY = _line(r"\s*--\s*property\s+(.*:.*)\s+(.*:.*).*")
_IGNORE_LINES = _line(r"--\s*ignoreLines:(\w+)")
_ROLLBACK = _line(r"\s*--\s*rollback (.*)")
_ROLLBACK_BLOCK = _line(r"\s*/\*\s*liquibase\s*rollback\s*")
_BLOCK_END = _line(r"(.*)\*/\s*")
_COMMENT = _line(r"--\s*comment:? (.*)")
_VALID_SUM = _line(r"--\s*validCheckSum:? (.*)")
_PRECONDITIONS = _line(r"\s*--\s*preconditions(.*)")
_PRECONDITION = _line(r"\s*--\s*precondition-([a-zA-Z0-9-]+) (.*)")
# with one dash, or without what belongs to it: Liquibase refuses these, so they cannot have been meant as SQL
_MISTAKE = _line(r"\s*-\s*(property|changeset|rollback|preconditions?|comment|validCheckSum|ignoreLines)\b.*")


class Line(NamedTuple):
    """A line without its end, and its number in the file."""

    number: int
    text: str


@frozen
class Change:
    """One change. `options` is its ``--changeset`` line, for `option` to ask."""

    author: str
    id: str
    options: str
    line: int
    sql: tuple[Line, ...]
    rollback: tuple[Line, ...] | None = None  # None: no line about it
    preconditions: str | None = None
    checks: tuple[tuple[str, str, int], ...] = ()  # kind, text and line of each precondition
    comment: str = ""
    valid_sums: tuple[str, ...] = ()


@frozen
class SqlFile:
    """A file of changes. `early` is the first line of SQL before the first change, which Liquibase passes over."""

    changes: tuple[Change, ...]
    head: str
    properties: Mapping[str, str]
    early: int | None = None


def is_formatted(text: str) -> bool:
    """Whether the first line that is not blank says so."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    return _FIRST.fullmatch(first) is not None


def option(line: str, name: str, value: str = r"\w+") -> str | None:
    """What ``name:value`` on a line says; the last one counts. Quotes around it are taken off."""
    found = re.fullmatch(rf".*\b{name}:({value}).*", line, re.IGNORECASE)
    return found[1].strip('"') if found else None


@dataclass
class _Open:
    """A change that is being read."""

    author: str
    id: str
    options: str
    line: int
    sql: list[Line] = field(default_factory=list)
    rollback: list[Line] | None = None
    preconditions: str | None = None
    checks: list[tuple[str, str, int]] = field(default_factory=list)
    comment: str = ""
    valid_sums: list[str] = field(default_factory=list)

    def closed(self) -> Change:
        rollback = None if self.rollback is None else tuple(self.rollback)
        head = (self.author, self.id, self.options, self.line, tuple(self.sql), rollback)
        return Change(*head, self.preconditions, tuple(self.checks), self.comment, tuple(self.valid_sums))


def read_changes(text: Text) -> SqlFile:
    """The changes of a file. Raises MigrationFileError for a line that Liquibase would refuse."""
    return _Reader(text).read()


class _Reader:
    def __init__(self, text: Text) -> None:
        self._text = text
        self._lines = [Line(number, each) for number, each in enumerate(re.split(r"\r\n|\r|\n", text.text), 1)]
        self._at = 0
        self._changes: list[_Open] = []
        self._properties: dict[str, str] = {}
        self._head = ""
        self._early: int | None = None

    def read(self) -> SqlFile:
        for line in self._rest():
            if _PROPERTY.fullmatch(line.text):
                self._property(line)
            elif _FIRST.fullmatch(line.text) and not self._changes:
                self._head = line.text
            elif found := _IGNORE_LINES.fullmatch(line.text):
                self._pass_over(line, found[1])
            elif found := _CHANGE.fullmatch(line.text):
                author, ident = (group.strip().strip('"') for group in found.groups())
                self._changes.append(_Open(author, ident, line.text, line.number))
            elif _MISTAKE.fullmatch(line.text) or _ANY_CHANGE.fullmatch(line.text):
                raise self._text.error(f"not understood: {line.text.strip()}", line.number, hint=_HOW)
            elif self._changes:
                self._inside(self._changes[-1], line)
            elif line.text.strip() and self._early is None and not line.text.lstrip().startswith("--"):
                self._early = line.number
        return SqlFile(tuple(each.closed() for each in self._changes), self._head, self._properties, self._early)

    def _rest(self) -> Iterator[Line]:
        while self._at < len(self._lines):
            self._at += 1
            yield self._lines[self._at - 1]

    def _property(self, line: Line) -> None:
        name, value = option(line.text, "name", r"\s*\S+"), option(line.text, "value", r"\s*\S+")
        if name is None or value is None:
            raise self._text.error("a property without name: or value:", line.number)
        self._properties.setdefault(name.strip(), value.strip())  # the first one counts

    def _pass_over(self, line: Line, said: str) -> None:
        if said.lower() == "start":
            for each in self._rest():
                found = _IGNORE_LINES.fullmatch(each.text)
                if found and found[1].lower() == "end":
                    return
        elif said.isdecimal():
            self._at += int(said)
        else:
            raise self._text.error(f"ignoreLines:{said} is neither a number nor start", line.number)

    def _inside(self, change: _Open, line: Line) -> None:
        if found := _COMMENT.fullmatch(line.text):
            change.comment = found[1]
        elif found := _VALID_SUM.fullmatch(line.text):
            change.valid_sums.append(found[1].strip())
        elif found := _ROLLBACK.fullmatch(line.text):
            change.rollback = [*(change.rollback or []), Line(line.number, found[1])]
        elif _ROLLBACK_BLOCK.fullmatch(line.text):
            change.rollback = [*(change.rollback or []), *self._block(line)]
        elif found := _PRECONDITIONS.fullmatch(line.text):
            change.preconditions = found[1]
        elif found := _PRECONDITION.fullmatch(line.text):
            change.checks.append((found[1].lower(), found[2], line.number))
        else:
            change.sql.append(line)

    def _block(self, begin: Line) -> Iterator[Line]:
        """The lines up to ``*/``. Liquibase itself joins them without line ends."""
        for line in self._rest():
            end = _BLOCK_END.fullmatch(line.text)
            if end is None:
                yield line
                continue
            if end[1].strip():
                yield Line(line.number, end[1])
            return
        raise self._text.error("the rollback comment that begins here is not closed", begin.number)


_HOW = "a line of Liquibase's own has two dashes, as in --changeset AUTHOR:ID"
