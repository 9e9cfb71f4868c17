"""The pages of a backfill on the server: each one is a transaction that moves the cursor and runs the statements.

The cursor is claimed first: a second runner waits there for the row lock, finds the cursor elsewhere, and has changed
nothing. So whatever happens to a connection, the cursor is the outcome.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate.backfill import placement
from dbmigrate.backfill.key import TEXT_SETTINGS
from dbmigrate.errors import MigrationFailed, MigrationFileError
from dbmigrate.execution import batches, breaker, lock_retries, server_errors
from dbmigrate.frozen import frozen
from dbmigrate.model import LogState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dbmigrate.backfill.cursor import Cursor
    from dbmigrate.backfill.key import Key, Values
    from dbmigrate.execution.session import Session
    from dbmigrate.execution.substeps import SubStep
    from dbmigrate.model import Batch, Migration, Statement

_HINT_OF_ALIAS = "the table has an alias in this statement: write `:batch(alias)`"
_MUCH = 100  # rows that triggers, or rows added meanwhile, may add to a page's


@frozen
class Limits:
    """Time limits of a page's transaction, in seconds; 0 is none."""

    lock_timeout: float
    statement_timeout: float = 0.0

    @property
    def text(self) -> str:
        return (
            f"SET LOCAL lock_timeout = {lock_retries.milliseconds(self.lock_timeout)};\n"
            f"SET LOCAL statement_timeout = {lock_retries.milliseconds(self.statement_timeout)};\n"
        )


@frozen
class Page:
    """The rows behind `after`, up to `upto`: `rows` of them, unless it is the open last one."""

    after: Values | None
    upto: Values | None
    rows: int


@frozen
class Bound:
    """The last key of a page, and whether it is behind the finish line."""

    upto: Values
    is_past: bool


@frozen
class PageDone:
    """What a page did: rows changed, and how long its statements took."""

    rows: int
    seconds: float
    tags: tuple[bytes, ...]


