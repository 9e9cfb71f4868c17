"""Which renderer a command has: for people or for programs, and in which form its messages are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbmigrate.output import Renderer, Streams
    from dbmigrate.output.verbosity import Verbosity
    from dbmigrate.settings.load import Settings

__all__ = ["Form", "log_format", "renderer", "service"]

TEXT = "text"


def log_format(given: str | None, settings: Settings | None) -> str:
    """The form of messages: as the settings say; before they are read, as `given` by the option or the variable."""
    if settings is not None:
        return settings.watching.log_format
    return given if given in ("json", "logfmt") else TEXT


def service(settings: Settings | None) -> str | None:
    """The name of the chosen service, in projects that have several."""
    found = getattr(settings, "service", None)
    return getattr(found, "name", found)


@frozen
class Form:
    """How a command prints: the form of its messages, whether its result is JSON, what is masked.

    `hide` masks passwords, `hide_values` the values of variables, too.
    """

    log_format: str
    is_json: bool
    verbosity: Verbosity
    hide: Callable[[str], str]
    hide_values: Callable[[str], str]
    service: str | None = None


def streams(under: Streams, form: Form) -> Streams:
    """The streams of a command that prints without a renderer: their messages have the form of all messages."""
    if form.log_format == TEXT:
        return under
    from dbmigrate.output import logged

    return logged.LogStreams(under, form.log_format, logged.logger_name(form.service), form.hide_values)


def renderer(streams: Streams, form: Form) -> Renderer:
    """The renderer of a command."""
    from dbmigrate.output import Human, Json

    if form.log_format == TEXT:
        kind = Json if form.is_json else Human
        return kind(streams, verbosity=form.verbosity, hide=form.hide)
    from dbmigrate.output import logged

    given = (streams, form.log_format, logged.logger_name(form.service), form.hide_values)
    if form.is_json:
        messages = logged.Logged(logged.Results(*given), verbosity=form.verbosity, hide=form.hide)
        return Json(streams, verbosity=form.verbosity, hide=form.hide, messages=messages)
    return logged.Logged(logged.LogStreams(*given), verbosity=form.verbosity, hide=form.hide)
