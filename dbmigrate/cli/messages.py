"""Which renderer a command has: for people or for programs, and in which form its messages are."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dbmigrate.cli.call import Call
    from dbmigrate.output import Renderer, Streams
    from dbmigrate.settings.load import Settings

__all__ = ["log_format", "renderer", "service"]

TEXT = "text"


def log_format(given: object, settings: Settings | None) -> str:
    """The form of messages: as the settings say; before they are read, as the option or the variable does."""
    if settings is not None:
        return settings.watching.log_format
    found = given or os.environ.get("DBMIGRATE_LOG_FORMAT")
    return str(found) if found in ("json", "logfmt") else TEXT


def service(settings: Settings | None) -> str | None:
    """The name of the chosen service, in projects that have several."""
    found = getattr(settings, "service", None)
    return getattr(found, "name", found)


def renderer(call: Call, streams: Streams, form: str, of_service: str | None) -> Renderer:
    """The renderer of a command."""
    from dbmigrate.output import Human, Json

    if form == TEXT:
        kind = Json if call.wants_json else Human
        return kind(streams, verbosity=call.verbosity, hide=call.hide)
    from dbmigrate.output import logged

    name = logged.logger_name(of_service)
    hide = call.hide_values
    if call.wants_json:
        messages = logged.Logged(logged.Results(streams, form, name, hide), verbosity=call.verbosity, hide=call.hide)
        return Json(streams, verbosity=call.verbosity, hide=call.hide, messages=messages)
    return logged.Logged(logged.LogStreams(streams, form, name, hide), verbosity=call.verbosity, hide=call.hide)
