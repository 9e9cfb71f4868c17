"""What is committed in a scratch database, asked of a second session: prepared there once, and only where it is needed.

The session that runs migrations forgets its prepared statements before each of them, and planning takes longer than the
answers. Most migrations of a project only make new tables: what the others are like need not be read for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from dbmigrate.impact import snapshot

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from dbmigrate.connection.database import Connection
    from dbmigrate.impact.snapshot import Baseline
    from dbmigrate.impact.values import Relation

__all__ = ["Committed"]

_QUERIES = (("relations", "", snapshot.RELATIONS), ("touched", "(int4, int8)", snapshot.TOUCHED))


class Committed:
    """`conn` is a session in the database that runs nothing while a migration is measured.

    `has_relations`: whether there was something that a migration could impair; an empty database is looked at again.
    """

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._generation = 0
        self.has_relations = False

    def baseline(self, *, without: Collection[Relation], scans: Mapping[int, int]) -> Baseline:
        """As `snapshot.baseline`; `scans` are those of the session that runs the migration, where there are some."""
        found = snapshot.baseline_of(self._asked("relations"), without=without, scans=scans)
        self.has_relations = bool(found.relations)
        return found

    def is_touched(self, pid: int, newest: int) -> bool:
        """Whether the session `pid` holds a lock on a relation with an object id of at most `newest`."""
        return bool(self._asked("touched", f"({pid}, {newest})")[0][0])

    def _asked(self, name: str, arguments: str = "") -> list[tuple[object, ...]]:
        if self._generation:
            try:
                return self._executed(name, arguments)
            except psycopg.errors.InvalidSqlStatementName:  # a migration has discarded it
                pass
        self._generation += 1
        for each, types, text in _QUERIES:
            self._conn.execute(f"PREPARE {self._name(each)}{types} AS {text}".encode())
        return self._executed(name, arguments)

    def _executed(self, name: str, arguments: str) -> list[tuple[object, ...]]:
        return self._conn.execute(f"EXECUTE {self._name(name)}{arguments}".encode(), binary=True).fetchall()

    def _name(self, name: str) -> str:
        return f"dbmigrate_{name}_{self._generation}"
