"""How a session is opened: to which server, as which command, for which table, by whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.events import Event
    from dbmigrate.model import MigrationFile
    from dbmigrate.tracking.write_log import Run


@frozen
class Access:
    """How a session is opened: to which server, as which command, for which table, by whom.

    `files` lists the migrations of this project, which identify its history; None for a database outside the project.
    """

    dsn: Dsn
    command: str
    table: str
    lock_wait: float
    on_event: Callable[[Event], None]
    describe_run: Callable[[], Run]
    files: Callable[[], Sequence[MigrationFile]] | None = None
