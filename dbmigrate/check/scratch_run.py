"""Runs what was read on a scratch database, and looks at it from all sides.

`run` imports this while the database is made.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from dbmigrate.check import repeatables, schemafile
from dbmigrate.check.application import Application
from dbmigrate.check.apply_all import Applier
from dbmigrate.check.changed_schema import ChangedSchema
from dbmigrate.check.twice import Twice
from dbmigrate.check.values import MigrationResult, Report, found
from dbmigrate.frozen import frozen
from dbmigrate.model import Direction, Place, Problem, Severity
from dbmigrate.scratch import outside_effects

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dbmigrate.check.options import Options
    from dbmigrate.check.prerequisites import Ordered
    from dbmigrate.check.queries import Query
    from dbmigrate.check.reading import Reading
    from dbmigrate.check.scratch_session import ScratchSession
    from dbmigrate.model import Migration
    from dbmigrate.scratch.outside_effects import Effects
    from dbmigrate.scratch.server import ScratchServer


@frozen
class Work:
    """What was read, in which order it runs, and which versions are tried."""

    read: Reading
    ordered: Ordered
    selected: frozenset[str]

    def effects(self, options: Options) -> Effects:
        """What it does outside of its database."""
        effects = outside_effects.of_all([*self.ordered.migrations, *self.read.repeatables])
        return effects | schemafile.effects_of(options.dumping)


def on_scratch(report: Report, work: Work, server: ScratchServer, options: Options) -> Report:
    """The report with what was found on a scratch database of `server`."""
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
        applier.scratch.beside.close()  # a role may not have many connections
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


def _settled(work: Work, options: Options) -> int:
    """How many migrations come before the first one that may break a query.

    Repeatable ones make what queries use, at the very end: before them nothing can be said of any query.
    """
    migrations = work.ordered.migrations
    if work.read.repeatables:
        return len(migrations) + 1

    return next((number for number, each in enumerate(migrations) if _is_new(each, work, options)), len(migrations))


def _is_new(migration: Migration, work: Work, options: Options) -> bool:
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


def _after_failure(results: Sequence[MigrationResult], work: Work) -> tuple[Problem, ...]:
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
