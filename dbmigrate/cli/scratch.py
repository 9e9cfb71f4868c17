"""Where a command may make scratch databases: from its flags and the environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from dbmigrate.events import Warned
from dbmigrate.model import Problem, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dbmigrate.cli.call import Call
    from dbmigrate.connection.database import Connection
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.scratch.choose import Choice, TargetServer

ScratchUrl = Annotated[
    str | None,
    typer.Option(
        "--scratch-url",
        metavar="URL",
        help="Server for scratch databases: SQL of the files runs there. [DBMIGRATE_SCRATCH_URL, otherwise its own]",
    ),
]

SCRATCH: dict[str, Any] = {"scratch_url": ScratchUrl}  # for `common_with`


def choice(
    call: Call, *, target: Dsn | None = None, on_target: TargetServer | None = None, major: int | None = None
) -> Choice:
    """Where scratch databases may be made. `major` is that of the target's server, where it is known.

    The command has to take `SCRATCH`.
    """
    from dbmigrate.connection.programs import Search
    from dbmigrate.scratch import choose

    settings = call.settings()
    return choose.Choice(
        explicit=settings.scratch(),
        target=target,
        on_target=on_target or choose.TargetServer.UNUSED,
        major=major,
        search=Search.from_environ(settings.environ),
        cache=choose.cache_directory(settings.environ),
    )


def for_check(call: Call, target: Dsn | None, live: Connection | None) -> Choice:
    """A new database on the target's server, unless that is protected; else on one of our own like it.

    `live` is a session of the target, if there is one.
    """
    from dbmigrate.scratch.choose import TargetServer

    on_target = TargetServer.UNUSED if call.settings().is_protected else TargetServer.USED
    major = live.info.server_version // 10000 if live is not None else None
    return choice(call, target=target, on_target=on_target, major=major)


def tell(call: Call, notes: Iterable[str]) -> None:
    """Say on stderr what should be known about the scratch server."""
    for note in notes:
        call.renderer.on_event(Warned(Problem("W600", note, Severity.NOTE)))
