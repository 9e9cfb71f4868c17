"""Which migrations are linted: those that are named, that changed, that are pending in a database, or all.

A file that was applied long ago is history: it will not run again, and must not be changed. So where it is known which
files are new, only their findings are shown; those of the others are counted.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate.errors import Error, MigrationFileError, PlanError
from dbmigrate.frozen import frozen
from dbmigrate.migrations import find as directory_of
from dbmigrate.migrations import parser
from dbmigrate.migrations.repeatables import FOLDER
from dbmigrate.model import Order, Place, Problem, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dbmigrate.migrations.find import PassedOver
    from dbmigrate.model import Migration, MigrationFile

__all__ = ["Selection", "changed", "changed_here", "everything", "named", "noted", "pending"]


_TWINS = ("E221", "E276")  # two files are one migration: nothing else can be said


@frozen
class Selection:
    """`migrations` are all that could be read. Only the versions in `only` are linted; `files` is their number.

    `unapplied` are versions that are not applied anywhere. `problems` are about files that cannot be read,
    `history` the same about files that are not linted. `is_whole`: lint the other files too, to count their findings.
    """

    migrations: tuple[Migration, ...] = ()
    only: frozenset[str] | None = None
    unapplied: frozenset[str] = frozenset()
    problems: tuple[Problem, ...] = ()
    files: int = 0
    history: tuple[Problem, ...] = ()
    is_whole: bool = False

    def split(self, found: Iterable[Problem]) -> tuple[tuple[Problem, ...], tuple[Problem, ...]]:
        """The findings to show, and those in older files."""
        others = {each.file.path for each in self.migrations if self.only is not None and each.version not in self.only}
        every = tuple(found)
        old = tuple(problem for problem in every if problem.place and problem.place.path in others)
        return (
            (*self.problems, *(problem for problem in every if not problem.place or problem.place.path not in others)),
            (*self.history, *old),
        )


def noted(chosen: Selection, directories: Sequence[str], order: Order = Order.NAME) -> Selection:
    """The same, with a note about files that are not migrations. Raises PlanError E230 (no migrations)."""
    if any(problem.code in _TWINS for problem in chosen.problems):
        return chosen
    present = directory_of.look(directories, order)
    directory_of.refuse_none(present, directories)
    return replace(chosen, problems=(*present.notes, *chosen.problems))


def everything(directories: Sequence[str], order: Order = Order.NAME) -> Selection:
    """All migrations of the directories, in `order`. Raises PlanError E235 (no such directory), ConfigError E207."""
    try:
        present = _files(directories, order)
    except PlanError as exc:
        if exc.code not in _TWINS:
            raise
        return Selection(problems=(_problem(exc),))
    migrations, problems = _read(present)
    return Selection(migrations, problems=problems, files=len(present))


def _files(directories: Sequence[str], order: Order) -> tuple[MigrationFile, ...]:
    """The migrations in `order`, and behind them the repeatable ones."""
    listing = directory_of.look(directories, order)
    return *listing.files, *listing.repeatables


def changed(directories: Sequence[str], revision: str, order: Order = Order.NAME) -> Selection:
    """The migrations that changed since a git revision: not applied anywhere yet.

    Raises ConfigError E247 (no such revision), and what `everything` raises.
    """
    from dbmigrate.tracking import provenance  # brings psycopg along

    paths = {path for directory in directories for path in provenance.changed_since(revision, directory)}
    found = _reduced(everything(directories, order), paths)
    return replace(found, unapplied=found.only or frozenset(), is_whole=True)


def changed_here(directories: Sequence[str], order: Order = Order.NAME) -> Selection:
    """What changed since this branch left the remote's default branch; everything if git does not know it."""
    from dbmigrate.tracking import provenance

    base = provenance.fork_point(directories[0]) if directories else None
    return everything(directories, order) if base is None else changed(directories, base, order)


def pending(directories: Sequence[str], versions: Iterable[str], order: Order = Order.NAME) -> Selection:
    """The files of these versions, which are pending in a database. Raises PlanError E221, E235, ConfigError E207."""
    wanted = set(versions)
    paths = {os.path.realpath(file.path) for file in _files(directories, order) if file.version in wanted}
    found = _reduced(everything(directories, order), paths)
    return replace(found, unapplied=found.only or frozenset(), is_whole=True)


def named(paths: Sequence[str], order: Order = Order.NAME) -> Selection:
    """The migrations in these files; the others in their directories are context.

    A file whose name is not that of a migration is a problem, E252. Raises ConfigError E207.
    """
    directories = list(dict.fromkeys(_directory(path) for path in paths))
    for path in paths:
        parser.checksum(path)  # one that cannot be read is an error
    whole = everything(directories, order)
    found = _reduced(whole, {os.path.realpath(path) for path in paths})
    if any(problem.code in _TWINS for problem in whole.problems):
        return found
    known = {os.path.realpath(each.file.path) for each in whole.migrations if each.file.is_repeatable}
    others = [path for path in paths if os.path.realpath(path) not in known]
    problems = tuple(map(_misnamed, directory_of.passed_over(others)))
    return Selection(found.migrations, found.only, problems=(*found.problems, *problems), files=len(set(paths)))


def _directory(path: str) -> str:
    """The migrations directory of a file; a repeatable one is in a folder of it."""
    folder = os.path.dirname(path) or "."
    is_inside = os.path.basename(os.path.abspath(folder)) == FOLDER
    return os.path.dirname(folder) or ("." if folder == FOLDER else "..") if is_inside else folder


def _misnamed(file: PassedOver) -> Problem:
    like = f"; it looks like {file.tool}" if file.tool else ""
    return Problem("E252", f"{_NOT_A_MIGRATION}{like}", Severity.ERROR, Place(file.path, 1), _NAME)


_NOT_A_MIGRATION = "not a migration: the name must begin with digits and end in .sql, so this file never runs"
_NAME = "rename it as `dbmigrate new` names files, or move it to another directory"


def _reduced(whole: Selection, paths: Iterable[str]) -> Selection:
    wanted = set(paths)
    kept = frozenset(
        migration.version for migration in whole.migrations if os.path.realpath(migration.file.path) in wanted
    )
    problems = tuple(
        problem for problem in whole.problems if not problem.place or os.path.realpath(problem.place.path) in wanted
    )
    broken = {problem.place.path for problem in problems if problem.place}
    history = tuple(problem for problem in whole.problems if problem not in problems)
    return Selection(whole.migrations, kept, problems=problems, files=len(kept) + len(broken), history=history)


def _read(present: Sequence[MigrationFile]) -> tuple[tuple[Migration, ...], tuple[Problem, ...]]:
    """All files, and the first error of each file that cannot be read."""
    migrations, problems = [], []
    for file in present:
        try:
            migrations.append(parser.read(file))
        except MigrationFileError as exc:
            problems.append(_problem(exc))
    return tuple(migrations), tuple(problems)


def _problem(error: Error) -> Problem:
    return Problem(error.code, error.message, Severity.ERROR, error.place, error.hint, error.excerpt)
