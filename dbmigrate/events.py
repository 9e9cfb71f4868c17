"""What happens during a run, told to whoever listens. Frozen values; a listener is a function that takes an `Event`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from dbmigrate.model import Plan, Problem, Step
    from dbmigrate.reports import Backup, HealthOutcome, LockReport, Outcome, Report, SchemaFile


@frozen
class RunStarted:
    """The connection stands and the plan is made: `where` names environment and server without secrets."""

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
    """Something is waited for; `seconds` is how long already."""

    what: str
    seconds: float = 0.0


@frozen
class Retrying:
    """A lock was not granted in time; the transaction was rolled back and will be tried again."""

    step: Step
    attempt: int
    blockers: tuple[str, ...] = ()


@frozen
class Progress:
    """Where a long step is: at statement `number`, or at one of `number` to `last` that were sent together.

    `sql` is the text of a single one: the server does not tell which of several it is at. `seconds` have passed since
    it was sent, and `detail` says what it waits for.
    """

    step: Step
    number: int
    last: int
    sql: str
    seconds: float
    detail: str | None = None


@frozen
class Targeted:
    """Something is about to be done to a whole database: `where` names it as `RunStarted` does, `deed` says what."""

    where: str
    deed: str


class Phase(StrEnum):
    """The steps of a deployment, in their order; the last one only where something failed."""

    VERIFY = "verify"
    PLAN = "plan"
    BACKUP = "backup"
    UP = "up"
    HEALTH = "health"
    ROLLBACK = "rollback"


@frozen
class Passed:
    """A phase is over, with what came of it: the number of verified migrations, the plan, the backup and so on.

    A text says why there was nothing to do in it.
    """

    phase: Phase
    result: int | Plan | Backup | Report | HealthOutcome | str


@frozen
class LocksMeasured:
    """What a dry run's migrations would lock is known, or why it is not."""

    report: LockReport


@frozen
class SchemaRead:
    """A schema file is about to be loaded."""

    path: str


@frozen
class SchemaLoaded:
    """A schema file was loaded into `where`; `recorded` versions are applied now, None if that cannot be told."""

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
    | Passed
    | Waiting
    | Retrying
    | Progress
    | LocksMeasured
    | SchemaRead
    | SchemaLoaded
    | SchemaWritten
    | Warned
)
