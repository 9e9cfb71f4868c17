"""The entry point: signals, the one error handler, exit codes."""

from __future__ import annotations

import os
import signal
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from dbmigrate.cli.arguments import normalised
from dbmigrate.cli.call import Call
from dbmigrate.cli.program import app
from dbmigrate.errors import ConfigError, Error, Interrupted, Terminated

if TYPE_CHECKING:
    from types import FrameType

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# typer keeps its copy of click private; the base of what a wrong command line raises is found through the public name
_ClickException: type[Exception] = typer.BadParameter.__mro__[2]


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run one command and exit with its code. Nothing but this function turns an error into an exit code."""
    _open_missing_streams()
    _catch_signals()
    call = Call()
    given = sys.argv[1:] if arguments is None else arguments
    try:
        command = typer.main.get_command(app)
        words = normalised(given, is_long=partial(_is_long, command))
        call.words = words
        code = command.main(words, prog_name="dbmigrate", standalone_mode=False, obj=call)
    except Error as exc:
        code = _failed(call, exc)
    except KeyboardInterrupt as exc:
        code = _failed(call, Interrupted.by(exc, "interrupted"))
    except _ClickException as exc:
        from dbmigrate.cli import usage

        call.add(usage.form_of_output(call.words))
        code = _failed(call, usage.error(exc, given))
    except OSError as exc:  # such as a full disk below stdout
        code = _failed(call, _unwritten(exc))
    sys.exit(_final(call, code if isinstance(code, int) else 0))


def _final(call: Call, code: int) -> int:
    """The exit code of a command: not 0 if its answer could not be printed.

    If the reader went away, it is the code of a program that SIGPIPE ended, and nothing is printed.
    """
    lost = call.lost_answer
    if lost is None:
        return code
    from dbmigrate.output import renderer

    if renderer.has_no_reader(lost):
        return code or 128 + signal.SIGPIPE
    return code or _failed(call, _unwritten(lost))


def _failed(call: Call, error: Error) -> int:
    if error.code == "E235":
        from dbmigrate.cli import services

        error = services.for_one(call, error)
    call.renderer.error(error)
    if call.wants_traceback:
        import traceback

        sys.stderr.write(call.hide_values(traceback.format_exc()))
    return error.exit_code


def _unwritten(exc: OSError) -> Error:
    """Drop what cannot be written: it must not fail again when the interpreter flushes it at its end."""
    if exc.filename is None:
        from dbmigrate.output import renderer

        renderer.silence(sys.stdout)
    what = "the output cannot be written" if exc.filename is None else exc.filename
    error = ConfigError(f"{what}: {exc.strerror or exc}", code="E207")
    error.__cause__ = exc
    return error


def _is_long(command: Any, name: str) -> bool:  # noqa: ANN401 (typer keeps the class private)
    """Whether some command has the long option `name`; asked only for arguments that are written with one dash."""
    every = (command, *command.commands.values())
    return any(name in (*parameter.opts, "--help") for each in every for parameter in each.params)


def _open_missing_streams() -> None:
    """Let stdin, stdout and stderr be /dev/null where the caller closed them (``>&-``).

    Otherwise the first opened files, such as the connection to the server, get their numbers, and the streams of
    Python are None.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def _catch_signals() -> None:
    """The first SIGINT, SIGTERM or SIGHUP cancels and cleans up; a second one ends the process at once."""
    for number in _ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup and background jobs of a shell ignore it on purpose
            signal.signal(number, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    for each in _ENDING:
        signal.signal(each, signal.SIG_DFL)
    raise KeyboardInterrupt if number == signal.SIGINT else Terminated
