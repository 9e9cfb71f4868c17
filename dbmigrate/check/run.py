"""One check, from the files to the report."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import field, replace
from functools import partial
from typing import TYPE_CHECKING

from dbmigrate.check import reading, repeatables, schemafile
from dbmigrate.check.application import Application
from dbmigrate.check.apply_all import Applier
from dbmigrate.check.queries import Collection
from dbmigrate.check.twice import Twice
from dbmigrate.check.values import MigrationResult, Report, found
from dbmigrate.frozen import frozen
from dbmigrate.model import Direction, Order, Place, Problem, Severity
from dbmigrate.scratch import choose, outside_effects
from dbmigrate.tracking import provenance
from dbmigrate.variables import Variables

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dbmigrate.check.queries import Query
    from dbmigrate.check.reading import Reading
    from dbmigrate.check.scratch_session import ScratchSession
    from dbmigrate.model import Migration
    from dbmigrate.schema.versions import Dumping
    from dbmigrate.scratch.choose import Choice, ScratchServer

NO_QUERIES = Collection(())
Linter = Callable[["Sequence[Migration]", frozenset[str]], "Iterable[Problem]"]


@frozen
class Options:
    """What to check. `dumping` None leaves out the schema file; `longest` is in seconds.

    `since` is a git revision: only files that changed since then are selected; the others are only applied. `lint` gets
    all migrations and the selected versions. `queries` are prepared before the first selected migration and after
    each one; without `since`, `applied` are the versions that count as older. Of `variables` the stand-ins are used.
    `twice` runs the up section of each selected file a second time.
    """

    directories: tuple[str, ...] = ("./db/migrations",)
    order: Order = Order.NAME
    table: str = "schema_migrations"
    dumping: Dumping | None = None
    since: str | None = None
    longest: float | None = None
    lint: Linter | None = None
    queries: Collection = NO_QUERIES
    applied: frozenset[str] = frozenset()
    variables: Variables = field(default_factory=Variables)
    twice: bool = False


def run(options: Options, choice: Choice) -> Report:
    """Check the migrations on a scratch database.

    Raises PlanError E235 (no migrations directory), ConfigError E247 (no such revision), and what
    `scratch.open_server` raises.
    """
    began = time.monotonic()
    read = reading.read(options.directories, options.order, options.variables)
    selected = _selected(read, options)
    report = Report(_only(read.problems, selected, options), files=len(read.files), selected=len(selected))
    if options.lint is not None:
        linted = options.lint(read.migrations, selected)
        report = replace(report, problems=tuple(_once((*report.problems, *linted))))
    if read.sound or (read.repeatables and not read.files):
        effects = outside_effects.of_all([*read.sound, *read.repeatables]) | schemafile.effects_of(options.dumping)
        with choose.open_server(replace(choice, effects=effects, spared=choice.target)) as server:
            report = _applied_all(report, read, selected, server, options)
    return replace(report, seconds=time.monotonic() - began)


def _selected(read: Reading, options: Options) -> frozenset[str]:
    """The versions that are tried down and up again, and linted."""
    if options.since is None:
        return frozenset(file.version for file in read.files)
    changed: set[str] = set()
    for directory in options.directories:
        changed |= provenance.changed_since(options.since, directory)
    return frozenset(file.version for file in read.files if os.path.realpath(file.path) in changed)


def _only(problems: Sequence[Problem], selected: frozenset[str], options: Options) -> tuple[Problem, ...]:
    """With ``--since``, only errors and findings without a place: the others are about unchanged files."""
    if options.since is None:
        return tuple(problems)
    return tuple(problem for problem in problems if problem.severity is Severity.ERROR or problem.place is None)


def _once(problems: Iterable[Problem]) -> Iterable[Problem]:
    """Without duplicates: the parser and the linter may have found the same."""
    return {(problem.code, problem.place, problem.message): problem for problem in problems}.values()


def _applied_all(
    report: Report, read: Reading, selected: frozenset[str], server: ScratchServer, options: Options
) -> Report:
    with Applier(server, options.table) as applier:
        application = _QueryWatch(options.queries.queries, _settled(read, selected, options))
        application.begin(applier.scratch)
        again = Twice(selected if options.twice else ())
        watches = (application, again)
        results = tuple(applier.apply(read.sound, selected=selected, each=partial(_watched, watches)))
        version = applier.scratch.session.conn.info.parameter_status("server_version") or "?"
        problems = [problem for result in results for problem in result.problems]
        problems += _of_selected(applier.notes, read, selected)
        is_whole = len(results) == len(read.files) - read.narrow and not any(
            result.has_failed or result.is_stuck for result in results
        )
        again.finish(server, options.table, read.sound)
        problems += again.problems
        if is_whole and read.repeatables:
            problems += repeatables.run_twice(applier.scratch, read.repeatables)
            application.applied(applier.scratch, read.repeatables[-1])
        problems += [*_slow(results, selected, options), *options.queries.problems, *application.problems()]
        if is_whole and options.dumping is not None:
            problems += schemafile.compare(applier.scratch, read.sound, options.dumping)
    problems += _after_failure(results, read)
    return replace(
        report,
        problems=(*report.problems, *problems),
        applied=sum(not result.has_failed for result in results),
        results=tuple(result for result in results if result.migration.version in selected),
        server=version.partition(" ")[0],
        where=server.where,
        notes=(server.note,) if server.note else (),
    )


def _watched(watches: Sequence[_QueryWatch | Twice], scratch: ScratchSession, migration: Migration) -> None:
    for watch in watches:
        watch.applied(scratch, migration)


def _of_selected(notes: Iterable[Problem], read: Reading, selected: frozenset[str]) -> list[Problem]:
    paths = {file.path for file in read.files if file.version in selected}
    return [note for note in notes if note.place is not None and note.place.path in paths]


def _settled(read: Reading, selected: frozenset[str], options: Options) -> int:
    """How many migrations come before the first one that may break a query.

    Repeatable ones make what queries use, at the very end: before them nothing can be said of any query.
    """
    migrations = read.sound
    if read.repeatables:
        return len(migrations) + 1
    is_new = selected.__contains__ if options.since is not None else lambda version: version not in options.applied
    return next((number for number, each in enumerate(migrations) if is_new(each.version)), len(migrations))


class _QueryWatch:
    """Prepares the application's queries from the last settled migration on."""

    def __init__(self, queries: Sequence[Query], settled: int) -> None:
        self._application = Application(queries)
        self._rest = settled
        self.problems = self._application.problems

    def begin(self, scratch: ScratchSession) -> None:
        if not self._rest:
            self._application.prepare(scratch.rehearsal)

    def applied(self, scratch: ScratchSession, migration: Migration) -> None:
        self._rest -= 1
        if self._rest <= 0:
            self._application.prepare(scratch.rehearsal, None if self._rest == 0 else migration)


def _after_failure(results: Sequence[MigrationResult], read: Reading) -> tuple[Problem, ...]:
    """A note about the migrations that were not run because an earlier one failed."""
    rest = len(read.sound) - len(results)
    if not results or not rest:
        return ()
    message = f"the migrations after {results[-1].migration.name} were not run ({rest} of {len(read.files)} files)"
    return (found("C114", message, None, severity=Severity.NOTE),)


def _slow(results: Sequence[MigrationResult], selected: frozenset[str], options: Options) -> Iterable[Problem]:
    for result in results:
        if options.longest is not None and result.seconds > options.longest and result.migration.version in selected:
            yield found(
                "C109",
                f"{result.migration.name} took {round(result.seconds, 3):g} s without any data;"
                f" the limit is {options.longest:g} s",
                Place(result.migration.file.path, result.migration.run_order(Direction.UP)[0].line),
                hint="it takes longer on a database with data",
            )
