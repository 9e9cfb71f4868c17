"""``dbmigrate import``."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from dbmigrate.cli import scratch
from dbmigrate.cli.call import Call
from dbmigrate.cli.options import Confirm, LockWait, Reason, ScratchUrl, Yes, common
from dbmigrate.errors import ConfigError
from dbmigrate.frozen import frozen
from dbmigrate.planning.approval import Approval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.api.importer import Adoption, Imported, Wanted

_FLYWAY = "FLYWAY_PLACEHOLDERS_"


@frozen
class Given:
    """The options by which a person answers what the old project does not say."""

    missing_down: Annotated[
        str, typer.Option("--missing-down", metavar="HOW", help="How a missing down is written: irreversible or empty.")
    ] = "irreversible"
    placeholder: Annotated[
        list[str] | None,
        typer.Option("--placeholder", metavar="NAME=VALUE", help="The value of a placeholder, repeatable."),
    ] = None
    skip: Annotated[
        list[str] | None, typer.Option("--skip", metavar="FILE", help="Leave this file out, repeatable.")
    ] = None
    sql: Annotated[
        list[str] | None, typer.Option("--sql", metavar="FILE=SQLFILE", help="The SQL of a file that is code.")
    ] = None
    option: Annotated[
        list[str] | None, typer.Option("--option", metavar="NAME=VALUE", help="A setting of the old tool, repeatable.")
    ] = None
    service: Annotated[
        str | None,
        typer.Option("--service", metavar="NAME", help="The service or project, where the table has several."),
    ] = None


@frozen
class OfHistory:
    """The options that are about the old history alone."""

    table: Annotated[str | None, typer.Option("--table", metavar="NAME", help="The old tool's table.")] = None
    column: Annotated[
        str | None, typer.Option("--column", metavar="NAME", help="The column with its versions or names.")
    ] = None
    dirty: Annotated[
        str | None,
        typer.Option("--dirty", metavar="STATE", help="What a failed migration is: applied, failed, or down-failed."),
    ] = None
    accept_drift: Annotated[
        str | None, typer.Option("--accept-drift", metavar="REASON", help="Why differences are right; kept in the log.")
    ] = None
    lock_wait: LockWait = None


@common
def import_(
    call: Call,
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="The directory of the old tool's migrations.")],
    *,
    tool: Annotated[
        str | None, typer.Option("--from", metavar="TOOL", help="The old tool, where its files do not tell.")
    ] = None,
    history: Annotated[
        bool, typer.Option("--history", help="Record what the old tool's table says is applied, after a proof.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write and record nothing.")] = False,
    given: Given,
    of_history: OfHistory,
    scratch_url: ScratchUrl = None,
    confirm: Confirm = None,
    yes: Yes = False,
    reason: Reason = None,
) -> None:
    """Take over the project of another tool: its files, with --history what it has applied."""
    from dbmigrate.api import importer

    call.add({"scratch_url": scratch_url, "lock_wait": of_history.lock_wait})
    given = _with_service(call, given)
    wanted = _wanted(call, source, tool, given, of_history)
    if history:
        adoption = _adoption(call, of_history, service=given.service, is_dry=dry_run)
        approval = Approval(yes=yes, database=confirm)
        from dbmigrate.api.importer import Importer

        with call.opened(Importer, reason=of_history.accept_drift or reason, approval=approval) as works:
            done = works.adopt(wanted, adoption, lambda found: _write(call, found))
    else:
        _refuse_alone(of_history)
        done = importer.read(wanted)
        if not dry_run:
            _write(call, done)
    _show(call, done, is_dry=dry_run)


def _with_service(call: Call, given: Given) -> Given:
    """A service of the old tool that the project file has, too, is where its files and its history go."""
    name = given.service or call.given.get("service")
    if name in {each.name for each in call.settings().services}:
        call.add({"service": name})
    return replace(given, service=name)


def _wanted(call: Call, source: str, tool: str | None, given: Given, of_history: OfHistory) -> Wanted:
    from dbmigrate.api.importer import MissingDown, Wanted
    from dbmigrate.importing.values import Answers

    settings = call.settings()
    named = {"table": of_history.table, "column": of_history.column}
    answers = Answers(
        placeholders=_of_environment(call) | _pairs("--placeholder", given.placeholder),
        service=given.service,
        skip=frozenset(given.skip or ()),
        sql_of=_pairs("--sql", given.sql),
        options=_pairs("--option", given.option) | {name: value for name, value in named.items() if value},
        value_of=lambda name: found.text if (found := settings.variables.find(name)) else None,
    )
    how = MissingDown(_choice("--missing-down", given.missing_down, [each.value for each in MissingDown]))
    return Wanted(source, settings.migrations_dirs[0], tool, answers, how, settings.version_order)


def _adoption(call: Call, given: OfHistory, *, service: str | None, is_dry: bool) -> Adoption:
    from dbmigrate.api.importer import Adoption, Dirty

    dirty = _choice("--dirty", given.dirty, [each.value for each in Dirty]) if given.dirty else None
    return Adoption(
        scratch.choice(call),
        table=given.table,
        dirty=Dirty(dirty) if dirty else None,
        accepted=given.accept_drift,
        service=service,
        renames=call.settings().origins["DBMIGRATE_MIGRATIONS_TABLE"] == "default",
        is_dry=is_dry,
    )


def _write(call: Call, found: Imported) -> None:
    """Settings first: files that run in another order than they should are worse than a setting without files."""
    from dbmigrate.api import importer
    from dbmigrate.settings import project_file_edit

    if found.settings:
        project_file_edit.put(os.curdir, found.settings)
    importer.write(found)


def _show(call: Call, found: Imported, *, is_dry: bool) -> None:
    from dbmigrate.output import importing

    call.renderer.outcome("import", importing.lines(found, is_dry=is_dry), importing.value(found, is_dry=is_dry))


def _pairs(option: str, given: Sequence[str] | None) -> dict[str, str]:
    """``NAME=VALUE``, repeated. Raises ConfigError E200."""
    pairs = {}
    for each in given or ():
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise ConfigError(f"{option} {each}: it has to be NAME=VALUE", code="E200")
        pairs[name] = value
    return pairs


def _choice(option: str, given: str, known: Sequence[str]) -> str:
    if given not in known:
        raise ConfigError(f"{option} {given}: it has to be {' or '.join(known)}", code="E200")
    return given


def _refuse_alone(given: OfHistory) -> None:
    for name in ("table", "column", "dirty", "accept_drift"):
        if getattr(given, name) is not None:
            option = f"--{name.replace('_', '-')}"
            raise ConfigError(f"{option} is about the old history", code="E200", hint="add --history")


def _of_environment(call: Call) -> dict[str, str]:
    """Flyway takes values of placeholders from the environment as well."""
    environ = call.settings().environ
    return {name.removeprefix(_FLYWAY): value for name, value in environ.items() if name.startswith(_FLYWAY)}
