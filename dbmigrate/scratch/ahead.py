"""Makes a scratch database on a server that is there, while the files that will run in it are still read."""

from __future__ import annotations

from threading import Thread
from typing import TYPE_CHECKING

from dbmigrate.errors import Error

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbmigrate.scratch.server import ScratchServer


class Ahead:
    """Opens a server in a thread. Leaving the block drops the database there that was not used."""

    def __init__(self, prepare: Callable[[], ScratchServer] | None) -> None:
        """`prepare` opens the server and makes a spare database; None where it is not known yet which one will do."""
        self._prepare = prepare
        self._server: ScratchServer | None = None
        self._error: BaseException | None = None
        self._thread = Thread(target=self._work, name="scratch database", daemon=True)

    def __enter__(self) -> Ahead:
        if self._prepare is not None:
            self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._prepare is not None:
            self._thread.join()
        if self._server is not None:
            self._server.drop_spare()

    def server(self) -> ScratchServer | None:
        """The server, whose first database is there; None if none was opened. Raises what opening it has raised."""
        if self._prepare is None:
            return None
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._server

    def _work(self) -> None:
        assert self._prepare is not None
        try:
            self._server = self._prepare()
        except Error as exc:
            self._error = exc
