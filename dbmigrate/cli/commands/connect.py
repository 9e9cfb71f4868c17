"""``dbmigrate connect``."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Annotated

import typer

from dbmigrate.cli import replacing
from dbmigrate.cli.call import Call
from dbmigrate.cli.options import common
from dbmigrate.errors import ConfigError

if TYPE_CHECKING:
    from dbmigrate.diagnostics.psql import Invocation


@common
def connect(
    call: Call,
    arguments: Annotated[list[str] | None, typer.Argument(metavar="[-- PSQL ARGUMENTS]")] = None,
    command: Annotated[
        list[str] | None,
        typer.Option("--command", "-c", metavar="COMMAND", help="SQL or a command of psql to run, repeatable."),
    ] = None,
) -> None:
    """Start psql on the target database."""
    from dbmigrate.connection.programs import Search
    from dbmigrate.diagnostics import psql
    from dbmigrate.events import Targeted

    words = [word for each in command or () for word in ("-c", each)] + _options(arguments or [])
    settings = call.settings()
    is_embedded = settings.target().embedded is not None
    program = psql.find(Search.from_environ(settings.environ))
    with call.reachable() as dsn:
        started = psql.invocation(program, dsn, settings.environ, words)
        call.warn(started.problems)
        call.renderer.on_event(Targeted(call.target_name(settings), f"psql {program.description}"))
        if is_embedded:  # its server ends with this process
            raise typer.Exit(_run(started))
        _become(started)


def _options(arguments: list[str]) -> list[str]:
    """psql's options: its first argument would be a database's name, and was probably meant as an environment's."""
    if arguments and not arguments[0].startswith("-"):
        raise ConfigError(
            f"{arguments[0]!r} is not an option of psql",
            code="E200",
            hint=f"-e {arguments[0]} names an environment; psql's options stand behind --, as in: connect -- -d NAME",
        )
    return arguments


def _run(started: Invocation) -> int:
    """Run psql as a child. Ctrl-C is for psql, which cancels its statement."""
    from dbmigrate.diagnostics import psql

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return psql.run(started)


def _become(started: Invocation) -> None:
    """Let psql take the place of this process: signals, exit code and terminal are its own."""
    try:
        replacing.become(started.words[0], started.words, started.environ)
    except OSError as exc:
        raise ConfigError(f"cannot run {started.words[0]}: {exc.strerror}", code="E206") from exc
