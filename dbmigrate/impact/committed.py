"""What is committed in a scratch database, asked of a second session: prepared there once, and only where it is needed.

The session that runs migrations forgets its prepared statements before each of them, and planning takes longer than the
answers. Most migrations of a project only make new tables: what the others are like need not be read for them.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import psycopg

from dbmigrate.connection import database
from dbmigrate.execution import batches
from dbmigrate.impact import snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from dbmigrate.connection.database import Connection
    from dbmigrate.impact.snapshot import Baseline
    from dbmigrate.impact.values import Relation

__all__ = ["Committed"]

Answer = TypeVar("Answer")

_QUERIES = (("relations", "", snapshot.RELATIONS), ("touched", "(int4, int8)", snapshot.TOUCHED))


class Committed:
    """`conn` is a session in the database that runs nothing while a migration is measured.

    `has_relations`: whether there was something that a migration could impair; an empty database is looked at again.
    `undone_seconds` is how long those runs took in all that were undone, because more had to be looked at.
    """

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._generation = 0
        self.has_relations = False
        self.undone_seconds = 0.0

    def baseline(self, *, without: Collection[Relation], scans: Mapping[int, int]) -> Baseline:
        """As `snapshot.baseline`; `scans` are those of the session that runs the migration, where there are some."""
        found = snapshot.baseline_of(self._prepared(lambda: self._rows("relations")), without=without, scans=scans)
        self.has_relations = bool(found.relations)
        return found

    def is_touched(self, pid: int, newest: int) -> bool:
        """Whether the session `pid` holds a lock on a relation with an object id of at most `newest`."""
        return self._prepared(lambda: self._row("touched", f"({pid}, {newest})")) == ("t",)

    def _prepared(self, ask: Callable[[], Answer]) -> Answer:
        if self._generation:
            with suppress(psycopg.errors.InvalidSqlStatementName):  # a migration has discarded it
                return ask()
        self._generation += 1
        for name, types, text in _QUERIES:
            database.run(self._conn, f"PREPARE {self._name(name)}{types} AS {text}")
        return ask()

    def _rows(self, name: str) -> list[tuple[object, ...]]:
        return database.query(self._conn, f"EXECUTE {self._name(name)}")

    def _row(self, name: str, arguments: str) -> tuple[str, ...]:
        """As text, in half of the time."""
        answer = batches.ask(self._conn, f"EXECUTE {self._name(name)}{arguments};")
        if answer.error is not None:
            raise answer.error
        return answer.row

    def _name(self, name: str) -> str:
        return f"dbmigrate_{name}_{self._generation}"
