"""``dbmigrate squash``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from dbmigrate.cli.call import Call, dumping
from dbmigrate.cli.options import ScratchUrl, common
from dbmigrate.errors import ConfigError
from dbmigrate.model import Problem, Severity

if TYPE_CHECKING:
    from dbmigrate.api.squash import Made


@common
def squash(
    call: Call,
    to: Annotated[
        str,
        typer.Option("--to", metavar="VERSION", help="The last migration that goes into the file.", show_default=False),
    ],
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="The name of the file.")] = "squashed",
    rows: Annotated[
        str,
        typer.Option("--rows", metavar="WHAT", help="Rows that the migrations insert: include, leave-out, or refuse."),
    ] = "refuse",
    remove: Annotated[bool, typer.Option("--remove", help="Remove the files that the new one replaces.")] = False,
    scratch_url: ScratchUrl = None,
) -> None:
    """Make one migration of all up to VERSION, proved to make the same schema."""
    from dbmigrate.api import squash as module
    from dbmigrate.cli import scratch

    call.add({"scratch_url": scratch_url})
    if rows not in list(module.Rows):
        hint = f"use {', '.join(module.Rows)}"
        raise ConfigError(f"--rows: {rows!r} is none of the choices", code="E205", hint=hint)
    settings = call.settings()
    wanted = module.Squash(
        settings.migrations_dirs,
        to,
        dumping(settings),
        name,
        settings.migrations_table,
        settings.version_order,
        module.Rows(rows),
    )
    # a scratch database may be made on the target's server
    choice = scratch.for_check(call, settings.target_if_configured(), None)
    made = module.squash(wanted, choice, on_event=call.renderer.on_event)
    removed = [_removed(file.path) for file in made.replaced] if remove else []
    if not removed:
        call.warn(_about_the_files(made))
    call.renderer.outcome("squash", (made.path,), _value(made, removed))


def _removed(path: str) -> str:
    try:
        os.unlink(path)
    except OSError as exc:
        hint = "the new file is there; remove the old ones by hand"
        raise ConfigError(f"cannot remove {path}: {exc.strerror}", code="E207", hint=hint) from exc
    return path


def _value(made: Made, removed: list[str]) -> dict[str, object]:
    versions = [file.version for file in made.replaced]
    return {"path": made.path, "version": made.version, "replaces": versions, "removed": removed}


def _about_the_files(made: Made) -> tuple[Problem, ...]:
    first, last = made.replaced[0].name, made.replaced[-1].name
    message = f"{len(made.replaced)} files, {first} to {last}, are still there, and count for nothing from now on"
    hint = "remove them when the new file is applied everywhere; dbmate would run them"
    return (Problem("W343", message, Severity.NOTE, hint=hint),)
