"""How a session is opened: to which server, as which command, for which table, by whom."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.events import Event
    from dbmigrate.model import MigrationFile
    from dbmigrate.tracking.write_log import Run


@contextmanager
def nothing_held() -> Iterator[Callable[[], None]]:
    """Signals are not kept back: one that comes in a page has it rolled back."""
    yield lambda: None


@frozen
class Access:
    """How a session is opened: to which server, as which command, for which table, by whom.

    `files` lists the migrations of this project, which identify its history; None for a database outside the project.
    `siblings` are the tracking tables of other services; `is_of_service`: the table is that of a service, by its name.
    `hold_signals` keeps a signal back while a page of a backfill runs; the function that it yields acts on it.
    """

    dsn: Dsn
    command: str
    table: str
    lock_wait: float
    on_event: Callable[[Event], None]
    describe_run: Callable[[], Run]
    files: Callable[[], Sequence[MigrationFile]] | None = None
    siblings: tuple[str, ...] = ()
    is_of_service: bool = False
    hold_signals: Callable[[], AbstractContextManager[Callable[[], None]]] = nothing_held
