"""Commands for the database itself and its schema file. Each one parses, calls one method, renders what it returns."""

from __future__ import annotations

from typing import Annotated

import typer

from dbmigrate.cli.call import Call, dumping
from dbmigrate.cli.options import common


@common
def create(call: Call) -> None:
    """Create the database."""
    with call.migrator() as migrator:
        migrator.create()
    call.renderer.finished("create")


@common
def drop(call: Call) -> None:
    """Drop the database if it exists."""
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
        migrator.dump(dumping(call.settings()), arguments=arguments or ())
    call.renderer.finished("dump")


@common
def load(call: Call) -> None:
    """Load the schema file into the database, whole or not at all."""
    with call.migrator() as migrator:
        migrator.load(call.settings().schema_file)
    call.renderer.finished("load")


@common
def wait(call: Call) -> None:
    """Wait until the server answers."""
    settings = call.settings()
    with call.migrator() as migrator:
        migrator.wait(timeout=settings.wait_timeout, interval=settings.wait_interval)
    call.renderer.finished("wait")
