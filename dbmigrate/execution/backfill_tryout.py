"""A backfill where nothing is recorded: on a scratch database, or in a transaction that is rolled back.

The three forms of a page's condition run with bounds that are NULL, which proves types without rows; where there are
rows, three pages follow.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate.backfill import key as keys
from dbmigrate.backfill import options
from dbmigrate.connection import database
from dbmigrate.errors import MigrationFailed, Refused
from dbmigrate.execution import backfill_guards
from dbmigrate.execution.backfill_pages import origin, paged_of
from dbmigrate.execution.batches import StatementError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dbmigrate.backfill.key import Key, Values
    from dbmigrate.connection.database import Connection
    from dbmigrate.model import Migration, Section, Statement

    Condition = Callable[[str | None], str]

__all__ = ["Tryout"]

_PAGES = 3


class Tryout:
    """The statements of one backfill with conditions in them, for an open transaction.

    Raises MigrationFailed E401 where a run would refuse the table or a statement.
    """

    def __init__(self, conn: Connection, migration: Migration, section: Section, written: Sequence[Statement]) -> None:
        self._conn = conn
        self._written = [(statement, paged_of(statement)) for statement in written]
        try:
            self._key: Key = keys.find(conn, options.settings(section.options))
            for statement in written:
                backfill_guards.refuse_key_change(self._key, statement, migration.file.path)
        except Refused as exc:
            raise exc.recast(MigrationFailed, f"{migration.name}: {exc.message}", code="E401") from exc
        self._made: list[tuple[Statement, int, Condition]] = []
        for condition in self._conditions():
            for index, (statement, paged) in enumerate(self._written):
                self._made.append((replace(statement, sql=paged.expanded(condition), filled=None), index, condition))

    @property
    def statements(self) -> list[Statement]:
        return [made for made, _, _ in self._made]

    def placed(self, exc: StatementError) -> StatementError:
        """The same error with its place in the file."""
        for made, index, condition in self._made:
            if made is exc.statement:
                statement, paged = self._written[index]
                offset = None if exc.offset is None else origin(statement, paged.offset(exc.offset, condition))
                return StatementError(exc.cause, statement, offset)
        return exc

    def _conditions(self) -> Iterator[Condition]:
        for form in range(3):
            yield lambda alias, form=form: self._key.empty_conditions(alias)[form]  # type: ignore[misc]
        after: Values | None = None
        for upto in self._bounds():
            yield lambda alias, after=after, upto=upto: self._key.condition(alias, after, upto)  # type: ignore[misc]
            after = upto

    def _bounds(self) -> Iterator[Values | None]:
        """The ends of pages with a third of the rows each; none without rows."""
        count = int(str(database.query(self._conn, f"select count(*) from {self._key.qualified}")[0][0]))
        after: Values | None = None
        while count:
            rows = database.query(self._conn, self._key.bound(after, -(-count // _PAGES), None).rstrip(";"))
            after = tuple(map(str, rows[0][:-1])) if rows else None
            yield after
            if after is None:
                return
