"""A server of our own for a test session; under xdist one for all workers of a run.

The first worker that needs it starts it, and writes where it is into a file in the directory of the run. Each one that
uses it holds a shared lock on another file, which ends with the process. The one that started it waits at its end until
nobody else holds one. https://man7.org/linux/man-pages/man2/fcntl_locking.2.html
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, TextIO

from dbmigrate.connection import database, dsn
from dbmigrate.connection.programs import find_server
from dbmigrate.embedded import Options, kept_server, throwaway_server
from dbmigrate.errors import ConnectionFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.pytest_plugin.project import Project

__all__ = ["kept", "of_run", "started"]

_SETTINGS = {"lc_messages": "C", "max_connections": "200"}


@contextmanager
def started(project: Project) -> Iterator[Dsn]:
    """A server for this process alone. Raises ToolMissing E206, ConfigError E207, ConnectionFailed E301."""
    binaries = find_server(project.search)
    settings = _SETTINGS | ({"io_method": "sync"} if binaries.major >= 18 else {})
    with throwaway_server(binaries, cache=project.cache, options=Options(settings=settings)) as server:
        yield dsn.from_keywords(server.conninfo(database.MAINTENANCE))


@contextmanager
def kept(project: Project, directory: Path) -> Iterator[Dsn]:
    """The server whose data stays in `directory`. Raises what `started` does, LockNotAcquired E601: it is in use."""
    with kept_server(directory, project.search) as server:
        yield dsn.from_keywords(server.conninfo(database.MAINTENANCE))


@contextmanager
def of_run(start_one: Callable[[], AbstractContextManager[Dsn]], directory: Path) -> Iterator[Dsn]:
    """A server for all processes that share `directory`: the first one calls `start_one`."""
    with open(directory / "dbmigrate-users.lock", "a+", encoding="utf-8") as users, ExitStack() as owned:
        with open(directory / "dbmigrate-start.lock", "a+", encoding="utf-8") as start:
            fcntl.lockf(start, fcntl.LOCK_EX)
            fcntl.lockf(users, fcntl.LOCK_SH)
            place = directory / "dbmigrate-server.json"
            found = _running(place)
            if found is None:
                found = owned.enter_context(start_one())
                owned.callback(_wait_for_the_others, users)
                _write(place, found)
        yield found


def _running(place: Path) -> Dsn | None:
    """The server that another worker started; None if there is none, or not any more."""
    try:
        found = dsn.from_keywords(json.loads(place.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    try:
        return found if database.exists(found) else None
    except ConnectionFailed:
        return None


def _write(place: Path, server: Dsn) -> None:
    new = place.with_suffix(".new")
    new.write_text(json.dumps(dict(server.conninfo)), encoding="utf-8")
    os.replace(new, place)


def _wait_for_the_others(users: TextIO) -> None:
    """Let go first: two that wait, one for a server that died, must not wait for each other."""
    fcntl.lockf(users, fcntl.LOCK_UN)
    fcntl.lockf(users, fcntl.LOCK_EX)
