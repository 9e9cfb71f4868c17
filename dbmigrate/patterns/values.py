"""What a pattern writes: sections, files, and the plain change that they have to equal."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dbmigrate.patterns.schema import Schema

__all__ = ["Draft", "Pair", "Pattern", "Planned", "Section"]


@frozen
class Section:
    """The SQL of one direction. `backfill` is the table of one that runs in batches."""

    statements: tuple[str, ...] = ()
    options: str = ""
    backfill: str = ""

    def text(self, direction: str) -> str:
        """As a file has it."""
        options = f"backfill:{self.backfill} batch:1000" if self.backfill else self.options
        return _section(direction, options, self.statements)


def _section(direction: str, options: str, statements: Sequence[str]) -> str:
    header = f"-- migrate:{direction} {options}".rstrip()
    return "\n".join((header, *statements, ""))


@frozen
class Pair:
    """An up section and its down section."""

    up: Section
    down: Section = field(default_factory=Section)


@frozen
class Draft:
    """A file: the words of its name, what its comment says, its pairs."""

    name: str
    comment: tuple[str, ...]
    pairs: tuple[Pair, ...]

    def text(self) -> str:
        """The file."""
        return self._joined([part for pair in self.pairs for part in (pair.up.text("up"), pair.down.text("down"))])

    def _joined(self, parts: Sequence[str]) -> str:
        head = [f"-- {line}" for line in self.comment]
        return "\n".join((*head, "", "\n".join(parts)))


@frozen
class Planned:
    """What a pattern makes: `files` in their order, and `plain`, the unsafe change that ends in the same schema.

    `notes` are what the reader has to know beside the files. Of a file that `lint --fix` has to rewrite, `is_unsafe`.
    `above` are pairs that come before its rewritten section.
    """

    files: tuple[Draft, ...]
    plain: str = ""
    notes: tuple[str, ...] = ()
    is_unsafe: bool = False
    above: tuple[Pair, ...] = ()


@frozen
class Pattern:
    """`usage` are its arguments as the help shows them; those in brackets may be left out."""

    name: str
    usage: str
    summary: str
    plan: Callable[[Schema, Sequence[str]], Planned]

    @property
    def least(self) -> int:
        """How many arguments it needs."""
        return sum(1 for word in self.usage.split() if not word.startswith(("[", ".")))

    @property
    def most(self) -> int | None:
        """How many it takes; None: as many as there are."""
        return None if self.usage.endswith("...") else len(self.usage.split())
