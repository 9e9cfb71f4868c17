"""Where a command may make scratch databases: from its flags and the environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dbmigrate.events import Warned
from dbmigrate.model import Problem, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dbmigrate.cli.call import Call
    from dbmigrate.database import Connection
    from dbmigrate.dsn import Dsn
    from dbmigrate.scratch import Choice, TargetServer

ScratchUrl = Annotated[
    str | None,
    typer.Option(
        "--scratch-url",
        metavar="URL",
        help="Server for scratch databases: SQL of the files runs there. [DBMIGRATE_SCRATCH_URL, otherwise its own]",
    ),
]


def choice(
    call: Call, *, target: Dsn | None = None, on_target: TargetServer | None = None, major: int | None = None
) -> Choice:
    """Where scratch databases may be made. `major` is that of the target's server, where it is known.

    ``--scratch-url`` has to be in `call` already (`Call.add`, as ``scratch_url``).
    """
    from dbmigrate import scratch
    from dbmigrate.embedded import Search

    settings = call.settings()
    return scratch.Choice(
        explicit=settings.scratch(),
        target=target,
        on_target=on_target or scratch.TargetServer.UNUSED,
        major=major,
        search=Search.from_environ(settings.environ),
        cache=scratch.cache_directory(settings.environ),
    )


def for_check(call: Call, target: Dsn | None, live: Connection | None) -> Choice:
    """A new database on the target's server, unless that is protected; else on one of our own like it.

    `live` is a session of the target, if there is one.
    """
    from dbmigrate.scratch import TargetServer

    on_target = TargetServer.UNUSED if call.settings().is_protected else TargetServer.USED
    major = live.info.server_version // 10000 if live is not None else None
    return choice(call, target=target, on_target=on_target, major=major)


def tell(call: Call, notes: Iterable[str]) -> None:
    """Say on stderr what should be known about the scratch server."""
    for note in notes:
        call.renderer.on_event(Warned(Problem("W600", note, Severity.NOTE)))
