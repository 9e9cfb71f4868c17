"""What a renderer is asked for, and where it writes."""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING, Protocol, TextIO

from dbmigrate.output.colour import painted, wanted
from dbmigrate.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from dbmigrate.errors import Error
    from dbmigrate.events import Event
    from dbmigrate.model import Finding, LogEvent, Plan, Report, Status


@dataclass(frozen=True, slots=True)
class Streams:
    """The two streams of a command.

    A reader that went away (``| head``, a terminal that was closed) ends the output, not the work.
    """

    out: TextIO
    err: TextIO
    paint_out: Callable[[str], str] = str
    paint_err: Callable[[str], str] = str

    def result(self, text: str = "") -> None:
        self._write(self.out, f"{self.paint_out(text)}\n")

    def talk(self, text: str = "") -> None:
        self._write(self.err, f"{self.paint_err(text)}\n")

    def draw(self, text: str) -> None:
        """Over what stands in the last line of a terminal."""
        self._write(self.err, text)

    def raw(self, pieces: Iterable[str]) -> None:
        """Text that is a program's input, such as a dry run's script: a reader that went away is an error here.

        It is UTF-8 whatever the terminal is, because the script says so of itself.
        """
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
            if exc.errno not in (errno.EPIPE, errno.EIO):
                raise
            # what is still in the buffer must not fail again when the interpreter flushes it at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def standard_streams(environ: Mapping[str, str]) -> Streams:
    """stdout and stderr of this process, able to print every character of a migration whatever the locale says.

    In colour where it is a terminal and `environ` does not say otherwise.
    """
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    paint_out, paint_err = (painted if wanted(stream, environ) else str for stream in (sys.stdout, sys.stderr))
    return Streams(sys.stdout, sys.stderr, paint_out, paint_err)


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

    def events(self, events: Sequence[LogEvent]) -> None:
        """The answer of ``history``."""

    def answer(self, command: str, lines: Iterable[str], value: Mapping[str, object]) -> None:
        """The answer to a question: `lines` for people, `value` for programs."""

    def plan(self, plan: Plan) -> None:
        """What a correction would change, before it is asked for."""

    def ask(self, question: str) -> str:
        """Ask the user; the answer as it was typed, empty at the end of input."""

    def finished(self, command: str) -> None:
        """A command whose only result is that it succeeded."""

    def created_file(self, path: str) -> None:
        """The answer of ``new``."""

    def script(self, pieces: Iterable[str]) -> None:
        """The script of a dry run, as it is made."""

    def suggestions(self, program: str) -> None:
        """What to try after the demo; `program` is how dbmigrate is called here."""

    def error(self, error: Error) -> None:
        """The command failed."""
