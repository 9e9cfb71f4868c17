"""The outcome of a statement outside a transaction whose end was not seen, and how it is looked up.

The objects that were there before are logged before the statement runs. Otherwise an older object of the same name
would pass for the effect of the statement.
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
    """Whether a statement took effect, as far as the database shows it."""

    DONE = "done"
    UNDONE = "not done"
    UNKNOWN = "unknown"


class Sending(Enum):
    """How far a statement outside a transaction has come, as far as this process knows."""

    ANNOUNCING = "not sent yet"
    RUNNING = "sent"
    ENDED = "the server has reported its end"


@frozen
class Leftover:
    """Something half made. `cleanup` is the statement that removes or completes it, `code` that of its note."""

    name: str
    code: str
    message: str
    cleanup: str


class Probe(Protocol):
    """Looks up one statement's effect. Its names were resolved while the file's search_path was in force."""

    def before(self, conn: Connection) -> Before:
        """What to log before the statement runs."""

    def leftovers(self, conn: Connection, before: Before | None) -> tuple[Leftover, ...]:
        """What the statement left half made. `before` is None where it was not logged."""

    def outcome(self, conn: Connection, before: Before | None) -> Outcome:
        """The outcome of the statement, if it has no leftovers."""
