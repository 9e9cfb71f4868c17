"""What every command that looks at a database is made of: open, read, lock, plan, run, write the schema file."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager, suppress
from dataclasses import field, replace
from functools import partial
from typing import TYPE_CHECKING

from dbmigrate.connection import database, dsn
from dbmigrate.errors import ConfigError, Error, Interrupted, LockNotAcquired, PlanError
from dbmigrate.events import Event, RunStarted, SchemaWritten, Warned
from dbmigrate.execution.access import Access, nothing_held
from dbmigrate.execution.lock_retries import Pacing
from dbmigrate.execution.session import Session
from dbmigrate.frozen import frozen
from dbmigrate.migrations import find
from dbmigrate.model import Applied, Direction, History, Migration, MigrationFile, Plan, Policy, Problem
from dbmigrate.planning import plan, plan_hash
from dbmigrate.reports import Report
from dbmigrate.tracking import provenance, read_history, tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from dbmigrate.execution.saving import Saver
    from dbmigrate.model import Order
    from dbmigrate.planning.replaces import Replacement
    from dbmigrate.reports import Outcome, SchemaFile
    from dbmigrate.schema.versions import Dumping
    from dbmigrate.variables import Variables


@frozen
class Options:
    """What a `Migrator` works with. Times are in seconds.

    `dumping` None leaves the schema file alone. `lock_wait` bounds the wait for another runner. `where` names the
    environment for people. `expected_plan` is the reviewed hash, as `plan_hash.expected` reads it: another plan is
    refused. `approve` is called with a plan that is about to run and the history that it starts from; it raises to
    stop it, and returns a function that asks somebody (and raises), or None where nobody has to be asked.
    `before_run` are called in their order with a plan that has steps, under the lock, just before the first one runs;
    they raise to stop it. `saver` saves what statements destroy. `allow_existing` begins a history beside whatever is
    there; without it a protected environment (`is_protected`) stops there. `tickets` is the pattern of ticket ids,
    `variables` are those of ``migrate:vars``, `hold_signals` keeps a signal back while a page of a backfill runs.
    """

    directories: tuple[str, ...] = ("./db/migrations",)
    table: str = "schema_migrations"
    dumping: Dumping | None = None
    policy: Policy = field(default_factory=Policy)
    pacing: Pacing = field(default_factory=Pacing)
    lock_wait: float = 300.0
    where: str = ""
    reason: str | None = None
    expected_plan: str | None = None
    approve: Callable[[Plan, History], Callable[[], None] | None] | None = None
    before_run: tuple[Callable[[Session, Plan], None], ...] = ()
    saver: Saver | None = None
    is_protected: bool = False
    allow_existing: bool = False
    tickets: str | None = None
    variables: Variables | Callable[[], Variables] | None = None
    hold_signals: Callable[[], AbstractContextManager[Callable[[], None]]] = nothing_held

    @property
    def order(self) -> Order:
        return self.policy.order


@frozen
class View:
    """What a plan is made from: the files, the history, and the parsed migrations of the wanted versions."""

    files: Sequence[MigrationFile]
    history: History
    migrations: Mapping[str, Migration] = field(default_factory=dict)


@frozen
class Request:
    """What a command asks for: the versions whose files it needs, and the plan it makes of them.

    `runs` are the directions that may be run: a fault in a section of another one is a warning. `begins` says that it
    may begin a history by running files. `extend` adds what is to be done with repeatable migrations to the plan; the
    session is None where the database does not exist yet.
    """

    command: str
    versions: Callable[[View], Sequence[str]]
    plan: Callable[[View], Plan]
    runs: tuple[Direction, ...] = tuple(Direction)
    begins: bool = False
    extend: Callable[[Session | None, View, Plan], Plan] | None = None


_UNWRITTEN = {"E601": "W642", "E733": "W311"}  # an unwritten schema file; others: W401
_STALE = "the schema file is not up to date: `dbmigrate dump` writes it"


def _ignore(event: Event) -> None:
    """The default listener."""


class ApiBase:
    """The base of `Migrator` and `Upkeep`. Every method opens its own connection and closes it.

    `target` is a URL or what `dsn.parse` made of one; progress goes to `on_event`.
    """

    def __init__(
        self, target: dsn.Dsn | str, options: Options | None = None, *, on_event: Callable[[Event], None] = _ignore
    ) -> None:
        self._dsn = dsn.parse(target) if isinstance(target, str) else target
        self._options = options or Options()
        self._on_event = on_event
        self._seen = find.Directory()  # what the last look at the migrations directories showed

    @contextmanager
    def _open(self, command: str, target: dsn.Dsn | None = None) -> Iterator[Session]:
        with self._connect(command, target) as session:
            yield session

    def _connect(self, command: str, target: dsn.Dsn | None = None) -> Session:
        options = self._options
        describe = partial(provenance.describe, options.directories, reason=options.reason, tickets=options.tickets)
        access = Access(target or self._dsn, command, options.table, options.lock_wait, self._on_event, describe)
        access = replace(access, hold_signals=options.hold_signals)
        return Session(access if target else replace(access, files=self._known_files))

    def _present(self) -> tuple[MigrationFile, ...]:
        """The migration files; skipped files are reported once."""
        before, self._seen = self._seen, find.look(self._options.directories, self._options.order)
        if self._seen.notes != before.notes:
            self._warn(self._seen.notes)
        return self._seen.files

    def _warn(self, problems: Sequence[Problem]) -> None:
        for problem in problems:
            self._on_event(Warned(problem))

    def _history_problems(self, session: Session, recorded: History) -> tuple[Problem, ...]:
        """What a reader of the history should know: a table that keeps nothing, a history that is somewhere else."""
        fault = session.tables.fault
        found = (Problem("W667", fault.message, hint=fault.fix),) if fault else ()
        around = session.surroundings(recorded)
        if around is None:
            return found
        from dbmigrate.tracking import preexisting

        return (*found, *preexisting.notes(around))

    def _in_force(self, files: Sequence[MigrationFile], recorded: History) -> tuple[View, Sequence[Replacement]]:
        """Files and history as they are once what only has to be recorded is recorded, and what replaces what."""
        if not (found := _replacements(files, recorded)):
            return View(files, recorded), ()
        from dbmigrate.planning import replaces

        return View(replaces.in_force(files, found), replaces.as_recorded(recorded, found)), found

    def _known_files(self) -> Sequence[MigrationFile]:
        """The migration files; none where the directory is missing or wrong, which is for the command to say."""
        with suppress(PlanError, ConfigError):
            return find.find(self._options.directories, self._options.order)
        return ()

    def recorded(self) -> History:
        """What the database records of migrations. Writes nothing: works without the tables, for a read-only role."""
        with self._open("look") as session:
            return session.read_history()

    def recorded_everywhere(self) -> History:
        """The same with the repeatable migrations among the applied ones, under the names of their files."""
        from dbmigrate.tracking import read_repeatables

        with self._open("look") as session, database.translated(self._dsn):
            newest = read_repeatables.newest(session.conn, session.tables).values()
            run = (Applied(entry.name, checksum=entry.checksum) for entry in newest if entry.checksum is not None)
            recorded = session.read_history()
            return replace(recorded, applied=(*recorded.applied, *run))

    @contextmanager
    def _planned(self, request: Request) -> Iterator[tuple[Session, Plan]]:
        """A session without the lock, and the plan for what it shows."""
        found = self._present()
        with self._open(request.command) as session:
            tables.refuse_faulty(session.tables)
            yield session, self._plan(session, request, View(found, session.read_history()))

    def _change(self, request: Request, parsed: Mapping[str, Migration] | None = None, *, approved: str = "") -> Report:
        """Read the files (those not in `parsed`), take the lock, look at the history again, plan, run.

        The files are read before the wait for the lock: a bad one is reported at once. What the history means is
        decided under the lock, where no other run is at work. `approved` is the digest of a plan approved before.
        """
        found = self._present()
        with self._open(request.command) as session:
            view = View(found, session.read_history(), parsed or {})
            return self._change_in(session, request, view, approved=approved)

    def _change_in(self, session: Session, request: Request, view: View, *, approved: str = "") -> Report:
        """What `_change` does, in a session that is open, seen from what it has shown so far."""
        read = self._parse(session, view, request.versions(view), request.runs)
        if request.extend is not None:
            request.extend(session, view, Plan())  # a bad file is an error before anything is waited for
        if _has_nothing_to_do(session, request, view, self._options):
            with suppress(Error):  # what is wrong is decided under the lock
                planned = self._plan(session, request, view)
                if not planned.steps:
                    self._on_event(RunStarted(self._where, planned))
                    return self._execute(session, planned, view)

        def prepare() -> tuple[Plan, History]:
            now = View(view.files, session.read_history(), read)
            return self._plan(session, request, now), now.history

        planned, recorded = self._settled(session, prepare, approved=approved)
        return self._execute(session, planned, View(view.files, recorded))

    def _settled(
        self, session: Session, prepare: Callable[[], tuple[Plan, History]], *, approved: str = ""
    ) -> tuple[Plan, History]:
        """The plan that `prepare` makes under the lock, approved by whoever has to approve it, and what it starts from.

        While a person is asked, the lock is let go of. Raises PlanError E239 if the plan is another one afterwards.
        """
        session.lock()
        planned, recorded = prepare()
        plan_hash.refuse_other(planned, self._options.expected_plan)
        ask = None if approved and planned.digest == approved else self._approval(planned, recorded)
        if ask is None:
            return planned, recorded
        session.unlock()
        ask()
        session.lock()
        again, recorded = prepare()
        if again.digest != planned.digest:
            raise PlanError("the plan changed after it was shown", code="E239", hint="run the command again")
        return again, recorded

    def _approval(self, planned: Plan, recorded: History) -> Callable[[], None] | None:
        """Say what is about to run, and find out who has to be asked."""
        self._on_event(RunStarted(self._where, planned))
        return self._options.approve(planned, recorded) if self._options.approve else None

    @property
    def _where(self) -> str:
        return self._options.where or self._dsn.display

    def _plan(self, session: Session, request: Request, view: View) -> Plan:
        migrations = self._parse(session, view, request.versions(view), request.runs)
        made = request.plan(replace(view, migrations=migrations))
        if any(step.migration and step.migration.bound for step in made.steps):
            from dbmigrate.api import recorded_values
            from dbmigrate.planning import variables

            recorded_values.refuse_other(session, variables.to_compare(made.steps))
        if request.extend is not None:
            made = request.extend(session, view, made)
        if request.begins and made.steps and not self._options.allow_existing:
            made = replace(made, problems=(*made.problems, *self._first_run_problems(session, view.history)))
        if made.steps and session.dsn.database == self._dsn.database:  # a missing one has nothing to lose
            from dbmigrate.losses import first_look

            made = first_look.with_losses(session, made)
        return self._hashed(made, view.history)

    def _first_run_problems(self, session: Session, recorded: History) -> tuple[Problem, ...]:
        """What a first run reports about the database. Raises Refused E715, E716."""
        around = session.surroundings(recorded)
        if around is None:
            return ()
        from dbmigrate.tracking import preexisting

        return preexisting.judge(around, is_protected=self._options.is_protected)

    def _hashed(self, made: Plan, recorded: History) -> Plan:
        settings = {**self._options.pacing.given, **self._dsn.settings}
        return replace(made, digest=plan_hash.digest(made, recorded, table=self._options.table, settings=settings))

    def _parse(
        self, session: Session, view: View, wanted: Sequence[str], runs: Sequence[Direction]
    ) -> Mapping[str, Migration]:
        """Read the files of the wanted versions; a version without a file is read from the log, if it keeps it."""
        present = {file.version: file for file in view.files}
        parsed = dict(view.migrations)
        if not set(wanted) - set(parsed):
            return parsed
        from dbmigrate.migrations import parser

        for version in wanted:
            if version in present and version not in parsed:
                parsed[version] = self._bound(parser.read(present[version], runs))
        for version in wanted:
            if version not in parsed and (kept := self._kept(session, version)):
                from dbmigrate.api import recorded_values

                name, down_sql = kept
                migration = parser.read_kept(MigrationFile(version, name, name), down_sql)
                parsed[version] = self._bound(recorded_values.with_names(session, migration))
        return parsed

    @property
    def _variables(self) -> Variables:
        from dbmigrate.variables import Variables  # few projects have any

        given = self._options.variables
        return given() if callable(given) else given or Variables()

    def _bound(self, migration: Migration) -> Migration:
        """With the values of the variables that it declares."""
        if not migration.annotations:
            return migration
        from dbmigrate.migrations import variables

        return variables.bound(migration, self._variables)

    def _kept(self, session: Session, version: str) -> tuple[str, str] | None:
        with database.translated(self._dsn):
            return read_history.kept_down(session.conn, session.tables, version)

    def _execute(self, session: Session, planned: Plan, view: View) -> Report:
        """Run a plan that was made from `view`."""
        started = time.monotonic()
        if not planned.steps:
            written, problems = self._refresh(session, ())
            current = plan.newest(view.files, [item.version for item in view.history.applied], self._options.order)
            return Report((), problems, current, written, time.monotonic() - started)
        from dbmigrate.execution.transactional import Executor

        executor = Executor(session, self._options.pacing, saver=self._options.saver)
        try:
            session.refuse_unpoolable(planned)
            for prepare in self._options.before_run:
                prepare(session, planned)
            session.ensure_tables()
            executor.run(planned)
        except Error as exc:
            if executor.done:
                report = self._report_despite(exc, session, executor.done, view.files)
                exc.report = replace(report, seconds=time.monotonic() - started, deferred=tuple(executor.deferred))
            raise
        try:
            report = self._report(session, executor.done, view.files)
        except KeyboardInterrupt as exc:
            error = Interrupted.by(exc, "interrupted while the schema file was being written")
            error.report = Report(tuple(executor.done), seconds=time.monotonic() - started)
            error.state, error.hint = "every migration of this run is done", _STALE
            raise error from exc
        return replace(report, seconds=time.monotonic() - started, deferred=tuple(executor.deferred))

    def _report_despite(
        self, failure: Error, session: Session, done: Sequence[Outcome], found: Sequence[MigrationFile]
    ) -> Report:
        """What was done before `failure`, which a signal that comes now must not hide."""
        try:
            return self._report(session, done, found)
        except KeyboardInterrupt:
            problem = Problem("W401", "the schema file was not written: interrupted", hint=_STALE)
            self._on_event(Warned(problem))
            return Report(tuple(done), (problem,))

    def _report(self, session: Session, done: Sequence[Outcome], found: Sequence[MigrationFile]) -> Report:
        """What was done, after the schema file was written for it; also after a failure in mid-run."""
        session.reconnect_for_reading()
        written, problems = self._refresh(session, done)
        return Report(tuple(done), problems, self._current(session, found), written)

    def _current(self, session: Session, found: Sequence[MigrationFile]) -> str | None:
        """The newest applied version; None if that cannot be asked any more: what was done is done."""
        with suppress(Error), database.translated(self._dsn):
            return plan.newest(found, read_history.versions(session.conn, session.tables), self._options.order)
        return None

    def _refresh(self, session: Session, done: Sequence[object]) -> tuple[SchemaFile | None, tuple[Problem, ...]]:
        """Write the schema file after a change; with nothing changed only a missing one.

        What was migrated stands: a file that cannot be written is a warning that says what to install.
        """
        dumping = self._options.dumping
        if dumping is None or (not done and (session.conn.closed or os.path.exists(dumping.path))):
            return None, ()
        from dbmigrate.schema import dump as schema_file

        try:
            self._refuse_narrow(session, dumping)
            database.refuse_shared_session(session.facts, "pg_dump changes the settings of its session")
            _refuse_without_lock(session)
            with database.translated(self._dsn):
                new = schema_file.text(session, dumping)
            _refuse_without_lock(session)  # it can have been lost while pg_dump was running
            written = schema_file.store(new, dumping)
        except Error as exc:
            code = _UNWRITTEN.get(exc.code, "W401")
            problem = Problem(code, f"the schema file was not written: {exc.message}", hint=exc.hint)
            self._on_event(Warned(problem))
            return None, (problem,)
        self._on_event(SchemaWritten(written))
        return written, ()

    def _refuse_narrow(self, session: Session, dumping: Dumping) -> None:
        """Raise Refused E733 if the schema file would hold what is only for some environments."""
        if dumping.is_narrow:
            return
        from dbmigrate.migrations import peek
        from dbmigrate.planning import target_environments

        if narrow := tuple(peek.mentioning(self._known_files(), target_environments.WORD)):
            with database.translated(self._dsn):
                applied = frozenset(read_history.versions(session.conn, session.tables))
            target_environments.refuse_narrow(each for each in narrow if each.version in applied)


def _replacements(files: Sequence[MigrationFile], recorded: History) -> Sequence[Replacement]:
    """Which files replace others. Where every file is applied, and nothing else, there is nothing to look for."""
    if {file.version for file in files} == {item.version for item in recorded.applied}:
        return ()
    from dbmigrate.migrations import peek
    from dbmigrate.planning import replaces

    return replaces.of(peek.mentioning(files, replaces.WORD), recorded)


def _has_nothing_to_do(session: Session, request: Request, view: View, options: Options) -> bool:
    """Whether the first look is enough: a plan without the lock is as good as one under it, if it has no steps.

    What another run applies is pending or unfinished until it is done. Not where the lock would be refused, nothing was
    ever applied, somebody has to approve, or the schema file has to be written.
    """
    facts, tables, history = session.facts, session.tables, view.history
    if facts.is_standby or facts.is_read_only or facts.is_pooled or tables.distrust or tables.fault or tables.missing:
        return False
    if not request.begins or not history.applied or history.unfinished or history.deferred or request.versions(view):
        return False
    is_asked = options.approve is not None or options.expected_plan is not None
    return not is_asked and (options.dumping is None or os.path.exists(options.dumping.path))


def _refuse_without_lock(session: Session) -> None:
    """A run that lost its lock must not write the schema file: another one may have, of a newer schema."""
    if not session.has_lock():
        raise LockNotAcquired(
            "this run lost its connection, and the migration lock with it",
            code="E601",
            hint="the run that has the lock now writes it; otherwise `dbmigrate dump` does",
        )
