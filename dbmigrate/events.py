"""What happens during a run. Frozen values; a listener is a function that takes an `Event`."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbmigrate.model import Plan, Problem, Step
    from dbmigrate.reports import Backup, HealthOutcome, Outcome, Report, SchemaFile


@frozen
class RunStarted:
    """The connection is open and the plan is made. `where` names environment and server, without secrets."""

    where: str
    plan: Plan


@frozen
class Planned:
    """A dry run is about to show this plan."""

    plan: Plan


@frozen
class StepStarted:
    step: Step


@frozen
class StepDone:
    outcome: Outcome


@frozen
class StepFailed:
    step: Step
    seconds: float


@frozen
class ServerNotice:
    """A NOTICE, WARNING or the like that the server sent while a statement ran."""

    severity: str
    message: str
    detail: str | None = None
    hint: str | None = None

    def hiding(self, hide: Callable[[str], str]) -> ServerNotice:
        """The same, with its texts without secrets."""
        detail, hint = (text and hide(text) for text in (self.detail, self.hint))
        return replace(self, message=hide(self.message), detail=detail, hint=hint)


@frozen
class Created:
    """A database or schema is about to be made (`kind` is ``database`` or ``schema``)."""

    kind: str
    name: str


@frozen
class Dropped:
    name: str


@frozen
class Waiting:
    """The run waits for `what`, since `seconds`."""

    what: str
    seconds: float = 0.0


@frozen
class Retrying:
    """A lock was not granted in time; the transaction was rolled back and will run again."""

    step: Step
    attempt: int
    blockers: tuple[str, ...] = ()

    def hiding(self, hide: Callable[[str], str]) -> Retrying:
        """The same, with its texts without secrets."""
        return replace(self, blockers=tuple(map(hide, self.blockers)))


@frozen
class Progress:
    """Where a long step is: at statement `number`, or at one of `number` to `last` that were sent together.

    `sql` is the text of a single one: of several the server does not say which one is running. `seconds` have passed
    since it was sent, and `detail` says what it waits for.
    """

    step: Step
    number: int
    last: int
    sql: str
    seconds: float
    detail: str | None = None

    def hiding(self, hide: Callable[[str], str]) -> Progress:
        """The same, with its texts without secrets."""
        return replace(self, detail=self.detail and hide(self.detail))


@frozen
class BackfillProgress:
    """How far a backfill is: `share` of `total` rows, if the server can estimate them; `rows` of them were met.

    `rate` is in rows per second over the last minute, `left` in seconds. `page` is the size of the last page and the
    seconds of its statements. `waiting` is why the next page has to wait.
    """

    step: Step
    table: str
    rows: int
    page: tuple[int, float]
    rate: float
    share: float | None = None
    total: float | None = None
    left: float | None = None
    waiting: str | None = None


@frozen
class Targeted:
    """A whole database is about to change: `where` names it as in `RunStarted`, `action` says what happens to it."""

    where: str
    action: str


class Phase(StrEnum):
    """The phases of a deployment, in their order, `rollback` only after a failure; `restore` is that of a backup."""

    VERIFY = "verify"
    PLAN = "plan"
    BACKUP = "backup"
    UP = "up"
    HEALTH = "health"
    ROLLBACK = "rollback"
    RESTORE = "restore"


@frozen
class PhaseDone:
    """A phase is done, with its result: the number of verified migrations, the plan, the backup and so on.

    A text says why the phase had nothing to do.
    """

    phase: Phase
    result: int | Plan | Backup | Report | HealthOutcome | str


@frozen
class SchemaRead:
    """A schema file is about to be loaded."""

    path: str


@frozen
class SchemaLoaded:
    """A schema file was loaded into `where`; `recorded` versions are applied now, None if that is unknown."""

    path: str
    where: str
    recorded: int | None


@frozen
class SchemaWritten:
    schema: SchemaFile


@frozen
class Warned:
    problem: Problem


Event = (
    RunStarted
    | Planned
    | StepStarted
    | StepDone
    | StepFailed
    | ServerNotice
    | Created
    | Dropped
    | Targeted
    | PhaseDone
    | Waiting
    | Retrying
    | Progress
    | BackfillProgress
    | SchemaRead
    | SchemaLoaded
    | SchemaWritten
    | Warned
)
