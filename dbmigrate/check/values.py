"""The codes of the findings, and the values of a report. Pure."""

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
    "C103": "the down section does not undo everything",
    "C104": "up again after down differs or fails",
    "C105": "the schema file does not match the migrations",
    "C106": "columns are in another order after down or up again",
    "C107": "the down section was not tried",
    "C108": "the down section is empty",
    "C109": "a migration took longer than allowed",
    "C110": "a migration breaks a query of the application",
    "C111": "a query of the application does not work",
    "C112": "a query could not be checked",
    "C113": "the schema file was not compared",
    "C114": "migrations were not tried",
    "C115": "a migration fails on the rows of a dump",
    "C118": "a repeatable migration fails on an empty database",
    "C119": "a migration cannot run twice, or changes something the second time",
    "C130": "the order in which two branches are applied matters",
    "C131": "a migration of a branch fails whatever the order",
    "C132": "columns are in another order, depending on which branch is applied first",
    "C133": "two branches were not compared, or not their rows",
    "C134": "two branches changed the same file, or use the same version",
}


@frozen
class MigrationResult:
    """One migration on the scratch database. `seconds` is what its up took there.

    `is_stuck`: its down section left changes that remain, because the migrations could not be run again without it.
    """

    migration: Migration
    seconds: float
    impacts: tuple[Impact, ...] = ()
    problems: tuple[Problem, ...] = ()
    is_stuck: bool = False

    @property
    def has_failed(self) -> bool:
        """Whether the up section failed, or was not run."""
        return any(problem.code in ("C101", "C114") for problem in self.problems)


@frozen
class Report:
    """The result of a check. `server` is the version that it ran on, None if nothing was run. `where` names an existing
    scratch server; it is empty for a temporary one.

    `files`, `selected` and `applied` are numbers: of all migration files, of those that were checked (``--since``
    leaves out the others), of the migrations that were applied. `results` are those of the selected ones.
    """

    problems: tuple[Problem, ...]
    results: tuple[MigrationResult, ...] = ()
    files: int = 0
    selected: int = 0
    applied: int = 0
    server: str | None = None
    where: str = ""
    seconds: float = 0.0
    notes: tuple[str, ...] = field(default=())

    @property
    def impacts(self) -> tuple[Impact, ...]:
        """What the selected migrations did to tables, for the lock report."""
        return tuple(impact for result in self.results for impact in result.impacts)

    @property
    def tried(self) -> int:
        """How many migrations were tried down and up again, or need not be."""
        return sum(not result.has_failed for result in self.results)

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
    """A finding about a statement that failed; `place` is used if the error has none."""
    message = f"{what}: {error.message}"
    return Problem(code, message, Severity.ERROR, error.place or place, hint or error.hint, error.excerpt)
