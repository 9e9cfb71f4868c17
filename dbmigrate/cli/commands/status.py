"""``dbmigrate status``."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from dbmigrate.cli.call import Call
from dbmigrate.cli.options import TARGETS, common_with
from dbmigrate.errors import ConfigError
from dbmigrate.reports import MigrationState

if TYPE_CHECKING:
    from dbmigrate.reports import Status


class StatusFormat(StrEnum):
    """How `status` prints."""

    HUMAN = "human"
    JSON = "json"
    MARKDOWN = "markdown"


@common_with(TARGETS)
def status(
    call: Call,
    all_: Annotated[
        bool, typer.Option("--all", help="All environments side by side; several -e show those alone.")
    ] = False,
    all_services: Annotated[
        bool, typer.Option("--all-services", help="All services of the database, a line each.")
    ] = False,
    format_: Annotated[
        StatusFormat, typer.Option("--format", metavar="FORMAT", help="human, json, or markdown (a table).")
    ] = StatusFormat.HUMAN,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 1 if anything is pending or missing.")
    ] = False,
    backfills: Annotated[
        bool, typer.Option("--backfills", help="With --exit-code: exit with 1 for a deferred backfill, too.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing; implies --exit-code.")] = False,
) -> None:
    """Show applied and pending migrations."""
    call.add({"quiet": quiet, "json": format_ is StatusFormat.JSON})
    is_table = all_ or format_ is StatusFormat.MARKDOWN
    if all_services:
        _of_services(call, is_table=is_table, exit_code=exit_code)
        return
    if is_table or len(call.environments) > 1:
        _side_by_side(call, everywhere=all_, format_=format_, exit_code=exit_code)
        return
    with call.migrator() as migrator:
        found = migrator.status()
        if call.wants_json or call.is_verbose:
            found = migrator.described(found)
    if not call.is_quiet:
        call.renderer.status(found)
    if exit_code or call.is_quiet:
        _refuse_none(call)
    is_waiting = backfills and found.count(MigrationState.DEFERRED) > 0
    if (is_waiting or not _is_current(found)) and (exit_code or call.is_quiet):
        raise typer.Exit(1)


def _side_by_side(call: Call, *, everywhere: bool, format_: StatusFormat, exit_code: bool) -> None:
    from dbmigrate.cli import environments

    named = call.take_environments()
    table = environments.survey(call, () if everywhere else named)
    if not call.is_quiet:
        environments.show(call, table, as_markdown=format_ is StatusFormat.MARKDOWN)
    if exit_code or call.is_quiet:
        _refuse_none(call)
    if (exit_code or call.is_quiet) and not all(column.is_current for column in table.columns):
        raise typer.Exit(1)


def _of_services(call: Call, *, is_table: bool, exit_code: bool) -> None:
    """Raises ConfigError E200 where environments are asked for as well."""
    from dbmigrate.cli import services

    if is_table:
        hint = "for each environment: dbmigrate -e NAME status --all-services"
        raise ConfigError("--all-services is not for --all or --format markdown", code="E200", hint=hint)
    found = services.survey(call)
    if not call.is_quiet:
        services.show(call, found)
    if (exit_code or call.is_quiet) and not all(each.is_current for each in found):
        raise typer.Exit(1)


def _refuse_none(call: Call) -> None:
    """Without migration files nothing is up to date. Raises PlanError E230."""
    from dbmigrate.migrations import find

    directories = call.settings().migrations_dirs
    find.refuse_none(find.look(directories, call.settings().version_order), directories)


def _is_current(found: Status) -> bool:
    """Whether nothing is pending, and the files of all applied versions are there."""
    is_other = any(problem.code == "W672" for problem in found.problems)
    return not (found.pending or found.count(MigrationState.MISSING) or is_other)
