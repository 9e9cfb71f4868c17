"""What the database records about migrations. Frozen, without I/O."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from dbmigrate.model.files import Direction


class LogState(StrEnum):
    STARTED = "started"
    DONE = "done"
    FAILED = "failed"
    DEFERRED = "deferred"  # left for later, as the run was asked to: neither applied nor unfinished


@frozen
class Applied:
    """An applied version, or one of `History.undone`, with time, person and `reason` of its rollback.

    All but `version` comes from the log, and is None where only dbmate has been at work.
    """

    version: str
    name: str | None = None
    checksum: str | None = None
    token_checksum: str | None = None
    down_sql: str | None = None
    applied_at: datetime | None = None
    applied_by: str | None = None
    git_commit: str | None = None
    reason: str | None = None


@frozen
class StepRecord:
    """A logged step of a non-transactional migration. `number` counts from 1; `before` is `step_outcome.Before`.

    `progress` is how far a backfill is, see `backfill.cursor`.
    """

    number: int
    state: LogState
    checksum: str
    sql: str | None = None
    error: str | None = None
    before: frozenset[str] | None = None
    progress: Mapping[str, object] | None = None


@frozen
class Unfinished:
    """A non-transactional migration that was started and neither finished nor undone; or whose backfill waits."""

    version: str
    name: str
    direction: Direction
    started_at: datetime
    steps: tuple[StepRecord, ...]
    error: str | None = None
    is_deferred: bool = False

    @property
    def progress(self) -> Mapping[str, object] | None:
        """How far the backfill is that is not done yet."""
        return next((s.progress for s in self.steps if s.progress and s.state is not LogState.DONE), None)

    @property
    def done(self) -> frozenset[int]:
        return frozenset(step.number for step in self.steps if step.state is LogState.DONE)

    @property
    def stopped_at(self) -> StepRecord | None:
        """The statement that failed or whose outcome is unknown, if any."""
        return next((step for step in self.steps if step.state is not LogState.DONE), None)


@frozen
class History:
    """What the database records, read at once: `undone` was rolled back and not applied again.

    `stale`: ids of open entries of runs that died and did nothing. Only for who asks: what the `last_run` applied, and
    what was recorded since.
    """

    applied: tuple[Applied, ...] = ()
    unfinished: tuple[Unfinished, ...] = ()
    deferred: tuple[Unfinished, ...] = ()
    undone: tuple[Applied, ...] = ()
    stale: tuple[int, ...] = ()
    last_run: tuple[str, ...] = ()
    recorded_since: tuple[str, ...] = ()
    updated_at: datetime | None = None

    def __contains__(self, version: object) -> bool:
        return any(applied.version == version for applied in self.applied)
