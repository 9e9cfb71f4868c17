"""What can have become of a statement outside a transaction that nobody saw end, and how that is asked.

What was there before is written to the log with the announcement of the statement. Otherwise an object that somebody
else made earlier, under the same name, would pass for the statement's own.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Protocol

from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from dbmigrate.connection.database import Connection

Before = frozenset[str]
"""The identities (object ids, mostly) of what a statement would make, drop or meet, as they were before it ran."""


class Outcome(Enum):
    """What the database shows of a statement."""

    DONE = "done"
    UNDONE = "not done"
    UNKNOWN = "unknown"


@frozen
class Leftover:
    """Something half made; `cleanup` is the statement that removes or completes it, `code` the note that says so."""

    name: str
    code: str
    message: str
    cleanup: str


class Probe(Protocol):
    """Looks up one statement's effect. Its names were resolved while the file's search_path was in force."""

    def before(self, conn: Connection) -> Before:
        """What to write down before the statement runs."""

    def leftovers(self, conn: Connection, before: Before | None) -> tuple[Leftover, ...]:
        """What the statement has left half made. `before` is None where nothing was written down."""

    def outcome(self, conn: Connection, before: Before | None) -> Outcome:
        """What became of the statement, if it has left nothing half made."""
