"""What happens during a run, told to whoever listens. Frozen values; a listener is a function that takes an `Event`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dbmigrate.model import Outcome, Plan, Problem, SchemaFile, Step


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The connection stands and the plan is made: `where` names environment and server without secrets."""

    where: str
    plan: Plan


@dataclass(frozen=True, slots=True)
class Planned:
    """A dry run is about to show this plan."""

    plan: Plan


@dataclass(frozen=True, slots=True)
class StepStarted:
    step: Step


@dataclass(frozen=True, slots=True)
class StepDone:
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class StepFailed:
    step: Step
    seconds: float


@dataclass(frozen=True, slots=True)
class ServerNotice:
    """A NOTICE, WARNING or the like that the server sent while a statement ran."""

    severity: str
    message: str
    detail: str | None = None
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Created:
    """A database or schema is about to be made (`kind` is ``database`` or ``schema``)."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Dropped:
    name: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something is waited for; `seconds` is how long already."""

    what: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Retrying:
    """A lock was not granted in time; the transaction was rolled back and will be tried again."""

    step: Step
    attempt: int
    blockers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a long step is: statement `number` of `total`, its text, seconds since it was sent, what it waits for."""

    step: Step
    number: int
    total: int
    sql: str
    seconds: float
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class SchemaRead:
    """A schema file is about to be loaded."""

    path: str


@dataclass(frozen=True, slots=True)
class SchemaWritten:
    schema: SchemaFile


@dataclass(frozen=True, slots=True)
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
    | Waiting
    | Retrying
    | Progress
    | SchemaRead
    | SchemaWritten
    | Warned
)
