"""Who watches runs: what is said to them, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.api.migrator import Options
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.events import Event
    from dbmigrate.execution.session import Session
    from dbmigrate.model import Problem
    from dbmigrate.reports import RunResult

__all__ = ["Watcher"]


class Watcher:
    """Somebody who follows a run. Every method may be left as it is; none may raise or take long."""

    def started(self, session: Session, so_far: RunResult) -> None:
        """The first step is about to run, in this session."""

    def on_event(self, event: Event) -> None:
        """Something happened."""

    def slow(self, name: str, so_far: RunResult) -> None:
        """The migration `name` takes longer than it may."""

    def before_close(self, dsn: Dsn, options: Options) -> None:
        """The run has ended, and its server can still be asked."""

    def ended(self, result: RunResult) -> Sequence[Problem]:
        """The run has ended. What could not be done is returned."""
        return ()
