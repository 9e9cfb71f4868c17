"""Writes the metrics of a run into a file."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate.cli.watcher import Watcher
from dbmigrate.errors import Error
from dbmigrate.metrics import file, run_metrics
from dbmigrate.metrics.run_metrics import Now
from dbmigrate.model import Problem
from dbmigrate.reports import MigrationState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.api.migrator import Options
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.execution.session import Session
    from dbmigrate.impact.blocking import BlockingLocks
    from dbmigrate.reports import RunResult

__all__ = ["MetricsFile"]

_CONNECT_TIMEOUT = 5  # seconds: the run is over, nobody should wait for its numbers


class MetricsFile(Watcher):
    """The file `path`, replaced at the end of a run, also of one that failed or was refused."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._locks: BlockingLocks | None = None
        self._now = Now(0.0)

    def started(self, session: Session, so_far: RunResult) -> None:
        """Look at the locks from now on."""
        from dbmigrate.impact.blocking import BlockingLocks

        self._locks = BlockingLocks()
        self._locks.begin(session.dsn.patient(_CONNECT_TIMEOUT), session.conn.info.backend_pid)

    def before_close(self, dsn: Dsn, options: Options) -> None:
        """Count what the log holds and what is pending; what cannot be asked stays as it was."""
        blocking = self._locks.end() if self._locks is not None else 0.0
        self._locks = None
        self._now = replace(self._now, blocking=blocking)
        from dbmigrate.api.migrator import Migrator
        from dbmigrate.api.totals import Counter

        patient = dsn.patient(_CONNECT_TIMEOUT)
        with suppress(Error):
            self._now = replace(self._now, totals=Counter(patient, options).totals())
            rows = Migrator(patient, options).pending()
            unfinished = sum(row.state is MigrationState.UNFINISHED for row in rows)
            self._now = replace(self._now, pending=len(rows) - unfinished, unfinished=unfinished)

    def ended(self, result: RunResult) -> Sequence[Problem]:
        """Write the file."""
        if self._locks is not None:
            self._locks.end()
        if not result.database:
            return ()  # nobody knows whose numbers these would be
        now = replace(self._now, timestamp=time.time())
        try:
            file.replaced(self._path, run_metrics.text(result, now, file.earlier(self._path)))
        except OSError as exc:
            message = f"the metrics file {self._path} cannot be written: {exc.strerror}"
            return (Problem("W782", message, hint="the run is not affected"),)
        return ()
