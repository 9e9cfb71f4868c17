"""``dbmigrate merge-driver``."""

from __future__ import annotations

import shlex
import shutil
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from dbmigrate.cli.call import Call
from dbmigrate.cli.options import common
from dbmigrate.errors import ConfigError
from dbmigrate.model import Problem, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.schema.merge_driver import Installed


@common
def merge_driver(
    call: Call,
    versions: Annotated[
        list[str] | None,
        typer.Argument(metavar="[BASE OURS THEIRS [PATH]]", help="What git gives a merge driver: %O %A %B %P."),
    ] = None,
    install: Annotated[bool, typer.Option("--install", help="Set it up in this clone.")] = False,
    hooks: Annotated[
        bool, typer.Option("--hooks", help="With --install: make the schema file after each merge and rebase.")
    ] = False,
) -> None:
    """Merge two versions of the schema file, as git's merge driver; --install sets it up."""
    if install:
        _refuse(versions, "--install takes no files")
        installed = set_up(call, hooks=hooks)
        lines = installed.changes or ("nothing to do: this clone has it",)
        call.renderer.outcome("merge-driver", lines, {"changes": list(installed.changes)})
        return
    if hooks:
        raise ConfigError("--hooks needs --install", code="E200", hint="write --install --hooks")
    if versions is None or len(versions) not in (3, 4):
        hint = "git calls it; `dbmigrate merge-driver --install` sets it up"
        raise ConfigError("a merge driver needs the three files that git names", code="E200", hint=hint)
    from dbmigrate.schema import merge_driver as driver

    _, ours, theirs = versions[:3]
    driver.merge(ours, theirs)
    call.warn((_note(versions[3] if len(versions) > 3 else ours),))


def set_up(call: Call, *, hooks: bool) -> Installed:
    """Set the driver up in this clone, for the schema file of the settings; what others have put there is a warning.

    Raises ConfigError E207, E267.
    """
    from dbmigrate.schema import merge_driver as driver

    installed = driver.install(driver.Setup(call.settings().schema_file, program(), hooks))
    call.warn(installed.problems)
    return installed


def program() -> str:
    """How git starts dbmigrate: by its name where a shell finds it, otherwise by this interpreter."""
    return "dbmigrate" if shutil.which("dbmigrate") else f"{shlex.quote(sys.executable)} -m dbmigrate"


def _refuse(versions: Sequence[str] | None, message: str) -> None:
    if versions:
        raise ConfigError(message, code="E200")


def _note(path: str) -> Problem:
    message = f"{path} has the version rows of both sides, and is not generated yet"
    hint = "after the merge: dbmigrate dump --from-migrations"
    return Problem("W730", message, Severity.NOTE, hint=hint)
