"""Commands for the database itself and its schema file. Each one parses, calls one method, renders what it returns."""

from __future__ import annotations

from typing import Annotated

import typer

from dbmigrate.cli.call import Call, dumping
from dbmigrate.cli.options import Confirm, common


@common
def create(call: Call) -> None:
    """Create the database."""
    with call.migrator() as migrator:
        migrator.create()
    call.renderer.finished("create")


@common
def drop(call: Call, confirm: Confirm = None) -> None:
    """Drop the database if it exists."""
    from dbmigrate.cli import guarding

    guarding.before_destroying(call, "drop the database", confirm=confirm)
    with call.migrator() as migrator:
        migrator.drop()
    call.renderer.finished("drop")


@common
def dump(
    call: Call,
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[-- PG_DUMP_OPTION...]", help="Handed to pg_dump.")
    ] = None,
) -> None:
    """Write the schema file."""
    with call.migrator() as migrator:
        written = migrator.dump(dumping(call.settings()), arguments=arguments or ())
    call.renderer.outcome("dump", (), {"path": written.path, "added": written.added, "removed": written.removed})


@common
def load(call: Call, confirm: Confirm = None) -> None:
    """Load the schema file into the database, whole or not at all."""
    from dbmigrate.cli import guarding

    guarding.before_destroying(call, f"load {call.settings().schema_file}", confirm=confirm)
    with call.migrator() as migrator:
        loaded = migrator.load(call.settings().schema_file)
    call.renderer.outcome("load", (), {"path": loaded.path, "recorded": loaded.recorded})


@common
def wait(call: Call) -> None:
    """Wait until the server answers."""
    settings = call.settings()
    with call.migrator() as migrator:
        migrator.wait(timeout=settings.wait_timeout, interval=settings.wait_interval)
    call.renderer.finished("wait")
