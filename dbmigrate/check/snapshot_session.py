"""Answers a question about a database as it was at one moment, while other sessions go on with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from dbmigrate.catalog import prepared
from dbmigrate.connection import database
from dbmigrate.errors import Error
from dbmigrate.execution import batches

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbmigrate.catalog.prepared import Question
    from dbmigrate.connection.database import Connection

_FIRST = 4  # a login takes as long as so many answers


class SnapshotSession:
    """A session of its own, opened once it pays. If something goes wrong with it, it answers nothing any more."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        """`connect` opens the session; it is closed by the caller at the latest."""
        self._connect = connect
        self._conn: Connection | None = None
        self._preparation = ""
        self._rest = _FIRST
        self._is_closed = False

    def begin(self, question: Question) -> bool:
        """Ask about what is there now; whether that could be done. `finish` has the answer."""
        self._rest -= 1
        if self._rest >= 0 or self._is_closed:
            return False
        try:
            if self._conn is None:
                self._conn = self._connect()
            if self._preparation != question.preparation:
                database.run(self._conn, question.preparation)
                self._preparation = question.preparation
            before, query, after = prepared.in_own_transaction(question.text)
            database.run(self._conn, before)  # now it sees what is there
            batches.ask_later(self._conn, f"{query}{after}".encode())
        except (Error, psycopg.Error):
            self.close()
        return not self._is_closed

    def finish(self) -> tuple[str, ...] | None:
        """The row that answers the question, None without an answer."""
        assert self._conn is not None
        try:
            found = batches.answers(self._conn)
        except psycopg.Error:
            self.close()
            return None
        if found.error is not None:
            self.close()
            return None
        return found.rows[0]

    def close(self) -> None:
        """End it, with what it has been asked. It answers nothing any more."""
        self._is_closed = True
        if self._conn is not None:
            database.close(self._conn)
