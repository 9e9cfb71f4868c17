"""Measuring a run from inside: an observer of the session is called around each of the file's statements.

A run has none. A rehearsal with rows has one, and then every statement is a message of its own, so that there is a
moment after it to look at what it did; rows that are inserted one after the other stay together.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Protocol

from dbmigrate.execution import batches
from dbmigrate.sql.statements import first_word

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dbmigrate.connection.database import Connection
    from dbmigrate.model import Batch, Statement, Step

_BULK = frozenset(("INSERT", "COPY"))  # files of data have millions of them


class Observer(Protocol):
    """What is called during a run. It may use the connection that it was handed, and must leave it as it was."""

    def begin(self, conn: Connection, step: Step) -> None:
        """A transaction of `step`, or a statement outside one, is about to begin; none is open."""

    def sending(self) -> None:
        """The next statement is about to be sent, or will be as soon as the one before it is done."""

    def completed(self, batch: Batch, tags: Sequence[bytes]) -> None:
        """The statements of `batch` are done; their transaction is still open, if they have one."""

    def undone(self) -> None:
        """What was done since `begin` was rolled back, and will be tried again."""


def grouped(statements: Iterable[Statement], observer: Observer | None) -> Iterator[Batch]:
    """The batches of consecutive statements; one for each statement where somebody observes them."""
    if observer is None:
        yield from batches.group(statements)
        return
    for is_bulk, group in groupby(statements, key=lambda statement: first_word(statement.sql) in _BULK):
        for batch in batches.group(group) if is_bulk else _alone(group):
            observer.sending()
            yield batch


def _alone(statements: Iterable[Statement]) -> Iterator[Batch]:
    for statement in statements:
        yield from batches.group((statement,))
