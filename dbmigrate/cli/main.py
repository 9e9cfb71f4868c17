"""The entry point: signals, the one error handler, exit codes."""

from __future__ import annotations

import signal
import sys
import traceback
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from dbmigrate import __version__
from dbmigrate.cli.arguments import normalised
from dbmigrate.cli.call import Call
from dbmigrate.cli.commands import app
from dbmigrate.cli.options import common_root
from dbmigrate.errors import ConfigError, Error, Interrupted, Terminated

if TYPE_CHECKING:
    from types import FrameType

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# typer keeps its copy of click private; the base of what a wrong command line raises is found through the public name
_ClickException: type[Exception] = typer.BadParameter.__mro__[2]


@app.callback(invoke_without_command=True)
@common_root
def root(
    ctx: typer.Context,
    call: Call,
    version: Annotated[bool, typer.Option("--version", "-v", "-V", help="Print the version.")] = False,
) -> None:
    """PostgreSQL schema migrations in plain SQL: a drop-in for dbmate that can be trusted in production.

    Options may stand before or after the command. Exit codes: 0 done or nothing to do, 1 a question answered no,
    2 usage or configuration, 3 cannot connect, 4 failed and rolled back, 5 a person is needed, 6 locked by another run,
    7 refused, 130 and 143 interrupted.
    """
    if version:
        typer.echo(f"dbmigrate version {__version__}")
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


@app.command("help")
@app.command("h", hidden=True)
def help_(ctx: typer.Context, command: Annotated[str | None, typer.Argument(metavar="[COMMAND]")] = None) -> None:
    """Show this help, or that of a command."""
    main([command, "--help"] if command else ["--help"])


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run one command and exit with its code. Nothing but this function turns an error into an exit code."""
    _catch_signals()
    call = Call()
    given = sys.argv[1:] if arguments is None else arguments
    try:
        command = typer.main.get_command(app)
        words = normalised(given, long_options=_long_options(command))
        code = command.main(words, prog_name="dbmigrate", standalone_mode=False, obj=call)
    except Error as exc:
        code = _failed(call, exc)
    except KeyboardInterrupt as exc:
        code = _failed(call, Interrupted.by(exc, "interrupted"))
    except _ClickException as exc:
        code = _failed(call, _usage_error(exc))
    sys.exit(code if isinstance(code, int) else 0)


def _failed(call: Call, error: Error) -> int:
    call.renderer.error(error)
    if call.wants_traceback:
        traceback.print_exc()
    return error.exit_code


def _usage_error(exc: BaseException) -> Error:
    message = exc.format_message() if hasattr(exc, "format_message") else str(exc)
    context = getattr(exc, "ctx", None)
    where = context.command_path if context is not None else "dbmigrate"
    return ConfigError(message.rstrip("."), code="E200", hint=f"see `{where} --help`")


def _long_options(command: Any) -> frozenset[str]:  # noqa: ANN401 (typer keeps the class private)
    """Every long option of every command, for arguments written with one dash."""
    commands = [command, *getattr(command, "commands", {}).values()]
    names = (name for each in commands for parameter in each.params for name in (*parameter.opts, "--help"))
    return frozenset(name for name in names if name.startswith("--"))


def _catch_signals() -> None:
    """The first SIGINT, SIGTERM or SIGHUP cancels and cleans up; a second one ends the process at once."""
    for number in _ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup, and a shell's background jobs, mean it
            signal.signal(number, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    for each in _ENDING:
        signal.signal(each, signal.SIG_DFL)
    raise KeyboardInterrupt if number == signal.SIGINT else Terminated
