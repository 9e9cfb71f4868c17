"""The codes of what is found, and the values of a report. Pure."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen
from dbmigrate.model import Place, Problem, Severity

if TYPE_CHECKING:
    from dbmigrate.errors import Error
    from dbmigrate.impact import Impact
    from dbmigrate.model import Migration

CODES: dict[str, str] = {
    "C101": "a migration fails on an empty database",
    "C102": "the down section fails",
    "C103": "the down section leaves something behind",
    "C104": "up again after down is not what it was",
    "C105": "the schema file is not what the migrations make",
    "C106": "columns are in another order after down or up again",
    "C107": "the down section was not tried",
    "C108": "the down section is empty",
    "C109": "a migration took longer than allowed",
    "C110": "a migration breaks a query of the application",
    "C111": "a query of the application does not work",
    "C112": "a query could not be checked",
    "C113": "the schema file was not compared",
    "C114": "migrations were not tried",
}


@frozen
class Trial:
    """One migration on the scratch database. `seconds` is what its up took there.

    `is_stuck`: what its way back left is still there, and the migrations could not be run again without it.
    """

    migration: Migration
    seconds: float
    impacts: tuple[Impact, ...] = ()
    problems: tuple[Problem, ...] = ()
    is_stuck: bool = False

    @property
    def has_failed(self) -> bool:
        """Whether the up section itself did not work, or was not tried."""
        return any(problem.code in ("C101", "C114") for problem in self.problems)


@frozen
class Report:
    """What a check found. `server` is the version that it ran on, None when nothing could be run. `where` names a
    server that is somebody's, and is empty for a throw-away one.

    `files` are all migration files, `looked_at` those that were meant (``--since`` leaves out the others), `applied`
    the migrations that went up; `trials` are of those that were looked at.
    """

    problems: tuple[Problem, ...]
    trials: tuple[Trial, ...] = ()
    files: int = 0
    looked_at: int = 0
    applied: int = 0
    server: str | None = None
    where: str = ""
    seconds: float = 0.0
    notes: tuple[str, ...] = field(default=())

    @property
    def impacts(self) -> tuple[Impact, ...]:
        """What the migrations that were looked at did to tables, for the lock report."""
        return tuple(impact for trial in self.trials for impact in trial.impacts)

    @property
    def tried(self) -> int:
        """How many migrations were taken down and up again, or looked at for it."""
        return sum(not trial.has_failed for trial in self.trials)

    @property
    def is_clean(self) -> bool:
        """Whether nothing but notes was found."""
        return all(problem.severity is Severity.NOTE for problem in self.problems)


def found(
    code: str, message: str, place: Place | None, *, severity: Severity = Severity.ERROR, hint: str | None = None
) -> Problem:
    """A finding; its code is one of `CODES`."""
    assert code in CODES
    return Problem(code, message, severity, place, hint)


def failed(code: str, what: str, error: Error, *, place: Place, hint: str | None) -> Problem:
    """A finding about a statement that failed; `place` is where to look if the error does not know."""
    message = f"{what}: {error.message}"
    return Problem(code, message, Severity.ERROR, error.place or place, hint or error.hint, error.excerpt)
