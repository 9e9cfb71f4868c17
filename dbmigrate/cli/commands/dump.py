"""``dbmigrate dump``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dbmigrate.cli.call import Call, dumping
from dbmigrate.cli.options import ScratchUrl, common

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.reports import SchemaFile


@common
def dump(
    call: Call,
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[-- PG_DUMP_OPTION...]", help="Handed to pg_dump.")
    ] = None,
    from_migrations: Annotated[
        bool, typer.Option("--from-migrations", help="Make it from the files, on a scratch database.")
    ] = False,
    scratch_url: ScratchUrl = None,
) -> None:
    """Write the schema file."""
    if from_migrations:
        call.add({"scratch_url": scratch_url})
        written = _from_migrations(call, arguments or ())
    else:
        with call.migrator() as migrator:
            written = migrator.dump(dumping(call.settings()), arguments=arguments or ())
    call.renderer.outcome("dump", (), {"path": written.path, "added": written.added, "removed": written.removed})


def _from_migrations(call: Call, arguments: Sequence[str]) -> SchemaFile:
    """The target is not read. A scratch database may be made on its server."""
    from dbmigrate.check import from_migrations
    from dbmigrate.cli import scratch

    settings = call.settings()
    making = from_migrations.Making(
        settings.migrations_dirs,
        settings.version_order,
        settings.migrations_table,
        dumping(settings),
        settings.variables,
        arguments,
    )
    choice = scratch.for_check(call, settings.target_if_configured(), None)
    return from_migrations.write(making, choice, on_event=call.renderer.on_event)
