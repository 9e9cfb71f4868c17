"""``check --load DUMP``: the pending migrations are run on a scratch database with the rows of a dump, and measured."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from dbmigrate.cli import traffic
from dbmigrate.cli.options import Traffic
from dbmigrate.errors import ConfigError, Error
from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.api.rehearsal import Rehearsed
    from dbmigrate.check import Report
    from dbmigrate.cli.call import Call
    from dbmigrate.scratch.choose import Choice

_UNTRIED = ("E", "C101")  # files that cannot be read, or fail on any database
_FINDINGS = ("E4", "E5", "E734", "E735")  # what a migration does wrong there; other errors end the check


@frozen
class LoadOptions:
    """The options of ``check`` about rows."""

    load: Annotated[
        str | None,
        typer.Option("--load", metavar="DUMP", help="Run what is pending on this dump, too, and measure it."),
    ] = None
    traffic: Traffic = None


def rehearse(call: Call, options: LoadOptions, report: Report, choice: Choice) -> tuple[Report, Rehearsed | None]:
    """The report with what was found on the dump, and what was measured there.

    Raises ConfigError E200, E207, ToolMissing E206, DatabaseError E431.
    """
    from dbmigrate.check.values import found
    from dbmigrate.model import Severity

    if options.load is None:
        if options.traffic:
            raise ConfigError("--traffic needs --load", code="E200", hint="write --load DUMP")
        return report, None
    if any(problem.code.startswith(_UNTRIED) for problem in report.problems):
        message = f"nothing was run on {options.load}: it fails without its rows"
        return replace(report, problems=(*report.problems, found("C114", message, None, severity=Severity.NOTE))), None
    try:
        rehearsed = _on_dump(call, options.load, choice, traffic.queries(options.traffic or ()))
    except Error as exc:
        if exc.code == "E431" or not exc.code.startswith(_FINDINGS):
            raise
        fault = found("C115", f"on {options.load}: {exc.message}", exc.place, hint=exc.hint)
        problem = replace(fault, excerpt=exc.excerpt)
        return replace(report, problems=(*report.problems, problem)), None
    return replace(report, problems=(*report.problems, *rehearsed.problems)), rehearsed


def _on_dump(call: Call, dump: str, choice: Choice, queries: Sequence[str]) -> Rehearsed:
    """The dump is run as it is: never on the target's server, unless that is the one of ``--scratch-url``."""
    from dbmigrate.api.migrator import Options
    from dbmigrate.api.rehearsal import Rehearser
    from dbmigrate.migrations import find, parser, variables
    from dbmigrate.model import Direction, Policy
    from dbmigrate.scratch import choose, outside_effects, with_rows

    settings = call.settings()
    policy = Policy(order=settings.version_order, environment=settings.target_environment)
    stand_ins = settings.variables.for_checks()
    options = Options(settings.migrations_dirs, settings.migrations_table, policy=policy, variables=stand_ins)
    files = find.find(options.directories, options.order)
    migrations = [variables.bound(parser.read(file, (Direction.UP,)), stand_ins) for file in files]
    apart = replace(
        choice,
        on_target=choose.TargetServer.UNUSED,
        effects=outside_effects.of_all(migrations),
        spared=choice.target,
    )
    with choose.open_server(apart) as server, server.database() as made:
        left = with_rows.load(dump, server, made, choice.search)
        rehearsed = Rehearser(made, options, on_event=call.renderer.on_event).rehearse_loaded(
            server, dump, queries=queries
        )
    return replace(rehearsed, problems=(*left, *rehearsed.problems))
