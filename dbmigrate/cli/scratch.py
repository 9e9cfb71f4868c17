"""Where a command may create scratch databases: from its options and the settings."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate.cli import scratch_choice
from dbmigrate.events import Warned
from dbmigrate.model import Problem, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dbmigrate.cli.call import Call
    from dbmigrate.connection.database import Connection
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.scratch.choose import Choice, TargetServer


def choice(
    call: Call, *, target: Dsn | None = None, on_target: TargetServer | None = None, major: int | None = None
) -> Choice:
    """Where scratch databases may be created. `major` is the major version of the target's server, where it is known.

    The command has to take `options.SCRATCH`.
    """
    from dbmigrate.scratch.choose import TargetServer

    found = scratch_choice.of(call.settings())
    return replace(found, target=target, on_target=on_target or TargetServer.UNUSED, major=major)


def for_check(call: Call, target: Dsn | None, live: Connection | None) -> Choice:
    """A new database on the target's server, unless it is protected; then on a server of our own of its version.

    `live` is a session of the target, if there is one.
    """
    major = live.info.server_version // 10000 if live is not None else None
    return replace(scratch_choice.beside_target(call.settings()), target=target, major=major)


def show_notes(call: Call, notes: Iterable[str]) -> None:
    """Print what a user has to know about the scratch server, on stderr."""
    for note in notes:
        call.renderer.on_event(Warned(Problem("W600", note, Severity.NOTE)))
