"""``--salvage``: where to save what migrations destroy, from the options of the commands."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate.errors import ConfigError
from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbmigrate.api.base import Options
    from dbmigrate.events import Event


@frozen
class SalvageRequest:
    """Where to save what migrations destroy, and how many bytes of one table at most."""

    directory: str
    limit: int


def request(directory: str | None, limit: str | None, dry_run: bool) -> SalvageRequest:
    """What ``--salvage`` and ``--salvage-limit`` ask for. Raises ConfigError E200, E205."""
    if directory is None:
        raise ConfigError("--salvage-limit needs --salvage", code="E200", hint="write --salvage DIR")
    if dry_run:
        raise ConfigError("a dry run destroys nothing to --salvage", code="E200", hint="leave --salvage out")
    if not directory.strip():
        raise ConfigError("--salvage is empty", code="E205", hint="name a directory")
    from dbmigrate.losses.salvage import DEFAULT_LIMIT
    from dbmigrate.settings.sizes import size

    return SalvageRequest(directory, DEFAULT_LIMIT if limit is None else size(limit, "--salvage-limit"))


def with_salvager(options: Options, asked: SalvageRequest, on_event: Callable[[Event], None]) -> Options:
    """The options of a run that saves what was asked for."""
    from dbmigrate.losses.salvage import Salvager

    salvager = Salvager(asked.directory, asked.limit, on_event=on_event)
    return replace(options, before_run=(salvager.check, *options.before_run), saver=salvager)
