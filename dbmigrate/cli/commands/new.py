"""``dbmigrate new``."""

from __future__ import annotations

from typing import Annotated

import typer

from dbmigrate.cli.call import Call
from dbmigrate.cli.options import common


@common
def new(
    call: Call, name: Annotated[list[str], typer.Argument(metavar="NAME", help="What the migration does.")]
) -> None:
    """Make a new migration file and print its path."""
    from datetime import UTC, datetime

    from dbmigrate.migrations import find

    directories = call.settings().migrations_dirs
    call.renderer.created_file(find.create(directories, " ".join(name), datetime.now(UTC)))
