"""Can two branches be merged? Their migrations are applied by file name, ours first, and theirs first, and compared."""

from __future__ import annotations

import time
from dataclasses import field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from dbmigrate.catalog import Kind
from dbmigrate.check import branch_files, reading, row_digests
from dbmigrate.check.branch_runs import GivenRows, Runs, Tried, turning_point
from dbmigrate.check.values import found
from dbmigrate.errors import Error, Refused
from dbmigrate.frozen import frozen
from dbmigrate.migrations import seeds
from dbmigrate.model import Direction, Order, Place, Severity
from dbmigrate.scratch import outside_effects
from dbmigrate.tracking import revisions
from dbmigrate.variables import Variables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbmigrate.check.branch_files import Merged
    from dbmigrate.check.branch_runs import Arrangement, Outcome
    from dbmigrate.check.reading import Reading
    from dbmigrate.model import Migration, Problem
    from dbmigrate.scratch.choose import Choice

__all__ = ["BranchOptions", "BranchReport", "run"]

_SHOWN = 3  # differences in a finding


@frozen
class BranchOptions:
    """What to compare this branch with, and how. `dump` gives the runs rows, otherwise seeds do."""

    revision: str
    directories: tuple[str, ...] = ("./db/migrations",)
    order: Order = Order.NAME
    table: str = "schema_migrations"
    seeds_dir: str = "./db/seeds"
    environment: str | None = None
    dump: str | None = None
    variables: Variables = field(default_factory=Variables)


@frozen
class BranchReport:
    """What came of it. `ours` and `theirs` are the names of the files that one branch adds; `runs` is a number.

    `rows_compared`: there were rows of seeds or of a dump, and they are the same or findings say where they differ.
    """

    revision: str
    problems: tuple[Problem, ...]
    ours: tuple[str, ...] = ()
    theirs: tuple[str, ...] = ()
    runs: int = 0
    rows_compared: bool = False
    server: str | None = None
    where: str = ""
    seconds: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def is_clean(self) -> bool:
        """Whether nothing but notes was found."""
        return all(problem.severity is Severity.NOTE for problem in self.problems)


def run(options: BranchOptions, choice: Choice) -> BranchReport:
    """Compare the branches on scratch databases.

    Raises ConfigError E207, E247, PlanError E221, E230, E235, E276, what restoring a dump and opening a scratch server
    raise.
    """
    began = time.monotonic()
    with TemporaryDirectory(prefix="dbmigrate-") as place:
        merged = branch_files.merge(options.directories, options.revision, options.order, Path(place))
        if not Path(merged.directory).is_dir() or not any(Path(merged.directory).iterdir()):
            reading.read(options.directories, options.order, options.variables)  # there is nothing: says so
        read = reading.read([merged.directory], options.order, options.variables)
        compared = _Compared(options, merged, read).report(choice)
    return replace(compared, seconds=time.monotonic() - began)


