"""What is pending, file by file: a plan with what is known of each of its steps. Pure."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen
from dbmigrate.model import Direction
from dbmigrate.planning import breaking, conditions, description
from dbmigrate.reporting.values import Pending

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from dbmigrate.impact.values import LockReport, Priced
    from dbmigrate.model import Migration, Plan, Problem
    from dbmigrate.reports import Description

__all__ = ["LOSS", "Known", "listed"]

LOSS = "W380"


@frozen
class Known:
    """What is known about the files of a plan; `tickets` is the pattern of ticket ids."""

    locks: LockReport
    findings: tuple[Problem, ...] = ()
    tickets: str | None = None


def listed(planned: Plan, known: Known) -> Iterator[Pending]:
    """Each step that has a file, in the order of the plan."""
    lost = _by_path(problem for problem in planned.problems if problem.code == LOSS)
    found = _by_path(known.findings)
    locks: defaultdict[str, list[Priced]] = defaultdict(list)
    for priced in known.locks.statements:
        locks[priced.impact.place.path].append(priced)
    for number, step in enumerate(planned.steps, 1):
        migration = step.migration
        if migration is None:
            yield Pending(number, step.name, is_run=False)
            continue
        path = migration.file.path
        yield Pending(
            number,
            step.name,
            migration.up_sql,
            migration.is_transactional(Direction.UP),
            breaking.described(migration),
            _description(migration, known.tickets),
            conditions.listed(migration, Direction.UP),
            tuple(found.get(path, ())),
            tuple(lost.get(path, ())),
            tuple(locks.get(path, ())),
            step.runs_sql,
        )


def _description(migration: Migration, tickets: str | None) -> Description | None:
    return description.of(migration.head, description.TICKETS if tickets is None else tickets)


def _by_path(problems: Iterable[Problem]) -> Mapping[str, list[Problem]]:
    found: defaultdict[str, list[Problem]] = defaultdict(list)
    for each in problems:
        found[each.place.path if each.place else ""].append(each)
    return found
