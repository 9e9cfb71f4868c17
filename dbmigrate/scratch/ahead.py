"""Makes a scratch database on a server that is there, while the files that will run in it are still read."""

from __future__ import annotations

from threading import Event, Lock, Thread
from typing import TYPE_CHECKING

import psycopg

from dbmigrate.errors import Error

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from dbmigrate.connection.database import Connection
    from dbmigrate.scratch.server import ScratchServer

    Opening = AbstractContextManager[tuple[ScratchServer, Connection]]


class Ahead:
    """Opens a server in a thread, and makes one database there. Leaving the block drops it if it was not used.

    Nobody waits for a server that does not answer: once the block is left no database is made any more.
    """

    def __init__(self, open_: Callable[[], Opening] | None) -> None:
        """`open_` opens the server; None where it is not known yet which one will do."""
        self._open = open_
        self._server: ScratchServer | None = None
        self._error: Exception | None = None
        self._lock = Lock()
        self._is_making = False
        self._is_over = open_ is None
        # not the thread's end: an interrupted `join` takes a thread for ended that is not (CPython before 3.13)
        self._done = Event()

    def __enter__(self) -> Ahead:
        if self._open is not None:
            Thread(target=self._work, name="scratch database", daemon=True).start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.end()

    def wait(self) -> None:
        """Until the thread has no connection any more."""
        if not self._is_over:
            self._done.wait()

    def server(self) -> ScratchServer | None:
        """The server, whose first database is there; None if none was opened. Raises what opening it has raised."""
        self.wait()
        if self._error is not None:
            raise self._error
        return self._server

    def end(self) -> None:
        """Drop the database if it was not used, and make none if it is not there yet."""
        with self._lock:
            self._is_over = True
        if self._is_making:
            self._done.wait()
        if self._server is not None:
            self._server.drop_spare()

    def _work(self) -> None:
        assert self._open is not None
        try:
            with self._open() as (server, conn):
                if self._may_make():
                    server.make_spare(conn)
                    self._server = server
        except (Error, psycopg.Error, OSError) as exc:
            self._error = exc
        finally:
            self._done.set()

    def _may_make(self) -> bool:
        with self._lock:
            self._is_making = not self._is_over
            return self._is_making