class _Compared:
    """The comparison of two branches whose files are merged and read."""

    def __init__(self, options: BranchOptions, merged: Merged, read: Reading) -> None:
        self._options = options
        self._merged = merged
        self._read = read
        self._names = {file.version: file.name for file in read.files}
        self._base = frozenset(self._names) - merged.ours - merged.theirs

    def report(self, choice: Choice) -> BranchReport:
        named = (self._named(self._merged.ours), self._named(self._merged.theirs))
        faults = [*self._merged.problems, *(each for each in self._read.problems if each.severity is Severity.ERROR)]
        untried = [each for each in self._read.problems if each.code == "C114" and each.severity is not Severity.ERROR]
        report = BranchReport(self._options.revision, tuple(map(self._placed, [*faults, *untried])), *named)
        if faults:
            return report
        orders = self._orders()
        if len(set(map(_versions, orders))) == 1:
            return self._with(report, _note(self._one_order(*named)))
        given, problems = self._given()
        everything = [*self._read.sound, *self._read.repeatables, *given.seeds]
        choice = replace(choice, effects=outside_effects.of_all(everything), spared=choice.target)
        runs = Runs(choice, self._options.table, given, self._read.repeatables)
        if runs.is_alone and choice.explicit is not None:
            message = "migrations change what belongs to the whole server, such as a role: they cannot run there twice"
            hint = "leave out --scratch-url, so that each run gets a server of its own"
            return self._with(report, found("C133", f"not compared: {message}", None, hint=hint))
        try:
            with runs.opened():
                problems = (*problems, *self._findings(runs, orders))
        except Refused as exc:
            problems = (*problems, found("C133", f"not compared: {exc.message}", exc.place, hint=exc.hint))
        problems = (*report.problems, *map(self._placed, problems))
        failed = any(problem.code in ("C131", "C133") for problem in problems)
        return replace(
            report,
            problems=problems,
            runs=runs.count,
            rows_compared=given.are_given and not failed,
            server=runs.server.partition(" ")[0],
            where=runs.where,
            notes=runs.notes,
        )

    def _with(self, report: BranchReport, problem: Problem) -> BranchReport:
        return replace(report, problems=(*report.problems, problem))

    def _one_order(self, ours: tuple[str, ...], theirs: tuple[str, ...]) -> str:
        revision = self._options.revision
        if theirs:
            return f"this branch adds no migration to those of {revision}: there is one order"
        if ours:
            return f"{revision} adds no migration that this branch does not have: there is one order"
        return f"neither this branch nor {revision} adds a migration"

    def _named(self, versions: frozenset[str]) -> tuple[str, ...]:
        return tuple(name for version, name in self._names.items() if version in versions)

    def _orders(self) -> tuple[Arrangement, ...]:
        """By file name; what both have, ours, theirs; what both have, theirs, ours."""
        by_name = self._read.sound
        ours = [each for each in by_name if each.version in self._merged.ours]
        theirs = [each for each in by_name if each.version in self._merged.theirs]
        base = [each for each in by_name if each.version in self._base]
        return by_name, (*base, *ours, *theirs), (*base, *theirs, *ours)

    # -- rows

    def _given(self) -> tuple[GivenRows, tuple[Problem, ...]]:
        """The rows that the runs get; without any, or with wrong seeds, a note."""
        if self._options.dump is not None:
            return GivenRows(dump=self._options.dump), ()
        try:
            files = self._seeds()
        except Error as exc:
            return GivenRows(), (_note(f"the rows were not compared: {exc.message}"),)
        if not files:
            message = "the rows were not compared: the branches have no seeds in common, and no --load gives some"
            return GivenRows(), (_note(message),)
        return GivenRows(seeds=files, base=self._base), ()

    def _seeds(self) -> tuple[Migration, ...]:
        """The seeds as they were where the branches parted: those of a branch may need what it adds."""
        options, into = self._options, Path(self._merged.directory).parent / "seeds"
        if not Path(options.seeds_dir).is_dir():
            return ()
        fork = revisions.fork(options.revision, options.directories[0])
        for name, data in revisions.files(options.seeds_dir, fork.base).items():
            path = into / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        if not into.is_dir():
            return ()
        return tuple(seeds.read(file) for file in seeds.look(str(into), options.environment, options.directories))

    # -- findings

    def _findings(self, runs: Runs, orders: tuple[Arrangement, ...]) -> Iterator[Problem]:
        by_name = orders[0]
        first = runs.run(by_name)
        if first.failure is not None and not first.failure.migration.version:
            yield _note(f"the rows were not compared: a seed fails: {first.failure.error.message}")
            runs.rows = GivenRows()
            first = runs.run(by_name)
        first = runs.settle(by_name, first)
        named, ours, theirs = (
            Tried(order, outcome) for order, outcome in zip(orders, self._outcomes(runs, orders, first), strict=True)
        )
        pairs = ((ours, theirs), (named, ours))
        unlike = next((pair for pair in pairs if not pair[0].outcome.is_like(pair[1].outcome)), None)
        if unlike is None:
            yield from self._alike(named.outcome, ours.outcome, theirs.outcome)
        else:
            yield self._exchanged(turning_point(runs, *unlike), unlike[0].outcome)

    def _outcomes(self, runs: Runs, orders: tuple[Arrangement, ...], first: Outcome) -> Iterator[Outcome]:
        """Of each order, of which `first` is known already; two orders may be the same."""
        known = {_versions(orders[0]): first}
        for order in orders:
            if _versions(order) not in known:
                known[_versions(order)] = runs.run(order)
            yield known[_versions(order)]

    def _alike(self, first: Outcome, *others: Outcome) -> Iterator[Problem]:
        if first.failure is not None:
            migration, error = first.failure.migration, first.failure.error
            message = f"{migration.name} fails whatever the order: {error.message}"
            yield found("C131", message, error.place or _place(migration), hint="dbmigrate check shows more")
            return
        moved = {each.name: each for other in others for each in first.differences(other)}
        for name, difference in moved.items():
            assert difference.kind is Kind.COLUMN_ORDER
            message = f"the order of the columns of {name} depends on which branch is applied first"
            yield found("C132", message, None, severity=Severity.NOTE)

    def _exchanged(self, turned: tuple[Migration, Migration, Outcome], before: Outcome) -> Problem:
        """The finding about two migrations; `before` is the outcome with the first of them first."""
        one, other, after = turned
        names = f"{self._called(one)} and {self._called(other)}"
        if after.failure is not None:
            what = self._failure(other, after)
        elif before.failure is not None:
            one, other = other, one
            what = self._failure(other, before)
        else:
            differences = [each.sentence for each in before.differences(after) if each.kind is not Kind.COLUMN_ORDER]
            differences += row_digests.described(before.rows.differing(after.rows))
            rest = len(differences) - _SHOWN
            more = f"; and {rest} more" if rest > 0 else ""
            what = f"with {other.name} first, {'; '.join(differences[:_SHOWN])}{more}"
        mine = next((each for each in turned[:2] if each.version in self._merged.ours), turned[0])
        hint = "settle it in one more migration, or rewrite one of the two on top of the other"
        return found("C130", f"{names} do not commute: {what}", _place(mine), hint=hint)

    def _failure(self, first: Migration, outcome: Outcome) -> str:
        assert outcome.failure is not None
        return f"with {first.name} first, {outcome.failure.migration.name} fails: {outcome.failure.error.message}"

    def _called(self, migration: Migration) -> str:
        """The name of a file, and whose it is."""
        if migration.version in self._merged.ours:
            return f"{migration.name} (this branch)"
        if migration.version in self._merged.theirs:
            return f"{migration.name} ({self._options.revision})"
        return f"{migration.name} (both branches)"

    def _placed(self, problem: Problem) -> Problem:
        """The problem where the file is for people, not where it was put for the comparison."""
        message = problem.message
        for path, shown in self._merged.shown.items():
            message = message.replace(path, shown)
        if problem.place is None:
            return replace(problem, message=message)
        path = self._merged.shown.get(problem.place.path, problem.place.path)
        return replace(problem, message=message, place=replace(problem.place, path=path))


def _versions(order: Arrangement) -> tuple[str, ...]:
    return tuple(each.version for each in order)


def _place(migration: Migration) -> Place:
    return Place(migration.file.path, migration.run_order(Direction.UP)[0].line)


def _note(message: str) -> Problem:
    return found("C133", message, None, severity=Severity.NOTE)
