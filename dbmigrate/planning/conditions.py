"""What has to be true before and after migrations that are planned, for those who read the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.migrations.conditions import KEYS, parts

if TYPE_CHECKING:
    from dbmigrate.model import Direction, Migration

__all__ = ["WORDS", "listed"]

WORDS = tuple(f"migrate:{key}" for key in KEYS)  # what a file holds that has conditions


def listed(migration: Migration, direction: Direction) -> tuple[tuple[str, str], ...]:
    """Kind and query of the conditions of one direction, in the order in which they are asked."""
    asked = (each for part in parts(migration, direction) for each in (*part.before, *part.after))
    return tuple((each.kind.value, each.query) for each in asked)
