"""What the migrations of a check change in the schema: its catalog before the first new one, and after the last one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.catalog import Catalog
    from dbmigrate.check.scratch_session import ScratchSession
    from dbmigrate.model import Migration

__all__ = ["ChangedSchema"]


class ChangedSchema:
    """Looks at the scratch database while a check applies the migrations. Afterwards `before` and `after` are there,
    unless there was no new migration, or not all of them could be applied.
    """

    def __init__(self) -> None:
        self.before: Catalog | None = None
        self.after: Catalog | None = None
        self._settled = -1

    def begin(self, scratch: ScratchSession, are_new: Sequence[bool]) -> None:
        """The database is empty, and so many migrations are going to be applied, of which some are new."""
        self._settled = are_new.index(True) if True in are_new else -1
        self._look(scratch)

    def applied(self, scratch: ScratchSession, migration: Migration) -> None:
        """One of them was applied."""
        if self.before is None and self._settled > 0:
            self._settled -= 1
            self._look(scratch)

    def finish(self, scratch: ScratchSession) -> None:
        """All of them were applied."""
        if self.before is not None:
            self.after = scratch.read_catalog()

    def _look(self, scratch: ScratchSession) -> None:
        if self._settled == 0:
            self.before = scratch.read_catalog()
