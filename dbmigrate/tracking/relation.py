"""The properties of a table that decide whether it can be a tracking table."""

from __future__ import annotations

from typing import NamedTuple


class Relation(NamedTuple):
    """A row of `tables._LOOK`. `length` is that of the key column, negative if it has no limit.

    `required` are the columns without a default that must not be null, each with the SQL that drops that constraint.
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
        """Whether it is stored like the tables that dbmigrate makes: rows that are written to it stay in it."""
        stored = (self.kind, self.persistence, self.is_partition, self.has_children, self.parent, self.generated)
        return stored == ("r", "p", False, False, None, "") and self.is_unique and self.length < 0
