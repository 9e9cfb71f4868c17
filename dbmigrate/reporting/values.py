"""What a report is made of. Frozen values; who writes the page adds nothing to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from dbmigrate.impact.values import Priced
    from dbmigrate.model import Problem
    from dbmigrate.planning.environments import Table as Environments
    from dbmigrate.reporting.schema import Schema
    from dbmigrate.reports import Description, LogEntry

__all__ = ["Lane", "Origin", "Pending", "Report"]


@frozen
class Origin:
    """Where a report is from: when it was made, by which command and version, at which commit, of which target."""

    made_at: datetime
    command: str
    version: str
    target: str
    commit: str | None = None


@frozen
class Lane:
    """The log of one environment, the newest entry first; `failure` is why it could not be read."""

    name: str
    entries: Sequence[LogEntry] = ()
    failure: str | None = None


@frozen
class Pending:
    """A migration that `up` would apply as number `number`; `sql` is None where the file is too large to show.

    One that is not run (`is_run`) is only recorded.
    `locks` are its statements that concern others, `losses` what it destroys, `findings` what lint says.
    """

    number: int
    file: str
    sql: str | None = None
    is_transactional: bool = True
    breaking: str | None = None
    description: Description | None = None
    conditions: tuple[tuple[str, str], ...] = ()
    findings: tuple[Problem, ...] = ()
    losses: tuple[Problem, ...] = ()
    locks: tuple[Priced, ...] = ()
    is_run: bool = True

    @property
    def rank(self) -> int:
        """How bad it is: the greatest is to be read first."""
        worst = max((priced.verdict.rank for priced in self.locks), default=0)
        return worst + 10 * bool(self.losses or self.breaking)


@frozen
class Report:
    """Everything that the page shows. `refusal` is why `up` would not run; `notes` say what could not be found out.

    `schema` is None where no schema could be read. `measured` of the `pending` ones ran on the scratch database.
    """

    origin: Origin
    environments: Environments
    lanes: tuple[Lane, ...] = ()
    pending: tuple[Pending, ...] = ()
    digest: str = ""
    refusal: str | None = None
    notes: tuple[Problem, ...] = ()
    schema: Schema | None = None
    measured: int | None = None

    @property
    def untried(self) -> int:
        """How many of the pending ones were not run on the scratch database, though `up` would run them."""
        return sum(each.is_run for each in self.pending) - (self.measured or 0)
