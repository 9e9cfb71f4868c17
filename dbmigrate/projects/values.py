"""What `init` makes, as values."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dbmigrate.model import Problem

__all__ = ["Choices", "File", "Layout", "Made"]


@frozen
class Layout:
    """Where the parts of the project are, relative to its directory; `given` is what its file has to say of it.

    `merge_line` is the line of ``.gitattributes`` that gives the schema file to its merge driver.
    """

    migrations_dirs: tuple[str, ...] = ("db/migrations",)
    seeds_dir: str = "db/seeds"
    schema_file: str = "db/schema.sql"
    given: Mapping[str, str] = field(default_factory=dict)
    merge_line: str = ""


@frozen
class Choices:
    """What is wanted beyond the directories and settings that every project has."""

    workflow: bool = False
    compose: bool = False
    make: bool = False
    npm: bool = False


@frozen
class File:
    """A file that is written if nothing of its name is there.

    Where something is, one of its lines has to match `sign`, or else `advice` says what to add to it.
    """

    path: str
    text: str
    sign: str = ""
    advice: Problem | None = None


@frozen
class Made:
    """Paths that were created, those that were there and left alone, notes about these, and scripts that were added.

    `clone` is what was set up in this clone of the repository.
    """

    created: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    notes: tuple[Problem, ...] = ()
    scripts: tuple[str, ...] = ()
    clone: tuple[str, ...] = ()

    @property
    def is_new(self) -> bool:
        return bool(self.created or self.scripts)
