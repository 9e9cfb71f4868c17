"""One check, from the files to the report."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import field, replace
from functools import partial
from typing import TYPE_CHECKING

from dbmigrate.check import prerequisites, reading, repeatables, schemafile
from dbmigrate.check.application import Application
from dbmigrate.check.apply_all import Applier
from dbmigrate.check.changed_schema import ChangedSchema
from dbmigrate.check.prerequisites import Ordered, Project
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
    `project` has the other services: what the migrations need of them runs before. `changed` sees what those that are
    new change in the schema.
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
    project: Project = field(default_factory=Project)
    changed: ChangedSchema | None = None


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
        ordered = prerequisites.ordered(read.sound, options.project, options.order, options.variables)
        report = replace(report, problems=(*report.problems, *ordered.problems))
        effects = outside_effects.of_all([*ordered.migrations, *read.repeatables])
        effects |= schemafile.effects_of(options.dumping)
        with choose.open_server(replace(choice, effects=effects, spared=choice.target)) as server:
            report = _applied_all(report, _Work(read, ordered, selected), server, options)
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


@frozen
class _Work:
    """What was read, in which order it runs, and which versions are tried."""

    read: Reading
    ordered: Ordered
    selected: frozenset[str]


def _applied_all(report: Report, work: _Work, server: ScratchServer, options: Options) -> Report:
    read, selected, migrations = work.read, work.selected, work.ordered.migrations
    with Applier(server, options.table) as applier:
        application = _QueryWatch(options.queries.queries, _settled(work, options))
        application.begin(applier.scratch)
        again = Twice(selected if options.twice else ())
        changed = options.changed or ChangedSchema()
        if options.changed is not None:
            changed.begin(applier.scratch, [_is_new(each, work, options) for each in migrations])
        watches = (application, again, changed)
        results = tuple(applier.apply(migrations, selected=selected, each=partial(_watched, watches)))
        version = applier.scratch.session.conn.info.parameter_status("server_version") or "?"
        problems = [problem for result in results for problem in result.problems]
        problems += _of_selected(applier.notes, read, selected)
        own = [result for result in results if ":" not in result.migration.version]
        is_whole = len(own) == len(read.files) - read.narrow and not any(
            result.has_failed or result.is_stuck for result in results
        )
        again.finish(server, options.table, read.sound)
        problems += again.problems
        if is_whole and read.repeatables:
            problems += repeatables.run_twice(applier.scratch, read.repeatables)
            application.applied(applier.scratch, read.repeatables[-1])
        if is_whole:
            changed.finish(applier.scratch)
        problems += [*_slow(results, selected, options), *options.queries.problems, *application.problems()]
        if is_whole and options.dumping is not None:
            problems += schemafile.compare(applier.scratch, work.ordered, options.dumping)
    problems += _after_failure(results, work)
    return replace(
        report,
        problems=(*report.problems, *problems),
        applied=sum(not result.has_failed for result in own),
        results=tuple(result for result in results if result.migration.version in selected),
        server=version.partition(" ")[0],
        where=server.where,
        notes=(server.note,) if server.note else (),
    )


def _watched(
    watches: Sequence[_QueryWatch | Twice | ChangedSchema], scratch: ScratchSession, migration: Migration
) -> None:
    for watch in watches:
        watch.applied(scratch, migration)


def _of_selected(notes: Iterable[Problem], read: Reading, selected: frozenset[str]) -> list[Problem]:
    paths = {file.path for file in read.files if file.version in selected}
    return [note for note in notes if note.place is not None and note.place.path in paths]


def _settled(work: _Work, options: Options) -> int:
    """How many migrations come before the first one that may break a query.

    Repeatable ones make what queries use, at the very end: before them nothing can be said of any query.
    """
    migrations = work.ordered.migrations
    if work.read.repeatables:
        return len(migrations) + 1

    return next((number for number, each in enumerate(migrations) if _is_new(each, work, options)), len(migrations))


def _is_new(migration: Migration, work: _Work, options: Options) -> bool:
    if options.since is not None:
        return migration.version in work.selected
    return ":" not in migration.version and migration.version not in options.applied


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


def _after_failure(results: Sequence[MigrationResult], work: _Work) -> tuple[Problem, ...]:
    """A note about the migrations that were not run because an earlier one failed."""
    rest = len(work.ordered.migrations) - len(results)
    if not results or not rest:
        return ()
    files = len(work.read.files) + len(work.ordered.of_others)
    message = f"the migrations after {results[-1].migration.name} were not run ({rest} of {files} files)"
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
