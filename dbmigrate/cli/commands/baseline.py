"""``dbmigrate baseline``."""

from __future__ import annotations

from typing import Annotated

import typer

from dbmigrate.cli.call import Call, dumping
from dbmigrate.cli.options import Reason, Yes, common
from dbmigrate.errors import ConfigError
from dbmigrate.planning.approval import Approval


@common
def baseline(
    call: Call,
    version: Annotated[str | None, typer.Argument(metavar="[VERSION | FILE]", show_default=False)] = None,
    from_schema: Annotated[
        bool,
        typer.Option("--from-schema", help="Make one migration of what the database holds, or of FILE; record it."),
    ] = False,
    description: Annotated[
        str | None, typer.Option("--description", metavar="TEXT", help="What it is; kept in the log, and in the name.")
    ] = None,
    yes: Yes = False,
    reason: Reason = None,
) -> None:
    """Record everything up to VERSION as applied, running nothing."""
    why = ": ".join(filter(None, (description, reason))) or None
    approval = Approval(yes=yes)
    if from_schema:
        from dbmigrate.api.from_schema import Baseliner, FromSchema

        with call.opened(Baseliner, reason=why, approval=approval) as baseliner:
            wanted = FromSchema(dumping(call.settings()), version, description or "baseline")
            made = baseliner.from_schema(wanted)
        call.renderer.outcome("baseline", (made.path,), {"path": made.path, "origin": made.origin or None})
        return
    if version is None:
        raise ConfigError(
            "a version is missing",
            code="E200",
            hint="`dbmigrate baseline VERSION` records files; `--from-schema` makes one of what is there",
        )
    with call.upkeep(reason=why, approval=approval) as upkeep:
        call.renderer.report("baseline", upkeep.baseline(version))
