"""``-- migrate:replaces 001-050``: one file in the place of many, run where none of them was, recorded where all were.

`dbmigrate squash` writes such files. As long as one is there, the files that it replaces count for nothing, unless some
of them are applied and others are not: then only a person can say what is missing.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate.errors import PlanError, Refused, unchanged
from dbmigrate.frozen import frozen
from dbmigrate.model import Action, Applied, Direction, History, LogKind, Problem, Severity, Step

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from dbmigrate.model import Annotation, Migration, MigrationFile, Place
    from dbmigrate.reports import Status

__all__ = [
    "WORD",
    "Replacement",
    "as_recorded",
    "by_version",
    "faults",
    "in_force",
    "kept",
    "marked",
    "of",
    "refuse_replaced",
    "refuse_split",
    "step",
    "text",
    "versions",
]

WORD = "migrate:replaces"  # what a file holds that says so
_RANGE = re.compile(r"([0-9]+)(?:[ \t]*-[ \t]*([0-9]+))?")
_MOST = 10_000  # versions in a range: one of times would have more seconds than anybody has migrations
_IN_A_RANGE = 3  # from so many consecutive numbers on they are written as one
_NAMED = 5  # versions that a message lists
_BY_HAND = (
    "apply the missing ones with the files from before the squash, taken from version control, and run this again; "
    "`dbmigrate mark` records what was applied by hand"
)


@frozen
class Replacement:
    """A file with the versions whose place it takes, and those of them that are applied, in their order.

    `has_below`: one of these versions is not applied, but its file replaces others, of which some are.
    """

    migration: Migration
    versions: tuple[str, ...]
    applied: tuple[Applied, ...]
    is_applied: bool
    has_below: bool = False

    @property
    def takes_over(self) -> bool:
        """Whether it has to be recorded only: everything that it replaces is applied."""
        return not self.is_applied and len(self.applied) == len(self.versions)

    @property
    def is_split(self) -> bool:
        """Whether some of what it replaces is applied, and some is not."""
        return not self.is_applied and (self.has_below or 0 < len(self.applied) < len(self.versions))


def versions(annotation: Annotation) -> tuple[str, ...]:
    """The versions that a ``replaces`` names; a range stands for every number in it, with as many digits as the first.

    None of a range that cannot be counted; see `faults`.
    """
    return tuple(dict.fromkeys(version for first, last in _ranges(annotation) for version in _counted(first, last)))


def text(chosen: Sequence[str]) -> str:
    """What a ``replaces`` says to name these versions: consecutive numbers as a range, a few words a line."""
    runs: list[list[str]] = []
    for version in chosen:
        if runs and _counted(runs[-1][-1], version) == (runs[-1][-1], version):
            runs[-1].append(version)
        else:
            runs.append([version])
    words = [word for run in runs for word in ([f"{run[0]}-{run[-1]}"] if len(run) >= _IN_A_RANGE else run)]
    return ",\n--   ".join(", ".join(words[at : at + _NAMED]) for at in range(0, len(words), _NAMED))


def of(migrations: Iterable[Migration], history: History) -> tuple[Replacement, ...]:
    """Those of the migrations that replace others."""
    known = {item.version: item for item in history.applied}
    found = []
    for migration in migrations:
        every = (version for annotation in migration.annotated("replaces") for version in versions(annotation))
        named = tuple(version for version in every if version != migration.version)
        if named:
            applied = tuple(known[version] for version in named if version in known)
            found.append(Replacement(migration, named, applied, migration.version in known))
    below = {each.migration.version for each in found if each.applied and not each.is_applied}
    return tuple(replace(each, has_below=not below.isdisjoint(each.versions)) for each in found)


def faults(pending: Sequence[Migration]) -> Iterator[Problem]:
    """E262: ranges that cannot be counted, a file that replaces itself, and versions that two files replace."""
    seen: dict[str, str] = {}
    for migration in pending:
        for annotation in migration.annotated("replaces"):
            for first, last in _ranges(annotation):
                if not _counted(first, last):
                    yield _fault(annotation, f"`{first}-{last}` cannot be counted", _COUNTING)
            for version in versions(annotation):
                other = seen.setdefault(version, migration.name)
                if version == migration.version:
                    yield _fault(annotation, f"{migration.name} replaces itself", "remove its version")
                elif other != migration.name:
                    yield _fault(annotation, f"{version} is replaced by {other} and by {migration.name}", _ONE)


def in_force(files: Sequence[MigrationFile], found: Iterable[Replacement]) -> tuple[MigrationFile, ...]:
    """The files without those that another one replaces; of one that is applied, what is applied beside it counts."""
    gone = {version for each in found if not each.is_split for version in each.versions}
    gone -= {item.version for each in found if each.is_applied for item in each.applied}
    return tuple(file for file in files if file.version not in gone)


def kept(migrations: Sequence[Migration]) -> tuple[Migration, ...]:
    """The migrations of a database that does not exist yet, without those that another one replaces."""
    gone = by_version(of(migrations, History()))
    return tuple(each for each in migrations if each.version not in gone)


def as_recorded(history: History, found: Iterable[Replacement]) -> History:
    """The history as it will be when all that only has to be recorded is recorded."""
    taking = [each for each in found if each.takes_over]
    gone = {version for each in taking for version in each.versions}
    kept = tuple(item for item in history.applied if item.version not in gone)
    return replace(history, applied=(*kept, *map(_as_applied, taking)))


def _as_applied(each: Replacement) -> Applied:
    latest = max((item for item in each.applied if item.applied_at), key=_time, default=None)
    by, at = (latest.applied_by, latest.applied_at) if latest else (None, None)
    return Applied(each.migration.version, each.migration.name, applied_at=at, applied_by=by)


def _time(item: Applied) -> float:
    return item.applied_at.timestamp() if item.applied_at else 0.0


def by_version(found: Iterable[Replacement]) -> Mapping[str, str]:
    """The version of the replacing file, by each version that it replaces."""
    return {version: each.migration.version for each in found for version in each.versions}


def refuse_split(found: Iterable[Replacement]) -> None:
    """Raise Refused E744 if a file replaces versions of which some are applied and some are not."""
    for each in found:
        if each.is_split:
            raise unchanged(Refused(_split(each), code="E744", place=_place(each), hint=_BY_HAND))


def refuse_replaced(version: str | None, found: Iterable[Replacement]) -> None:
    """Raise PlanError E232 for a goal that no file has any more."""
    for each in found:
        if version in each.versions and not each.is_split:
            message = f"version {version} is replaced by {each.migration.name}"
            raise PlanError(message, code="E232", hint=f"name {each.migration.version}")


def step(migration: Migration, found: Iterable[Replacement]) -> Step | None:
    """The step that records a file in the place of what it replaces; None where its SQL is to run."""
    for each in found:
        if each.migration.version == migration.version and each.takes_over:
            forgotten = tuple(
                Step(item.version, item.name or item.version, Direction.DOWN, Action.RECORD, kind=LogKind.REPLACE)
                for item in each.applied
            )
            kind = LogKind.REPLACE
            return Step(
                migration.version, migration.name, Direction.UP, Action.RECORD, migration, kind=kind, replaces=forgotten
            )
    return None


def marked(status: Status, found: Sequence[Replacement]) -> Status:
    """`status` with the number of applied versions that a row stands for, and a warning where that is not clear."""
    numbers = {each.migration.version: len(each.versions) for each in found if each.takes_over}
    rows = tuple(replace(row, replaces=numbers.get(row.version)) for row in status.rows)
    problems = (
        Problem("W341", f"{_split(each)}: `up` refuses that", Severity.WARNING, _place(each), _BY_HAND)
        for each in found
        if each.is_split
    )
    return replace(status, rows=rows, problems=(*status.problems, *problems))


# ------------------------------------------------------------------------------------------------------------- details

_COUNTING = f"name the versions one by one: a range has at most {_MOST} numbers, the lower one first"
_ONE = "one of them has to go: a squashed file is squashed again when it is applied everywhere"


def _ranges(annotation: Annotation) -> Iterator[tuple[str, str]]:
    for word in annotation.value.split(","):
        if found := _RANGE.fullmatch(word.strip()):
            yield found[1], found[2] or found[1]


def _counted(first: str, last: str) -> tuple[str, ...]:
    """Every number of a range, as wide as its first; empty if there are too many, or none."""
    if first == last:
        return (first,)
    if max(len(first), len(last)) > _WIDEST or not 0 < int(last) - int(first) < _MOST:
        return ()
    found = tuple(str(number).zfill(len(first)) for number in range(int(first), int(last) + 1))
    return found if found[-1] == last else ()


_WIDEST = 100  # digits


def _split(each: Replacement) -> str:
    known = {item.version for item in each.applied}
    missing = [version for version in each.versions if version not in known]
    more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
    return (
        f"{each.migration.name} replaces {len(each.versions)} migrations, of which {len(known)} are applied, but not"
        f" {', '.join(missing[:_NAMED])}{more}"
    )


def _place(each: Replacement) -> Place | None:
    return next((annotation.place for annotation in each.migration.annotated("replaces")), None)


def _fault(annotation: Annotation, message: str, hint: str) -> Problem:
    return Problem("E262", message, Severity.ERROR, annotation.place, hint)
