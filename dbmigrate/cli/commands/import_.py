"""``dbmigrate import``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dbmigrate.cli import scratch
from dbmigrate.cli.call import Call
from dbmigrate.cli.options import Confirm, Reason, Yes, common
from dbmigrate.errors import ConfigError
from dbmigrate.planning.approval import Consent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.api.importer import Adoption, Imported, Wanted
    from dbmigrate.importing.values import Answers

_FLYWAY = "FLYWAY_PLACEHOLDERS_"


@common
def import_(
    call: Call,
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="The directory of the old tool's migrations.")],
    tool: Annotated[
        str | None, typer.Option("--from", metavar="TOOL", help="The old tool, where its files do not tell.")
    ] = None,
    history: Annotated[
        bool, typer.Option("--history", help="Record what the old tool's table says is applied, after a proof.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write and record nothing.")] = False,
    missing_down: Annotated[
        str, typer.Option("--missing-down", metavar="HOW", help="What is written for it: irreversible or empty.")
    ] = "irreversible",
    placeholder: Annotated[
        list[str] | None, typer.Option("--placeholder", metavar="NAME=VALUE", help="Its value, repeatable.")
    ] = None,
    skip: Annotated[list[str] | None, typer.Option("--skip", metavar="FILE", help="Leave it out, repeatable.")] = None,
    sql: Annotated[
        list[str] | None, typer.Option("--sql", metavar="FILE=SQLFILE", help="The SQL of a file that is code.")
    ] = None,
    table: Annotated[str | None, typer.Option("--table", metavar="NAME", help="The old tool's table.")] = None,
    column: Annotated[
        str | None, typer.Option("--column", metavar="NAME", help="Its column with the versions.")
    ] = None,
    service: Annotated[
        str | None,
        typer.Option("--service", metavar="NAME", help="The service or project, where the table has several."),
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option("--option", metavar="NAME=VALUE", help="A setting of the old tool, repeatable.")
    ] = None,
    accept_drift: Annotated[
        str | None, typer.Option("--accept-drift", metavar="REASON", help="Why differences are right; kept in the log.")
    ] = None,
    dirty: Annotated[
        str | None, typer.Option("--dirty", metavar="STATE", help="What a failed migration is: applied or failed.")
    ] = None,
    scratch_url: scratch.ScratchUrl = None,
    confirm: Confirm = None,
    yes: Yes = False,
    reason: Reason = None,
) -> None:
    """Take over the project of another tool: its files, with --history what it has applied."""
    from dbmigrate.api import importer
    from dbmigrate.importing.values import Answers

    call.add({"scratch_url": scratch_url})
    options = _pairs("--option", option) | {k: v for k, v in (("table", table), ("column", column)) if v}
    answers = Answers(
        placeholders=_of_environment(call) | _pairs("--placeholder", placeholder),
        service=service,
        skip=frozenset(skip or ()),
        sql_of=_pairs("--sql", sql),
        options=options,
    )
    wanted = _wanted(call, source, tool, missing_down, answers)
    if history:
        adoption = _adoption(call, dirty=dirty, table=table, accepted=accept_drift, service=service, is_dry=dry_run)
        consent = Consent(yes=yes, database=confirm)
        with call.importer(reason=accept_drift or reason, consent=consent) as works:
            done = works.adopt(wanted, adoption, lambda found: _write(call, found))
    else:
        _refuse_alone(table=table, dirty=dirty, accept_drift=accept_drift)
        done = importer.read(wanted)
        if not dry_run:
            _write(call, done)
    _show(call, done, is_dry=dry_run)


def _wanted(call: Call, source: str, tool: str | None, missing_down: str, answers: Answers) -> Wanted:
    from dbmigrate.api.importer import MissingDown, Wanted

    settings = call.settings()
    how = _choice("--missing-down", missing_down, [each.value for each in MissingDown])
    return Wanted(source, settings.migrations_dirs[0], tool, answers, MissingDown(how), settings.version_order)


def _adoption(call: Call, *, dirty: str | None, **given: Any) -> Adoption:  # noqa: ANN401 (fields of the value)
    from dbmigrate.api.importer import Adoption, Dirty

    state = Dirty(_choice("--dirty", dirty, [each.value for each in Dirty])) if dirty else None
    renames = call.settings().origins["DBMIGRATE_MIGRATIONS_TABLE"] == "default"
    return Adoption(scratch.choice(call), dirty=state, renames=renames, **given)


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


def _refuse_alone(**given: Any) -> None:  # noqa: ANN401 (options that were given or not)
    for name, value in given.items():
        if value is not None:
            option = f"--{name.replace('_', '-')}"
            raise ConfigError(f"{option} is about the old history", code="E200", hint="add --history")


def _of_environment(call: Call) -> dict[str, str]:
    """Flyway takes values of placeholders from the environment as well."""
    environ = call.settings().environ
    return {name.removeprefix(_FLYWAY): value for name, value in environ.items() if name.startswith(_FLYWAY)}
