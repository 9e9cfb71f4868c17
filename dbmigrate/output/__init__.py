"""Everything that is printed. Results go to stdout, talk and errors to stderr; a command has one renderer."""

from __future__ import annotations

from dbmigrate.output.human import Human
from dbmigrate.output.jsonlines import Json
from dbmigrate.output.renderer import Renderer, Streams

__all__ = ["Human", "Json", "Renderer", "Streams"]
