"""Runs files that leave no record: seeds. Everything else is as for a transactional migration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.execution.transactional import Executor
from dbmigrate.execution.whole_transaction import Record

if TYPE_CHECKING:
    from dbmigrate.errors import Error
    from dbmigrate.model import Step

__all__ = ["UnrecordedExecutor"]


class UnrecordedExecutor(Executor):
    """An `Executor` that writes neither version rows nor log entries, and needs no tracking tables."""

    def _record(self, step: Step, newest: int | None) -> Record:
        return Record("", None)

    def _log_failure(self, step: Step, error: Error) -> None:
        """The failure is shown, and kept nowhere."""
