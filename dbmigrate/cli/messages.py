"""The renderer of a command whose messages are lines for programs, of JSON or logfmt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from dbmigrate.output import Json, logged

if TYPE_CHECKING:
    from dbmigrate.output import Renderer, Streams
    from dbmigrate.output.verbosity import Verbosity
    from dbmigrate.settings.load import Settings

__all__ = ["renderer", "service"]


class Command(Protocol):
    """What is needed of an invocation: whether its result is JSON, and what is masked."""

    wants_json: bool
    verbosity: Verbosity

    def hide(self, text: str) -> str: ...

    def hide_values(self, text: str) -> str: ...


def service(settings: Settings | None) -> str | None:
    """The name of the chosen service, in projects that have several."""
    return settings.service.name if settings is not None and settings.service is not None else None


def streams(call: Command, under: Streams, settings: Settings) -> Streams:
    """The streams of a command that prints without a renderer: their messages have the form of all messages."""
    shape = settings.watching.log_format
    if shape not in ("json", "logfmt"):
        return under
    return logged.LogStreams(under, shape, logged.logger_name(service(settings)), call.hide_values)


def renderer(call: Command, streams: Streams, shape: str, settings: Settings | None) -> Renderer:
    """The renderer of a command; before the settings are read there are none."""
    given = (streams, shape, logged.logger_name(service(settings)), call.hide_values)
    if call.wants_json:
        messages = logged.Logged(logged.Results(*given), verbosity=call.verbosity, hide=call.hide)
        return Json(streams, verbosity=call.verbosity, hide=call.hide, messages=messages)
    return logged.Logged(logged.LogStreams(*given), verbosity=call.verbosity, hide=call.hide)