class Pages:
    """Runs pages of one backfill in one session."""

    def __init__(
        self, session: Session, migration: Migration, substep: SubStep, key: Key, max_blocked: float | None = None
    ) -> None:
        """`max_blocked` is how long others may wait for a page."""
        self._session = session
        self._max_blocked = max_blocked
        self.is_asked = any(each.key == "check" for each in migration.annotations)
        self._migration = migration
        self._key = key
        self._statements = tuple((each, self._paged(each)) for each in substep.statements)

    @property
    def statements(self) -> Sequence[tuple[Statement, placement.Paged]]:
        return self._statements

    def _paged(self, statement: Statement) -> placement.Paged:
        """Raises MigrationFileError E287, E288: statements of a very large file are looked at only here."""
        try:
            return paged_of(statement)
        except placement.PlacementError as exc:
            place = server_errors.place_of(self._migration.file.path, statement, exc.start)
            raise MigrationFileError(exc.message, code=exc.code, hint=exc.hint, place=place) from exc

    # -- where pages end

    def bound(self, cursor: Cursor, rows: int, limits: Limits) -> Bound | None:
        """The end of the next page; None if fewer than `rows` rows are left."""
        row = self.own(limits, self._key.bound(cursor.after, rows, cursor.until))
        return Bound(row[:-1], row[-1] == "true" or cursor.until is None) if row else None

    def highest(self, limits: Limits) -> Values | None:
        return self.own(limits, self._key.highest()) or None

    def left(self, cursor: Cursor, limits: Limits) -> float | None:
        """The server's estimate of the rows behind the cursor; None where it has no statistics."""
        if self._key.reltuples < 0:
            return None
        row = self.own(limits, self._key.rest(cursor.after))
        return float(json.loads(row[0])[0]["Plan"]["Plan Rows"])

    def own(self, limits: Limits, query: str) -> tuple[str, ...]:
        """The first row of a query of dbmigrate, as text that does not depend on the session."""
        return self._ask(f"{preamble(limits)}{query}\nCOMMIT;\n").row

    # -- one page

    def run(self, page: Page, event_id: int, before: Cursor, made: Callable[[int], Cursor], limits: Limits) -> PageDone:
        """Run the statements for one page and move the cursor; `made` gives the new one for the rows changed.

        Raises StatementError, whose place is in the file; psycopg.Error, MigrationFailed E403, E415,
        BlocksTooLongError.
        """
        claim = self._session.writer.cursor_claimed(event_id, before.pages, json.dumps(before.after))
        self._ask(f"BEGIN READ WRITE;\n{limits.text}{_SETTINGS}{claim}")
        began, tags = time.monotonic(), self._send(page)
        seconds = time.monotonic() - began
        rows = sum(map(_rows, tags))
        cursor = made(rows)
        state = LogState.DONE if cursor.ended and not self.is_asked else LogState.STARTED
        self._commit(self._session.writer.cursor_moved(event_id, cursor.to_json(), state=state))
        return PageDone(rows, seconds, tuple(tags))

    def move(self, event_id: int, before: Cursor, now: Cursor, state: LogState) -> None:
        """Move the cursor between two passes, or close its entry after the last one."""
        claim = self._session.writer.cursor_claimed(event_id, before.pages, json.dumps(before.after))
        self._ask(f"BEGIN READ WRITE;\nSET LOCAL lock_timeout = '2s';\n{claim}")
        self._commit(self._session.writer.cursor_moved(event_id, now.to_json(), state=state))

    def _commit(self, moved: str) -> None:
        answer = self._ask(f"SET CONSTRAINTS ALL IMMEDIATE;\n{moved}COMMIT;\n")
        if not answer.tags or answer.tags[-1] != b"COMMIT":
            raise MigrationFailed(f"{self._migration.name}: the page was rolled back by the server", code="E403")

    def _send(self, page: Page) -> list[bytes]:
        def condition(alias: str | None) -> str:
            return self._key.condition(alias, page.after, page.upto)

        expanded = [replace(each, sql=paged.expanded(condition), filled=None) for each, paged in self._statements]
        conn, tags = self._session.conn, []
        silence, others = self._session.monitor.watch(conn), breaker.of_page(self._session, self._max_blocked)

        def pulse(batch: Batch) -> None:
            silence()
            others(batch)

        try:
            for _, found in batches.send_all(conn, expanded, pulse=pulse):
                tags += found
        except batches.StatementError as exc:
            raise self.placed(exc, expanded.index(exc.statement), condition) from exc
        for tag, (statement, _) in zip(tags, self._statements, strict=True):
            self._refuse_many(statement, page, _rows(tag))
        return tags

    def placed(
        self, exc: batches.StatementError, index: int, condition: Callable[[str | None], str]
    ) -> batches.StatementError:
        """The same error with its place in the statement as it is in the file."""
        statement, paged = self._statements[index]
        offset = None if exc.offset is None else origin(statement, paged.offset(exc.offset, condition))
        return batches.StatementError(exc.cause, statement, offset)

    def _refuse_many(self, statement: Statement, page: Page, changed: int) -> None:
        """An UPDATE or DELETE of the table that changes far more rows than its page has does not obey `:batch`."""
        table = (self._key.schema, self._key.table)
        if page.upto is None or changed <= 2 * page.rows + _MUCH or not placement.changes(statement.sql, table):
            return
        raise MigrationFailed(
            f"{self._migration.name}: a page of {page.rows} rows changed {changed}: is `:batch` behind an OR?",
            code="E415",
            place=server_errors.place_of(self._migration.file.path, statement),
            hint="write the other conditions in parentheses: `(a or b) and :batch`",
        )

    def _ask(self, script: str) -> batches.Answer:
        conn = self._session.conn
        answer = batches.ask(conn, script, pulse=self._session.monitor.watch(conn))
        if answer.error is not None:
            raise answer.error
        return answer


# a page must not be left open by a client that hangs
_SETTINGS = "SET LOCAL row_security = off;\nSET LOCAL idle_in_transaction_session_timeout = '60s';\n"


def preamble(limits: Limits) -> str:
    """What is sent before a query of dbmigrate."""
    return f"BEGIN;\n{limits.text}{TEXT_SETTINGS}\n"


def paged_of(statement: Statement) -> placement.Paged:
    """What is sent of a statement, with the values of its variables."""
    return placement.paged(statement.sql if statement.filled is None else statement.filled.text)


def origin(statement: Statement, offset: int) -> int:
    """Where in the file's text that is."""
    return offset if statement.filled is None else statement.filled.origin(offset)


def hint_of(cause: object) -> str | None:
    """What to do about an error that only a backfill has."""
    return _HINT_OF_ALIAS if getattr(cause, "sqlstate", None) == "42P01" else None


def _rows(tag: bytes) -> int:
    last = tag.rsplit(b" ", 1)[-1]
    return int(last) if last.isdigit() else 0
