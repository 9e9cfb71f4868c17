"""One check, from the files to the report."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate.check import reading, schemafile
from dbmigrate.check.application import Application
from dbmigrate.check.apply_all import Walk
from dbmigrate.check.queries import Collection
from dbmigrate.check.values import Report, Trial, found
from dbmigrate.frozen import frozen
from dbmigrate.model import Direction, Order, Place, Problem, Severity
from dbmigrate.scratch import choose, outside_effects
from dbmigrate.tracking import provenance

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dbmigrate.check.queries import Query
    from dbmigrate.check.reading import Reading
    from dbmigrate.check.scratch_session import Ground
    from dbmigrate.model import Migration
    from dbmigrate.schema.versions import Dumping
    from dbmigrate.scratch.choose import Choice, ScratchServer

NO_QUERIES = Collection(())
Linter = Callable[["Sequence[Migration]", frozenset[str]], "Iterable[Problem]"]


@frozen
class Options:
    """What is checked. `dumping` None leaves the schema file out; `longest` is in seconds.

    `since` is a git revision: only files that changed since are tried and looked at, on top of the others. `lint` is
    given all migrations and the versions of those that are looked at. `queries` are prepared before the first of these,
    and after each one; `applied` are the versions that count as there before, where `since` does not say it.
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


def run(options: Options, choice: Choice) -> Report:
    """Check the migrations on a scratch database.

    Raises PlanError E235 (no migrations directory), ConfigError E247 (no such revision), and what
    `scratch.open_server` raises.
    """
    began = time.monotonic()
    read = reading.read(options.directories, options.order)
    meant = _meant(read, options)
    report = Report(_only(read.problems, meant, options), files=len(read.files), looked_at=len(meant))
    if options.lint is not None:
        said = options.lint(read.migrations, meant)
        report = replace(report, problems=tuple(_once((*report.problems, *said))))
    if read.sound:
        effects = outside_effects.of_all(read.sound) | schemafile.reach_of(options.dumping)
        with choose.open_server(replace(choice, effects=effects, spared=choice.target)) as server:
            report = _tried(report, read, meant, server, options)
    return replace(report, seconds=time.monotonic() - began)


def _meant(read: Reading, options: Options) -> frozenset[str]:
    """The versions that are looked at."""
    if options.since is None:
        return frozenset(file.version for file in read.files)
    changed: set[str] = set()
    for directory in options.directories:
        changed |= provenance.changed_since(options.since, directory)
    return frozenset(file.version for file in read.files if os.path.realpath(file.path) in changed)


def _only(problems: Sequence[Problem], meant: frozenset[str], options: Options) -> tuple[Problem, ...]:
    """With ``--since``, notes about files that nobody has touched are left out; errors are not."""
    if options.since is None:
        return tuple(problems)
    return tuple(problem for problem in problems if problem.severity is Severity.ERROR or problem.place is None)


def _once(problems: Iterable[Problem]) -> Iterable[Problem]:
    """What both the parser and the linter have noted about a file is told once."""
    return {(problem.code, problem.place, problem.message): problem for problem in problems}.values()


def _tried(report: Report, read: Reading, meant: frozenset[str], server: ScratchServer, options: Options) -> Report:
    with Walk(server, options.table) as walk:
        application = _Spectator(options.queries.queries, _settled(read.sound, meant, options))
        application.begin(walk.ground)
        trials = tuple(walk.trials(read.sound, looked_at=meant, each=application.see))
        version = walk.ground.session.conn.info.parameter_status("server_version") or "?"
        problems = [problem for trial in trials for problem in trial.problems]
        problems += [*_slow(trials, meant, options), *options.queries.problems, *application.problems()]
        is_whole = len(trials) == len(read.files) and not any(trial.has_failed or trial.is_stuck for trial in trials)
        if is_whole and options.dumping is not None:
            problems += schemafile.compare(walk.ground, read.sound, options.dumping)
    problems += _after_failure(trials, read)
    return replace(
        report,
        problems=(*report.problems, *problems),
        applied=sum(not trial.has_failed for trial in trials),
        trials=tuple(trial for trial in trials if trial.migration.version in meant),
        server=version.partition(" ")[0],
        where=server.where,
        notes=(server.note,) if server.note else (),
    )


def _settled(migrations: Sequence[Migration], meant: frozenset[str], options: Options) -> int:
    """How many migrations come before the first one that may break a query."""
    is_new = meant.__contains__ if options.since is not None else lambda version: version not in options.applied
    return next((number for number, each in enumerate(migrations) if is_new(each.version)), len(migrations))


class _Spectator:
    """Looks at the queries of the application from the last settled migration on."""

    def __init__(self, asked: Sequence[Query], settled: int) -> None:
        self._application = Application(asked)
        self._rest = settled
        self.problems = self._application.problems

    def begin(self, ground: Ground) -> None:
        if not self._rest:
            self._application.look(ground.trial)

    def see(self, ground: Ground, migration: Migration) -> None:
        self._rest -= 1
        if self._rest <= 0:
            self._application.look(ground.trial, None if self._rest == 0 else migration)


def _after_failure(trials: Sequence[Trial], read: Reading) -> tuple[Problem, ...]:
    """What was not tried because a migration before it failed."""
    rest = len(read.sound) - len(trials)
    if not trials or not rest:
        return ()
    message = f"what comes after {trials[-1].migration.name} was not run ({rest} of {len(read.files)} files)"
    return (found("C114", message, None, severity=Severity.NOTE),)


def _slow(trials: Sequence[Trial], meant: frozenset[str], options: Options) -> Iterable[Problem]:
    for trial in trials:
        if options.longest is not None and trial.seconds > options.longest and trial.migration.version in meant:
            yield found(
                "C109",
                f"{trial.migration.name} took {round(trial.seconds, 3):g} s without any data;"
                f" {options.longest:g} s are allowed",
                Place(trial.migration.file.path, trial.migration.run_order(Direction.UP)[0].line),
                hint="it can only take longer where there is data",
            )
