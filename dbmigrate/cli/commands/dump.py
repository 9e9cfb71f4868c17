"""``dbmigrate dump``."""

from __future__ import annotations

from typing import Annotated

import typer

from dbmigrate.cli.call import Call, dumping
from dbmigrate.cli.options import common


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
