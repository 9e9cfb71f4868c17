"""Everything that is printed. Results go to stdout, messages and errors to stderr; a command has one renderer.

The names are imported on first use: a command that prints nothing but its help needs none of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dbmigrate.output.human import Human
    from dbmigrate.output.jsonlines import Json
    from dbmigrate.output.renderer import Renderer, Streams, standard_streams

_HOMES = {
    "Human": "dbmigrate.output.human",
    "Json": "dbmigrate.output.jsonlines",
    "Renderer": "dbmigrate.output.renderer",
    "Streams": "dbmigrate.output.renderer",
    "standard_streams": "dbmigrate.output.renderer",
}

__all__ = ["Human", "Json", "Renderer", "Streams", "standard_streams"]


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
