"""``dbmigrate status``."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from dbmigrate.cli.call import Call
from dbmigrate.cli.options import TARGETS, common_with
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
    as_markdown = format_ is StatusFormat.MARKDOWN
    if all_ or as_markdown or len(call.environments) > 1:
        from dbmigrate.cli import environments

        named = call.take_environments()
        table = environments.survey(call, () if all_ else named)
        if not call.is_quiet:
            environments.show(call, table, as_markdown=as_markdown)
        if exit_code or call.is_quiet:
            _refuse_none(call)
        if (exit_code or call.is_quiet) and not all(column.is_current for column in table.columns):
            raise typer.Exit(1)
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


def _refuse_none(call: Call) -> None:
    """Without migration files nothing is up to date. Raises PlanError E230."""
    from dbmigrate.migrations import find

    directories = call.settings().migrations_dirs
    find.refuse_none(find.look(directories, call.settings().version_order), directories)


def _is_current(found: Status) -> bool:
    """Whether nothing is pending, and the files of all applied versions are there."""
    is_other = any(problem.code == "W672" for problem in found.problems)
    return not (found.pending or found.count(MigrationState.MISSING) or is_other)
