"""Conditions: the queries of ``-- migrate:require`` (preconditions) and ``-- migrate:check`` (postconditions).

A condition above the first header counts for the whole up direction, one below a header for that section. The server
sees the query between parentheses, so it must not close them: `faults` finds that before anything runs.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen
from dbmigrate.migrations.source import Origin
from dbmigrate.model import Direction, Place, Problem, Section, Severity, Statement
from dbmigrate.sql import placeholders
from dbmigrate.sql.queries import NotOneQueryError, one_query

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from dbmigrate.model import Annotation, Migration
    from dbmigrate.variables import Filled

__all__ = ["KEYS", "Condition", "Kind", "Part", "faults", "parts", "queries"]

_HINT = "a condition is one SELECT that returns one boolean"


class Kind(StrEnum):
    PRECONDITION = "precondition"
    POSTCONDITION = "postcondition"


KEYS = {"require": Kind.PRECONDITION, "check": Kind.POSTCONDITION}


@frozen
class Condition:
    """A query that has to be true; `name` is the name of its migration's file, `place` that of the annotation.

    `filled` is the query with the values of the file's variables, where it names any.
    """

    kind: Kind
    name: str
    query: str
    place: Place
    filled: Filled | None = None

    @property
    def key(self) -> str:
        """The key of its annotation."""
        return next(key for key, kind in KEYS.items() if kind is self.kind)

    @property
    def title(self) -> str:
        return f"the {self.kind} of {self.name}"

    @property
    def sent(self) -> str:
        """The query as the server gets it."""
        return self.query if self.filled is None else self.filled.text

    def as_written(self) -> tuple[Statement, list[int]]:
        """The query as it stands in the file, comment marks of further lines included, and where its lines begin there.

        For errors: the file may have changed since. Where it cannot be read, the query itself.
        """
        wanted = self.query.split("\n")
        found = _lines(self.place, len(wanted))
        columns = [line.find(text) for line, text in zip(found, wanted, strict=False)]
        if len(columns) != len(wanted) or min(columns) < 0:
            return Statement(self.query, self.place.line, self.place.column), []
        columns[0] = found[0].rfind(wanted[0])
        text = "\n".join((found[0][columns[0] :], *found[1:]))
        starts, at = [0], len(found[0]) - columns[0] + 1
        for line, column in zip(found[1:], columns[1:], strict=True):
            starts.append(at + column)
            at += len(line) + 1
        return Statement(text, self.place.line, columns[0] + 1), starts

    def located(self, offset: int | None) -> tuple[Statement, int | None]:
        """The query as it stands in the file, and the place in it of character `offset` of what was sent."""
        statement, starts = self.as_written()
        if self.filled is not None:
            statement = replace(statement, filled=self.filled)
            offset = None if offset is None else self.filled.origin(offset)
        if offset is None or not starts:
            return statement, offset
        before = self.query[:offset]
        line = before.count("\n")
        return statement, starts[line] + len(before) - before.rfind("\n") - 1


def _lines(place: Place, count: int) -> list[str]:
    try:
        with open(place.path, encoding="utf-8-sig", errors="replace", newline="\n") as file:
            return [line.rstrip("\r\n") for line in islice(file, place.line - 1, place.line - 1 + count)]
    except OSError:
        return []


@frozen
class Part:
    """Sections of one direction that run one after the other, and what has to be true before and after them."""

    before: tuple[Condition, ...]
    sections: tuple[Section, ...]
    after: tuple[Condition, ...]

    @property
    def count(self) -> int:
        """The number of its statements."""
        return sum(section.count for section in self.sections)


def parts(migration: Migration, direction: Direction) -> tuple[Part, ...]:
    """One direction of a migration, cut where conditions are asked; in one part where there are none."""
    order = migration.run_order(direction)
    said = [each for each in migration.annotations if each.key in KEYS and each.direction is direction]
    if not said:
        return (Part((), order, ()),)
    return tuple(
        Part(
            _of(migration, said, "require", {section.number, _WHOLE if section is order[0] else section.number}),
            (section,),
            _of(migration, said, "check", {section.number, _WHOLE if section is order[-1] else section.number}),
        )
        for section in order
    )


_WHOLE = -1  # the section of what stands above the first header


def _of(migration: Migration, said: Sequence[Annotation], key: str, numbers: Collection[int]) -> tuple[Condition, ...]:
    return tuple(_condition(migration, each) for each in said if each.key == key and each.section in numbers)


def _condition(migration: Migration, annotation: Annotation) -> Condition:
    query = _query(annotation.value)
    filled = placeholders.fill(query, migration.bound.texts) if migration.bound else None
    return Condition(KEYS[annotation.key], migration.name, query, annotation.place, filled)


def queries(migration: Migration, direction: Direction) -> Iterator[str]:
    """The conditions of one direction that are one query each."""
    for each in migration.annotations:
        if each.key in KEYS and each.direction is direction:
            with suppress(NotOneQueryError):
                yield one_query(each.value)


def _query(text: str) -> str:
    """As text where it is not one query: a plan refuses that, and what asks nothing need not care."""
    try:
        return one_query(text)
    except NotOneQueryError:
        return text


def faults(migration: Migration, direction: Direction) -> Iterator[Problem]:
    """E296: the conditions of one direction that are not one query."""
    for annotation in migration.annotations:
        if annotation.key not in KEYS or annotation.direction is not direction:
            continue
        try:
            one_query(annotation.value)
        except NotOneQueryError as exc:
            raw = Condition(KEYS[annotation.key], migration.name, annotation.value, annotation.place)
            statement, offset = raw.located(exc.offset)
            before = statement.sql[: offset or 0]
            breaks = before.count("\n")
            column = len(before) - before.rfind("\n") if breaks else statement.column + len(before)
            error = Origin(annotation.place.path).error(
                "E296", f"{raw.title}: {exc.message}", (statement.line + breaks, column), hint=_HINT
            )
            yield Problem("E296", error.message, Severity.ERROR, error.place, _HINT, error.excerpt)
