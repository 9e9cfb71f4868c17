"""The public Python API, and what every command is made of: open, lock, read, plan, run, write the schema file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from dbmigrate import database, dryrun, dsn, files, history, parser, plan, provenance
from dbmigrate.errors import Error
from dbmigrate.executor import Executor
from dbmigrate.model import (
    ALL,
    LAST,
    Event,
    Goal,
    History,
    Migration,
    MigrationFile,
    Plan,
    Policy,
    Problem,
    Report,
    RunStarted,
    SchemaWritten,
    Status,
    Warned,
)
from dbmigrate.pacing import Pacing
from dbmigrate.schema import dump as schema_file
from dbmigrate.session import Access, Session

if TYPE_CHECKING:
    from dbmigrate.model import SchemaFile
    from dbmigrate.schema.dump import Dumping

Planner = Callable[[Sequence[MigrationFile], History, Mapping[str, Migration]], Plan]
Choice = Callable[[Sequence[MigrationFile], History], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Options:
    """What a `Migrator` works with. Times are in seconds.

    `dumping` None leaves the schema file alone. `lock_wait` bounds the wait for another runner. `where` names the
    environment for people.
    """

    directories: tuple[str, ...] = ("./db/migrations",)
    table: str = "schema_migrations"
    dumping: Dumping | None = None
    policy: Policy = field(default_factory=Policy)
    pacing: Pacing = field(default_factory=Pacing)
    lock_wait: float = 300.0
    where: str = ""
    reason: str | None = None


@dataclass(slots=True)
class _Parsed:
    """Migration files that were read, by version, so that none is read twice in one run."""

    by_version: dict[str, Migration] = field(default_factory=dict)

    def read(self, wanted: Sequence[MigrationFile]) -> Mapping[str, Migration]:
        for file in wanted:
            if file.version not in self.by_version:
                self.by_version[file.version] = parser.read(file)
        return self.by_version


def _ignore(event: Event) -> None:
    """The default listener."""


class Migrator:
    """Migrations of one directory (or several) on one database.

    Methods return values and print nothing; progress goes to `on_event`. Every method opens its own connection and
    closes it. All raise the errors of `dbmigrate.errors`; an error's `report` holds what was done before it.
    """

    def __init__(
        self, target: dsn.Dsn | str, options: Options | None = None, *, on_event: Callable[[Event], None] = _ignore
    ) -> None:
        self._dsn = dsn.parse(target) if isinstance(target, str) else target
        self._options = options or Options()
        self._on_event = on_event

    # -- questions

    def status(self) -> Status:
        """Applied and pending migrations. Writes nothing: works without the tables and for a read-only role."""
        found = files.find(self._options.directories)
        with self._open("status") as session:
            return plan.status(found, session.read_history())

    def plan_up(self, goal: Goal = ALL) -> Plan:
        """What `up` would do now."""
        with self._planned("up", *self._upward(goal)) as (_, planned):
            return planned

    def plan_rollback(self, goal: Goal = LAST) -> Plan:
        """What `rollback` would do now."""
        with self._planned("rollback", *self._downward(goal)) as (_, planned):
            return planned

    def script_up(self, goal: Goal = ALL) -> Iterator[str]:
        """`up` as a psql script, in pieces: a dry run. Writes nothing, takes no lock."""
        yield from self._script("up", *self._upward(goal))

    def script_rollback(self, goal: Goal = LAST) -> Iterator[str]:
        """`rollback` as a psql script, in pieces."""
        yield from self._script("rollback", *self._downward(goal))

    # -- changes

    def up(self, goal: Goal = ALL) -> Report:
        """Create the database if it is missing, then do what `migrate` does.

        The files are looked for, and all of them read, before a database is created for them.
        """
        found = files.find(self._options.directories)
        if not self._exists():
            parsed = _Parsed().read(found)
            plan.up(found, History(), migrations=parsed, goal=goal, policy=self._options.policy)
            database.create_if_missing(self._dsn, on_event=self._on_event)
        return self.migrate(goal)

    def migrate(self, goal: Goal = ALL) -> Report:
        """Apply pending migrations, each in its own transaction with its record.

        All pending files are read and checked before the first one runs. On failure the migrations before the failing
        one stay applied (`error.report`), the failing one is rolled back (`error.state` says what is true), and the
        schema file is written for what was applied.
        """
        return self._change("up", *self._upward(goal))

    def rollback(self, goal: Goal = LAST) -> Report:
        """Undo applied migrations, the last in file-name order first, each in its own transaction with its record."""
        return self._change("rollback", *self._downward(goal))

    def redo(self) -> Report:
        """Undo the last migration and apply it again."""
        planner: Planner = lambda found, known, parsed: plan.redo(found, known, migrations=parsed)  # noqa: E731
        _, choice = self._downward(LAST)
        return self._change("redo", planner, choice)

    # -- the database and the schema file

    def create(self) -> None:
        """Create the database. Raises DatabaseError E402 if it exists."""
        database.create(self._dsn, on_event=self._on_event)

    def drop(self) -> None:
        """Drop the database if it exists."""
        database.drop(self._dsn, on_event=self._on_event)

    def wait(self, *, timeout: float = 60.0, interval: float = 1.0) -> None:
        """Return when the server answers; a missing database counts as an answer. Raises ConnectionFailed E302."""
        database.wait(self._dsn, timeout=timeout, interval=interval, on_event=self._on_event)

    def dump(self, dumping: Dumping, *, arguments: Sequence[str] = ()) -> SchemaFile:
        """Write the schema file. `arguments` are handed to pg_dump."""
        with self._open("dump") as session:
            written = schema_file.refresh(session, dumping, arguments=arguments)
        self._on_event(SchemaWritten(written))
        return written

    def load(self, path: str) -> None:
        """Load a schema file into the database, whole or not at all. Raises PlanError E238, DatabaseError E402."""
        with self._open("load") as session, database.translated(self._dsn):
            schema_file.apply(session.conn, path)

    # -- how

    def _upward(self, goal: Goal) -> tuple[Planner, Choice]:
        def planner(found: Sequence[MigrationFile], known: History, parsed: Mapping[str, Migration]) -> Plan:
            return plan.up(found, known, migrations=parsed, goal=goal, policy=self._options.policy)

        return planner, plan.pending_versions

    def _downward(self, goal: Goal) -> tuple[Planner, Choice]:
        def planner(found: Sequence[MigrationFile], known: History, parsed: Mapping[str, Migration]) -> Plan:
            return plan.down(found, known, migrations=parsed, goal=goal)

        def choice(found: Sequence[MigrationFile], known: History) -> Sequence[str]:
            return [item.version for item in plan.rollback_order(found, known, goal)]

        return planner, choice

    @contextmanager
    def _open(self, command: str) -> Iterator[Session]:
        options = self._options
        describe = partial(provenance.describe, options.directories, reason=options.reason)
        access = Access(self._dsn, command, options.table, options.lock_wait, self._on_event, describe)
        with Session(access) as session:
            yield session

    @contextmanager
    def _planned(self, command: str, planner: Planner, choice: Choice) -> Iterator[tuple[Session, Plan]]:
        """A session without the lock, and the plan for what it shows."""
        found = files.find(self._options.directories)
        with self._open(command) as session:
            known = session.read_history()
            parsed = self._parse(session, _Parsed(), found, choice(found, known))
            yield session, planner(found, known, parsed)

    def _change(self, command: str, planner: Planner, choice: Choice) -> Report:
        """Read the files, take the lock, look at the history again, plan, run."""
        started = time.monotonic()
        found = files.find(self._options.directories)
        with self._open(command) as session:
            parsed = _Parsed()
            known = session.read_history()
            planner(found, known, self._parse(session, parsed, found, choice(found, known)))
            session.lock()
            known = session.read_history()
            planned = planner(found, known, self._parse(session, parsed, found, choice(found, known)))
            self._on_event(RunStarted(self._options.where or self._dsn.display, planned))
            report = self._execute(session, planned, found)
        return replace(report, seconds=time.monotonic() - started)

    def _parse(
        self, session: Session, parsed: _Parsed, found: Sequence[MigrationFile], wanted: Sequence[str]
    ) -> Mapping[str, Migration]:
        """Read the files of the wanted versions; a version without a file is read from the log, if it keeps it."""
        by_version = {file.version: file for file in found}
        parsed.read([by_version[version] for version in wanted if version in by_version])
        for version in wanted:
            if version not in parsed.by_version and (kept := history.kept_down(session.conn, session.tables, version)):
                name, sql = kept
                parsed.by_version[version] = parser.read_kept(MigrationFile(version, name, name), sql)
        return parsed.by_version

    def _execute(self, session: Session, planned: Plan, found: Sequence[MigrationFile]) -> Report:
        executor = Executor(session, self._options.pacing)
        problems = list(planned.problems)
        try:
            if planned.steps:
                session.ensure_tables()
            executor.run(planned)
        except Error as exc:
            exc.report = self._report(session, executor, found, problems)
            raise
        return self._report(session, executor, found, problems)

    def _report(
        self, session: Session, executor: Executor, found: Sequence[MigrationFile], problems: list[Problem]
    ) -> Report:
        """What was done, after the schema file was written for it; also after a failure in mid-run."""
        written = None
        try:
            written = self._refresh(session, executor)
            current = plan.newest(found, [item.version for item in session.read_history().applied])
        except Error as exc:
            problems.append(Problem("W401", f"the schema file was not written: {exc.message}", hint=exc.hint))
            self._on_event(Warned(problems[-1]))
            current = None
        return Report(tuple(executor.done), tuple(problems), current, written)

    def _refresh(self, session: Session, executor: Executor) -> SchemaFile | None:
        """After a change; with nothing changed only a missing file is made."""
        dumping = self._options.dumping
        if dumping is None or session.conn.closed:
            return None
        if not executor.done and os.path.exists(dumping.path):
            return None
        written = schema_file.refresh(session, dumping)
        self._on_event(SchemaWritten(written))
        return written

    def _script(self, command: str, planner: Planner, choice: Choice) -> Iterator[str]:
        with self._planned(command, planner, choice) as (session, planned):
            self._on_event(RunStarted(self._options.where or self._dsn.display, planned))
            yield from dryrun.script(planned, session, self._options.pacing, title=command)

    def _exists(self) -> bool:
        return database.exists(self._dsn)
