"""The steps of a non-transactional migration: a statement, a BEGIN..COMMIT block of the file, or a section."""

from __future__ import annotations

from dataclasses import replace
from inspect import GEN_CREATED, getgeneratorstate
from types import GeneratorType
from typing import TYPE_CHECKING

from dbmigrate.execution import batches
from dbmigrate.frozen import frozen
from dbmigrate.migrations import parser
from dbmigrate.model import StatementKind
from dbmigrate.sql import statements

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbmigrate.model import Direction, Migration, Section, Statement


@frozen
class SubStep:
    """A step of a non-transactional migration, which is done as a whole.

    `number` is that of its first statement. `is_atomic`: it is committed together with its log entry. `opening` is the
    BEGIN that dbmigrate sends; empty where the file has one. (`model.Step` is a step of a plan: a whole migration.)
    """

    number: int
    statements: tuple[Statement, ...]
    is_atomic: bool
    # a file may make its session read-only, where no log entry can be written
    opening: str = "BEGIN READ WRITE;"
    backfill: Section | None = None  # the section that runs in pages

    @property
    def first(self) -> Statement:
        return self.statements[0]

    @property
    def last_number(self) -> int:
        return self.number + len(self.statements) - 1


def substeps(migration: Migration, direction: Direction) -> Iterator[SubStep]:
    """The steps of one direction, numbered by their first statement, from 1."""
    number = 1
    for section in migration.run_order(direction):
        for substep in _of_section(migration, section, number):
            yield substep
            number = substep.last_number + 1


def _of_section(migration: Migration, section: Section, number: int) -> Iterator[SubStep]:
    if section.transaction:
        whole = tuple(map(_held, parser.statements(migration, section)))
        if whole:
            yield SubStep(number, whole, is_atomic=True)
        return
    if section.is_backfill:
        whole = tuple(parser.statements(migration, section))
        if whole:
            yield SubStep(number, whole, is_atomic=False, backfill=section)
        return
    block: list[Statement] = []
    for position, statement in enumerate(parser.statements(migration, section), number):
        if block or statement.kind is StatementKind.BEGIN:
            block.append(_held(statement))
            if statement.kind is StatementKind.COMMIT:
                yield SubStep(position - len(block) + 1, tuple(block), is_atomic=True, opening="")
                block = []
        else:
            yield SubStep(position, (statement,), is_atomic=not _is_outside(statement))


def _held(statement: Statement) -> Statement:
    """A statement with its COPY data in memory, because the statements after it are read before it runs."""
    return statement if statement.copy_data is None else replace(statement, copy_data=tuple(statement.copy_data))


def _is_outside(statement: Statement) -> bool:
    """CALL may commit, which its syntax does not show; outside a block the server allows that."""
    return statement.kind is StatementKind.OUTSIDE or statements.first_word(statement.sql) == "CALL"


def can_repeat(substep: SubStep) -> bool:
    """Whether all of its COPY data can still be read: that of a large file is read once."""
    streams = (statement.copy_data for statement in substep.statements)
    return all(getgeneratorstate(data) == GEN_CREATED for data in streams if isinstance(data, GeneratorType))


def as_one(substep: SubStep) -> Statement:
    """A step of several statements as one text, for the log."""
    return replace(substep.first, sql=batches.text_of(substep.statements), copy_data=None)
