"""What metrics need from the database at the end of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.api.base import ApiBase
from dbmigrate.connection import database
from dbmigrate.tracking import read_totals

if TYPE_CHECKING:
    from dbmigrate.tracking.read_totals import Totals

__all__ = ["Counter"]


class Counter(ApiBase):
    """Counts what the log holds. Writes nothing."""

    def totals(self) -> Totals:
        """What the log says about all runs."""
        with self._open("metrics") as session, database.translated(self._dsn):
            return read_totals.read(session.conn, session.tables)
