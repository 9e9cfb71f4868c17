"""Repeatable migrations: which of them have to run, in which order, and what a rollback makes of them.

One runs when its tokens are not those of its newest log entry, or when a repeatable that it depends on ran after it.
The functions on values are pure; `is_as_recorded` reads a file.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from dbmigrate.errors import MigrationFileError
from dbmigrate.frozen import frozen
from dbmigrate.migrations import headers, source
from dbmigrate.model import Action, Direction, LogKind, Problem, Severity, Step

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from dbmigrate.model import Annotation, Migration, MigrationFile

__all__ = [
    "WORD",
    "Entry",
    "Undone",
    "circles",
    "due",
    "faults",
    "forget",
    "gone",
    "in_order",
    "is_as_recorded",
    "left",
    "needs",
    "record",
    "run",
    "undone",
    "waiting",
]

WORD = "migrate:depends"  # what a file holds that depends on something


@frozen
class Entry:
    """A log entry of a repeatable migration, which was run or recorded as run.

    `checksum` None: it has to run again, whatever its file says.
    """

    name: str
    event_id: int
    run_id: str
    checksum: str | None = None
    token_checksum: str | None = None
    at: datetime | None = None
    by: str | None = None


def is_as_recorded(file: MigrationFile, entry: Entry) -> bool:
    """Whether the file has the tokens that were run; those above 1 MiB are compared by their bytes. Raises E207."""
    if entry.checksum is None:
        return False
    if source.checksum(file.path) == entry.checksum:
        return True
    if entry.token_checksum is None:
        return False
    from dbmigrate.migrations import parser  # only an edited file needs it

    with suppress(MigrationFileError), source.Source(file.path) as text:
        if text.size <= parser.KEEP_TEXT:
            return parser.token_sum(text.read_all(), headers.REPEATABLE).equals(entry.token_checksum)
    return False


# -------------------------------------------------------------------------------------------------------- dependencies


def needs(migrations: Iterable[Migration]) -> dict[str, tuple[str, ...]]:
    """The files of other repeatables that each of these depends on, by name."""
    return {each.version: tuple(name for _, name in _named(each) if not name.isdecimal()) for each in migrations}


def _named(migration: Migration) -> Iterator[tuple[Annotation, str]]:
    """The versions and the file names in its ``depends``; only digits are a version."""
    for annotation in migration.annotated("depends"):
        for word in map(str.strip, annotation.value.split(",")):
            yield annotation, word if word.isdecimal() or word.endswith(".sql") else f"{word}.sql"


def in_order(names: Iterable[str], needed: Mapping[str, Sequence[str]]) -> list[str]:
    """`names`, which are in their order, each after those that it needs. A circle is left where it begins."""
    known, placed = dict.fromkeys(names), dict[str, None]()
    for first in known:
        open_: dict[str, Iterator[str]] = {first: iter(needed.get(first, ()))}
        while open_:
            name = next(reversed(open_))
            further = next((each for each in open_[name] if each in known and each not in {*placed, *open_}), None)
            if further is not None:
                open_[further] = iter(needed.get(further, ()))
            else:
                del open_[name]
                placed[name] = None
    return list(placed)


def due(order: Sequence[str], needed: Mapping[str, Sequence[str]], current: Mapping[str, Entry]) -> list[str]:
    """Which of `order` have to run. `current` are the newest entries of those whose files are as recorded."""
    found: dict[str, None] = {}
    for name in order:
        entry = current.get(name)
        before = [each for each in needed.get(name, ()) if each in order]
        if entry is None or any(
            each in found or (each in current and current[each].event_id > entry.event_id) for each in before
        ):
            found[name] = None
    return list(found)


def faults(migrations: Sequence[Migration], names: Collection[str], versions: Collection[str]) -> Iterator[Problem]:
    """E277: a dependency on what is not there. `versions` are those that are applied before the repeatables run."""
    for migration in migrations:
        for annotation, word in _named(migration):
            if word.isdecimal() and word not in versions:
                hint = "see `dbmigrate status`"
                yield _fault("E277", f"{migration.name} depends on {word}, which is not applied", hint, annotation)
            elif not word.isdecimal() and word not in names:
                near = [each for each in names if each.lower() == word.lower()]
                hint = f"did you mean {near[0]}?" if near else "name the file of a repeatable migration, or a version"
                yield _fault("E277", f"{migration.name} depends on {word}, which is not there", hint, annotation)


def circles(migrations: Sequence[Migration], needed: Mapping[str, Sequence[str]]) -> Iterator[Problem]:
    """E278: repeatables that depend on each other, or one on itself."""
    for migration in migrations:
        path, seen = [migration.version], set[str]()
        while path:
            name = path.pop()
            for each in needed.get(name, ()):
                if each == migration.version:
                    annotation = migration.annotated("depends")[0]
                    message = f"{migration.name} depends on itself"
                    if name != each:
                        message = f"{migration.name} depends on {name}, which depends on it"
                    yield _fault("E278", message, "remove one of the dependencies", annotation)
                    return
                if each not in seen:
                    seen.add(each)
                    path.append(each)


def _fault(code: str, message: str, hint: str, annotation: Annotation) -> Problem:
    return Problem(code, message, Severity.ERROR, annotation.place, hint)


# --------------------------------------------------------------------------------------------------------------- steps


def run(migration: Migration) -> Step:
    """Run it, and record that."""
    return Step(migration.version, migration.name, Direction.UP, Action.RUN, migration, kind=LogKind.REPEATABLE)


def record(migration: Migration) -> Step:
    """Record it as run, without running it."""
    return Step(migration.version, migration.name, Direction.UP, Action.RECORD, migration, kind=LogKind.REPEATABLE)


def forget(name: str, shown: str) -> Step:
    """Record that it has to run again; the file `name` is shown as `shown`."""
    return Step(name, shown, Direction.DOWN, Action.RECORD, kind=LogKind.REPEATABLE)


def waiting(names: Sequence[str]) -> Problem:
    """Why they do not run now."""
    message = f"{', '.join(names)}: run after the last versioned migration, and one of those stays pending"
    return Problem("W336", message, Severity.NOTE)


_FORGET = "drop it with a versioned migration if nothing needs it; `dbmigrate repair --forget-missing` forgets the file"


def gone(names: Sequence[str]) -> tuple[Problem, ...]:
    """A note about files that are no longer there."""
    if not names:
        return ()
    what = "the file is gone, what it made stays: " + ", ".join(names)
    return (Problem("W337", what, Severity.NOTE, hint=_FORGET),)


# ------------------------------------------------------------------------------------------------------------ rollback


@frozen
class Undone:
    """What a rollback makes of a repeatable: the `earlier` text runs; without one it is left, and runs again later."""

    name: str
    earlier: Entry | None
    why: str = ""


def undone(entries: Sequence[Entry], undone_runs: Collection[str], kept_runs: Collection[str]) -> tuple[Undone, ...]:
    """What becomes of the repeatables that ran in runs of which migrations are rolled back.

    `entries` are all log entries, the oldest first; of `kept_runs` migrations stay applied. They get the text back that
    they had before, if nothing of the run stays applied.
    """
    both = frozenset(undone_runs) & frozenset(kept_runs)
    by_name: dict[str, list[Entry]] = {}
    for entry in entries:
        by_name.setdefault(entry.name, []).append(entry)
    found = (_undone(name, of_name, undone_runs, both) for name, of_name in by_name.items())
    return tuple(each for each in found if each is not None)


def _undone(name: str, entries: Sequence[Entry], undone_runs: Collection[str], both: Collection[str]) -> Undone | None:
    first = next((at for at, entry in enumerate(entries) if entry.run_id in undone_runs), None)
    if first is None or entries[-1].checksum is None:
        return None
    if any(entry.run_id in both for entry in entries):
        return Undone(name, None, "it ran after a migration that stays applied, too")
    earlier = entries[first - 1] if first else None
    if earlier is None or earlier.checksum is None:
        return Undone(name, None, "the log has no earlier text of it")
    return Undone(name, earlier)


def left(found: Undone, shown: str) -> Problem:
    """Why a repeatable stays as it is."""
    message = f"{shown} stays as it is: {found.why}; the next `up` runs it again"
    return Problem("W338", message, Severity.NOTE)
