"""Where scratch databases may be made, from the settings alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dbmigrate.scratch.choose import Choice
    from dbmigrate.settings.load import Settings

__all__ = ["beside_target", "of"]


def of(settings: Settings) -> Choice:
    """The scratch URL, otherwise a server of our own."""
    from dbmigrate.connection.programs import Search
    from dbmigrate.scratch import choose

    return choose.Choice(
        explicit=settings.scratch(),
        search=Search.from_environ(settings.environ),
        cache=choose.cache_directory(settings.environ),
    )


def beside_target(settings: Settings) -> Choice:
    """The same, or a new database on the target's server where that is not protected."""
    from dataclasses import replace

    from dbmigrate.scratch.choose import TargetServer

    on_target = TargetServer.UNUSED if settings.is_protected else TargetServer.USED
    return replace(of(settings), on_target=on_target)
