"""A table as the catalog describes it, as far as a tracking table is judged by it."""

from __future__ import annotations

from typing import NamedTuple


class Relation(NamedTuple):
    """What `_LOOK` says of a table; `length` is that of its key's column, negative if it has none.

    `required` are columns that must be given a value, each with what takes that back.
    """

    name: str
    kind: str
    has_triggers: bool
    has_rules: bool
    owner: str
    is_trusted: bool
    columns: str
    has_policies: bool
    hides_rows: bool
    neighbour: str | None
    persistence: str
    is_partition: bool
    has_children: bool
    parent: str | None
    length: int
    generated: str
    is_unique: bool
    required: list[tuple[str, str]] | None

    @property
    def is_plain(self) -> bool:
        """Whether it is stored as the tables that we make: rows that are written to it stay, and are its own."""
        stored = (self.kind, self.persistence, self.is_partition, self.has_children, self.parent, self.generated)
        return stored == ("r", "p", False, False, None, "") and self.is_unique and self.length < 0
