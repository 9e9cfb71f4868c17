"""Messages as structured lines: one JSON object or one line of ``key=value`` pairs for each. stdout stays as it is.

logfmt: https://brandur.org/logfmt. A line that asks a question on a terminal stays text.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dbmigrate.events import StepDone, StepFailed
from dbmigrate.output import commands, records, text
from dbmigrate.output.colour import Line, Style
from dbmigrate.output.human import Human
from dbmigrate.output.records import Record
from dbmigrate.output.renderer import Streams
from dbmigrate.output.verbosity import Verbosity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dbmigrate.errors import Error
    from dbmigrate.events import Event
    from dbmigrate.reports import Report

__all__ = ["LogStreams", "Logged", "logger_name"]

_LEVELS = {Style.ERROR: "error", Style.WARNING: "warning"}
_PLAIN = re.compile(r"[^\s\"=\\\x00-\x1f\x7f]+")


def logger_name(service: str | None) -> str:
    """``dbmigrate``, or ``dbmigrate.SERVICE``."""
    return f"dbmigrate.{service}" if service else "dbmigrate"


def _json(value: Mapping[str, object]) -> str:
    """In ASCII: whatever the locale says, it is JSON."""
    return json.dumps(value, default=str)


def _logfmt(value: Mapping[str, object]) -> str:
    return " ".join(f"{key}={_value(given)}" for key, given in value.items() if given is not None)


def _value(given: object) -> str:
    shown = str(given).lower() if isinstance(given, bool) else str(given)
    return shown if _PLAIN.fullmatch(shown) else json.dumps(shown, ensure_ascii=False)


FORMATS: Mapping[str, Callable[[Mapping[str, object]], str]] = {"json": _json, "logfmt": _logfmt}


class LogStreams(Streams):
    """Streams whose messages are records. `hide` masks what may be secret in them."""

    def __init__(self, streams: Streams, form: str, logger: str, hide: Callable[[str], str]) -> None:
        super().__init__(streams.out, streams.err, streams.show_out)
        self.complete = streams.complete
        self.losses = streams.losses  # what is lost here is lost for the command
        self._form = FORMATS[form]
        self._logger = logger
        self._hide = hide

    @property
    def is_live(self) -> bool:
        return False

    def message(self, *lines: Line | str) -> None:
        """Lines that have no record of their own, as one; the style of the first line is its level."""
        shown = "\n".join(str(self._worded(line)) for line in lines).strip()
        if shown:
            style = lines[0].style if isinstance(lines[0], Line) else Style.NONE
            self.record(Record(_LEVELS.get(style, "info"), shown))

    def record(self, record: Record) -> None:
        """Write one record."""
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"
        worded = commands.in_value({**record.fields, "message": record.message}, self.complete)
        shown = {name: self._shown(value) for name, value in worded.items()}
        begin = {"time": now, "level": record.level, "logger": self._logger, "message": shown["message"]}
        # a label of the server's may have the name of one of ours
        fields = {name: value for name, value in shown.items() if name not in begin}
        self._write(self.err, f"{self._form({**begin, **fields})}\n")

    def _shown(self, value: object) -> object:
        return text.safe(self._hide(value)) if isinstance(value, str) else value


class Results(LogStreams):
    """The same beside a JSON object on stdout: results are in records, and nowhere else."""

    def __init__(self, streams: Streams, form: str, logger: str, hide: Callable[[str], str]) -> None:
        super().__init__(streams.without_stdout(), form, logger, hide)

    def result(self, *lines: Line | str) -> None:
        """Nothing: a record says it."""


class Logged(Human):
    """The renderer for people whose messages programs read."""

    def __init__(
        self, streams: LogStreams, *, verbosity: Verbosity = Verbosity.NORMAL, hide: Callable[[str], str] = str
    ) -> None:
        super().__init__(streams, verbosity=verbosity, hide=hide)
        self._is_live = False
        self._log = streams
        self._seen: set[str] = set()

    def on_event(self, event: Event) -> None:
        found = records.of_event(event)
        if isinstance(event, StepDone):
            super().on_event(event)  # its line of stdout
        if found is None:
            super().on_event(event)
            return
        for record in found:
            self._once(record) if "code" in record.fields else self._record(record)
        if isinstance(event, StepFailed):
            self._erase()

    def report(self, command: str, report: Report) -> None:
        self._record(records.of_report(report))
        self._streams.report_lost_messages()

    def error(self, error: Error) -> None:
        self._log.record(records.of_error(error))
        if error.report is not None and error.report.done:
            self._message(f"before the failure: {text.closing_line('', error.report)}")

    def _once(self, record: Record) -> None:
        """Warnings are not repeated."""
        key = f"{record.message} {record.fields}"
        if key not in self._seen:
            self._seen.add(key)
            self._record(record)

    def _record(self, record: Record) -> None:
        if self._verbosity > Verbosity.QUIET:
            self._log.record(record)
