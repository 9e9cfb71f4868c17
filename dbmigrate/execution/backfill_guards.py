"""What is looked at before the first page of a backfill: statements, triggers, and whether pages use the key."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import psycopg

from dbmigrate.backfill import placement
from dbmigrate.connection import database
from dbmigrate.errors import Refused
from dbmigrate.events import Warned
from dbmigrate.execution import backfill_pages, server_errors
from dbmigrate.execution.batches import StatementError
from dbmigrate.model import Problem, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dbmigrate.backfill.key import Key
    from dbmigrate.execution.backfill_pages import Limits, Page, Pages
    from dbmigrate.execution.session import Session
    from dbmigrate.model import Migration, Statement

_TRIGGERS = """
select t.tgname::text from pg_catalog.pg_trigger t where t.tgrelid = %s::int8::oid and not t.tgisinternal
  and t.tgenabled in ('O', 'A') and t.tgtype & %s::int4 <> 0 order by 1
"""
_TREE = """
select c.relname::text from pg_catalog.pg_partition_tree(%s::int8::oid::regclass) t
join pg_catalog.pg_class c on c.oid = t.relid
"""
_EVENTS = {"INSERT": 4, "DELETE": 8, "UPDATE": 16}  # bits of tgtype
_LARGE = 100_000  # rows above which a page must not read the whole table


class Guards:
    """Looks at one backfill before its first page."""

    def __init__(self, session: Session, migration: Migration, key: Key, pages: Pages) -> None:
        self._session = session
        self._migration = migration
        self._key = key
        self._pages = pages

    def before(self, limits: Limits) -> None:
        """Raises Refused E765, and StatementError for a statement that the server cannot plan."""
        for statement, _ in self._pages.statements:
            refuse_key_change(self._key, statement, self._migration.file.path)
        self._name_triggers()
        self._plan_forms(limits)

    def of_page(self, page: Page, limits: Limits) -> None:
        """Whether the statements find the rows of a page by the key. Raises Refused E763."""
        for index, (statement, paged) in enumerate(self._pages.statements):

            def condition(alias: str | None) -> str:
                return self._key.condition(alias, page.after, page.upto)

            found = self._explained(index, paged.expanded(condition), limits, condition)
            if not self._tables().isdisjoint(_scanned(found)):
                self._unused(statement)

    def _tables(self) -> set[str]:
        """The names of the table and its partitions."""
        return {self._key.table, *(str(row[0]) for row in database.query(self._session.conn, _TREE, self._key.oid))}

    def _unused(self, statement: Statement) -> None:
        place = server_errors.place_of(self._migration.file.path, statement)
        message = f"a page of this statement reads the whole of {self._key.shown}: its condition does not use the key"
        hint = "write the table that `:batch` is about, and join the others to it"
        if self._key.reltuples > _LARGE:
            raise Refused(message, code="E763", place=place, hint=hint)
        self._session.emit(Warned(Problem("W351", message, place=place, hint=hint)))

    def _name_triggers(self) -> None:
        words = {first for statement, _ in self._pages.statements if (first := statement.sql[:6].upper()) in _EVENTS}
        bits = sum(_EVENTS[word] for word in words)
        found = [str(row[0]) for row in database.query(self._session.conn, _TRIGGERS, self._key.oid, bits)]
        if found:
            message = f"triggers of {self._key.shown} fire for each row: {', '.join(found)}"
            self._session.emit(Warned(Problem("W352", message, Severity.NOTE)))

    def _plan_forms(self, limits: Limits) -> None:
        """Plan the forms of the condition with bounds that are NULL: types are proved also where there are no rows."""
        for index, (_, paged) in enumerate(self._pages.statements):
            for form in range(3):

                def condition(alias: str | None, form: int = form) -> str:
                    return self._key.empty_conditions(alias)[form]

                self._explained(index, paged.expanded(condition), limits, condition)

    def _explained(
        self, index: int, sql: str, limits: Limits, condition: Callable[[str | None], str]
    ) -> dict[str, object]:
        prefix = "explain (format json) "
        try:
            row = self._pages.own(limits, f"{prefix}{sql.rstrip().rstrip(';')}\n;")
        except psycopg.Error as exc:
            statement, _ = self._pages.statements[index]
            before = len(backfill_pages.preamble(limits)) + len(prefix)
            position = int(exc.diag.statement_position or 0) - 1 - before
            offset = position if position >= 0 else None
            raise self._pages.placed(StatementError(exc, statement, offset), index, condition) from exc
        plan: dict[str, object] = json.loads(row[0])[0]["Plan"]
        return plan


def refuse_key_change(key: Key, statement: Statement, path: str) -> None:
    """Raise Refused E765 for an UPDATE that moves rows along the key: pages would meet them twice, or not at all."""
    if not placement.changes(statement.sql, (key.schema, key.table)):
        return
    moved = placement.assigned(statement.sql) & set(key.names)
    if moved:
        raise Refused(
            f"this statement changes {sorted(moved)[0]}, which the pages of {key.shown} follow",
            code="E765",
            place=server_errors.place_of(path, statement),
            hint="name another unique index with `key:`",
        )


def _scanned(plan: dict[str, object]) -> Iterator[str]:
    """The tables that a plan reads as a whole, below any of its nodes."""
    if plan.get("Node Type") == "Seq Scan":
        yield str(plan.get("Relation Name"))
    children = plan.get("Plans", [])
    assert isinstance(children, list)
    for child in children:
        yield from _scanned(child)
