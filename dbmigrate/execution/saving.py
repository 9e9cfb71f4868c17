"""What is saved of the data that a statement destroys: called directly before it, in the migration's transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from dbmigrate.execution import batches
from dbmigrate.execution.observer import grouped
from dbmigrate.migrations import parser

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dbmigrate.execution.conditions import Context
    from dbmigrate.execution.observer import Observer
    from dbmigrate.model import Batch, Migration, Section, Statement


class Saver(Protocol):
    """Saves what statements destroy. A new try of a migration saves again."""

    def wants(self, statement: Statement) -> bool:
        """Whether something of it is to be saved before the statement."""
        ...

    def save(self, context: Context, statement: Statement) -> None:
        """Save it. Raises what ends the migration."""
        ...

    def discard(self) -> None:
        """Forget what was saved since the last COMMIT: the transaction is rolled back."""
        ...

    def keep(self) -> None:
        """The COMMIT is about to be sent: what was saved stays, whatever its outcome."""
        ...


def pieces(
    migration: Migration, sections: Iterable[Section], saver: Saver | None, observer: Observer | None
) -> Iterator[tuple[Statement | None, Iterator[Batch]]]:
    """The batches of these sections, cut before each statement that `saver` wants, with that statement.

    A batch never spans sections. `observer` is there in rehearsals, which save nothing.
    """
    for section in sections:
        if saver is None:
            of_file = parser.batches(migration, section) if observer is None else None
            yield None, grouped(parser.statements(migration, section), observer) if of_file is None else of_file
        else:
            yield from _cut(parser.statements(migration, section), saver)


def _cut(statements: Iterator[Statement], saver: Saver) -> Iterator[tuple[Statement | None, Iterator[Batch]]]:
    """A piece has to be read to its end before the next one is asked for: COPY data is read once."""
    held = next(statements, None)

    def piece(first: Statement) -> Iterator[Statement]:
        nonlocal held
        yield first
        for held in statements:
            if saver.wants(held):
                return
            yield held
        held = None

    while held is not None:
        yield held if saver.wants(held) else None, batches.group(piece(held))
