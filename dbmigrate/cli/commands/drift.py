"""``dbmigrate drift``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dbmigrate.cli import scratch
from dbmigrate.cli.call import CONNECT_TIMEOUT, Call
from dbmigrate.cli.options import TARGETS, ScratchUrl, common_with
from dbmigrate.errors import ConfigError

if TYPE_CHECKING:
    from dbmigrate.api.drift import Comparer, Drift
    from dbmigrate.catalog import Scope

FILE, MIGRATIONS = "file", "migrations"


@common_with(TARGETS)
def drift(
    call: Call,
    against: Annotated[
        str,
        typer.Option("--against", metavar="WHAT", help="file (the schema file), migrations, or an environment's name."),
    ] = FILE,
    owners: Annotated[bool, typer.Option("--owners", help="Compare owners, too.")] = False,
    no_grants: Annotated[bool, typer.Option("--no-grants", help="Do not compare privileges.")] = False,
    scratch_url: ScratchUrl = None,
) -> None:
    """Compare the database with what it should be; exit with 1 if anything differs."""
    from dbmigrate.output import drift as shown

    call.add({"scratch_url": scratch_url})
    from dbmigrate.api.drift import Comparer

    with call.opened(Comparer) as comparer:
        found = _compared(call, comparer, against, _scope(against, owners=owners, no_grants=no_grants))
    if not (call.is_quiet and not found.differences):
        value = shown.value(found) if call.wants_json else {}  # of very many differences it is as large as they are
        call.renderer.answer("drift", shown.lines(found), value)
    if found.differences:
        raise typer.Exit(1)


def _compared(call: Call, comparer: Comparer, against: str, scope: Scope) -> Drift:
    if against == FILE:
        return comparer.with_file(call.settings().schema_file, scratch.choice(call), scope=scope)
    if against == MIGRATIONS:
        return comparer.with_migrations(scratch.choice(call), scope=scope)
    settings = call.settings_of(against)
    with call.served(settings.target().patient(CONNECT_TIMEOUT)) as other:
        return comparer.with_database(other, call.target_name(settings), environment=against, scope=scope)


def _scope(against: str, *, owners: bool, no_grants: bool) -> Scope:
    from dbmigrate.api import drift as module
    from dbmigrate.catalog import Scope

    usual = {FILE: module.FILE_SCOPE, MIGRATIONS: module.MIGRATIONS_SCOPE}
    scope = usual.get(against, module.ENVIRONMENT_SCOPE)
    if owners:
        if against in usual:
            raise ConfigError(
                "--owners compares environments: files do not say who owns what",
                code="E200",
                hint="name an environment, as in --against staging --owners",
            )
        scope |= Scope.OWNERS
    return scope & ~Scope.GRANTS if no_grants else scope
