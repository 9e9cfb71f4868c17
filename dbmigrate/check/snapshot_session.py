"""Answers a question about what is committed in a database, while another session tries what it rolls back."""

from __future__ import annotations

from contextlib import suppress
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

_ANSWER = 2  # which statement of the message answers
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
        """Ask; whether that could be done. Nothing may be committed before `finish` has the answer."""
        self._rest -= 1
        if self._rest >= 0 or self._is_closed:
            return False
        try:
            if self._conn is None:
                self._conn = self._connect()
            if self._preparation != question.preparation:
                database.run(self._conn, question.preparation)
                self._preparation = question.preparation
            batches.ask_later(self._conn, "".join(prepared.in_own_transaction(question.text)).encode())
        except (Error, psycopg.Error):
            self.close()
        return not self._is_closed

    def finish(self) -> tuple[str, ...] | None:
        """The row that answers the question, None without an answer."""
        assert self._conn is not None
        with suppress(psycopg.Error):
            found = batches.answers(self._conn)
            if found.error is None:
                return found.rows[_ANSWER]
        self.close()
        return None

    def close(self) -> None:
        """End it, with what it has been asked. It answers nothing any more."""
        self._is_closed = True
        if self._conn is not None:
            database.close(self._conn)
