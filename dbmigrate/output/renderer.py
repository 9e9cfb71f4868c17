"""What a renderer can print, and the streams that it writes to."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TextIO

from dbmigrate.model import Problem
from dbmigrate.output import text
from dbmigrate.output.colour import coloured, plain, wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from dbmigrate.errors import Error
    from dbmigrate.events import Event
    from dbmigrate.impact.values import LockReport
    from dbmigrate.model import Plan
    from dbmigrate.output.colour import Line
    from dbmigrate.reports import Finding, LogEntry, Report, Status


_GONE = (errno.EPIPE, errno.EIO)


@dataclass(slots=True)
class Losses:
    """Which streams could not be written, and whether stdout has the answer of the command."""

    of: dict[TextIO, OSError] = field(default_factory=dict)
    is_answer: bool = False


class Streams:
    """The two streams of a command. If one cannot be written any more, the output ends, not the work.

    A reader that went away (``| head``, a closed terminal) is not worth a warning; a full disk is. `lost_answer` says
    at the end whether a command whose only result is its output has lost it. `show_out` and `show_err` make the text
    of a line for its stream: with colours, or plain. `complete` adds to the commands that a message names what this one
    was started with; it is asked for lines that name one.
    """

    def __init__(
        self,
        out: TextIO,
        err: TextIO,
        show_out: Callable[[Line | str], str] = plain,
        show_err: Callable[[Line | str], str] = plain,
    ) -> None:
        self.out = out
        self.err = err
        self.show_out = show_out
        self.show_err = show_err
        self.complete: Callable[[str], str] = str
        self.is_script = False  # whether stdout is what a program reads
        self.losses = Losses()

    def without_stdout(self) -> Streams:
        """Both streams on stderr."""
        made = Streams(self.err, self.err, self.show_err, self.show_err)
        made.complete = self.complete
        return made

    @property
    def is_live(self) -> bool:
        """Whether a line of stderr can be drawn again."""
        return self.err.isatty()

    @property
    def lost_answer(self) -> OSError | None:
        """Why the answer of the command is missing or cut on stdout; None if it is complete, or there is none."""
        return self.losses.of.get(self.out) if self.losses.is_answer else None

    @property
    def lost_messages(self) -> OSError | None:
        """Why stderr cannot be written; None where its reader went away."""
        lost = self.losses.of.get(self.err)
        return None if lost is None or has_no_reader(lost) else lost

    def result(self, *lines: Line | str) -> None:
        """Lines of stdout about work that is done: the work matters more than the lines."""
        self._write(self.out, "".join(f"{self.show_out(self._worded(line))}\n" for line in lines))

    def answer(self, line: Line | str = "") -> None:
        """A line of stdout that was asked for: without it the command has failed."""
        self.losses.is_answer = True
        self.result(line)

    def message(self, *lines: Line | str) -> None:
        """Lines of stderr."""
        self._write(self.err, "".join(f"{self.show_err(self._worded(line))}\n" for line in lines))

    def _worded(self, line: Line | str) -> Line | str:
        if "`dbmigrate " not in str(line):
            return line
        from dbmigrate.output import commands

        return commands.in_line(line, self.complete)

    def draw(self, text: str) -> None:
        """Write over the last line of a terminal."""
        self._write(self.err, text)

    def raw(self, pieces: Iterable[str]) -> None:
        """Text that is a program's input, such as a dry run's script. A failure to write it is an error.

        It is UTF-8, whatever the terminal uses, because the script itself says so.
        """
        self.is_script = True
        reconfigure = getattr(self.out, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="strict")
        for piece in pieces:
            self.out.write(piece)
        self.out.flush()

    def _write(self, stream: TextIO, text: str) -> None:
        # both streams are flushed line by line, so that they interleave in the order of events
        try:
            stream.write(text)
            stream.flush()
        except OSError as exc:
            self._give_up(stream, exc)

    def _give_up(self, stream: TextIO, exc: OSError) -> None:
        """Drop what is left in the buffer: it must not fail again when the interpreter flushes it at its end."""
        silence(stream)
        self.losses.of[stream] = exc
        if stream is self.out and self.out is not self.err and not (self.losses.is_answer or has_no_reader(exc)):
            self.message(*_lost("W685", "stdout", exc))

    def report_lost_messages(self) -> None:
        """Warn on stdout that messages on stderr are lost."""
        if self.lost_messages is not None and not self.is_script and self.out is not self.err:
            self.result(*_lost("W686", "stderr", self.lost_messages))


def has_no_reader(exc: OSError) -> bool:
    """Whether the other end of a pipe or a terminal is gone."""
    return exc.errno in _GONE


def silence(stream: TextIO) -> None:
    """Discard everything that is written to `stream` from now on."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _lost(code: str, name: str, exc: OSError) -> Iterator[Line]:
    message = f"{name} cannot be written: {exc.strerror}; its output is lost, the command continues"
    return text.problem_lines(Problem(code, message))


def standard_streams(environ: Mapping[str, str]) -> Streams:
    """stdout and stderr of this process, able to print every character of a migration whatever the locale says.

    In colour where a stream is a terminal, unless `environ` asks for plain text.
    """
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
        with suppress(OSError):  # a pipe of an event loop, as Node's, may be set to fail where it should wait
            os.set_blocking(stream.fileno(), True)
    show_out, show_err = (coloured if wanted(stream, environ) else plain for stream in (sys.stdout, sys.stderr))
    return Streams(sys.stdout, sys.stderr, show_out, show_err)


class Renderer(Protocol):
    """Shows a command's progress and its result."""

    def on_event(self, event: Event) -> None:
        """Something happened."""

    def report(self, command: str, report: Report) -> None:
        """A command that changes things is done."""

    def status(self, status: Status) -> None:
        """The answer of ``status``."""

    def findings(self, findings: Sequence[Finding]) -> None:
        """The answer of ``verify``."""

    def log_entries(self, entries: Sequence[LogEntry]) -> None:
        """The answer of ``history``."""

    def answer(self, command: str, lines: Iterable[Line | str], value: Mapping[str, object]) -> None:
        """The answer to a question: `lines` for people, `value` for programs."""

    def outcome(self, command: str, lines: Iterable[Line | str], value: Mapping[str, object]) -> None:
        """The result of a change, in the same two forms: the change matters more than the line."""

    def plan(self, plan: Plan) -> None:
        """What `repair` would change, before it is confirmed."""

    def locks(self, report: LockReport) -> None:
        """The lock report of a dry run, as messages."""

    def notes(self, lines: Iterable[str]) -> None:
        """Lines beside the answer, for people."""

    def ask(self, question: str) -> str:
        """Ask the user; the answer as it was typed, empty at the end of input."""

    def finished(self, command: str) -> None:
        """A command without a result is done."""

    def created_file(self, path: str) -> None:
        """The answer of ``new``."""

    def script(self, pieces: Iterable[str]) -> None:
        """The script of a dry run, as it is made."""

    def suggestions(self, program: str) -> None:
        """What to try after the demo; `program` is how the user calls dbmigrate."""

    def error(self, error: Error) -> None:
        """The command failed."""
