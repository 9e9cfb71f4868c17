"""What every command that looks at a database is made of: open, read, lock, plan, run, write the schema file."""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate.api.options import Options, of_service
from dbmigrate.connection import database, dsn
from dbmigrate.errors import ConfigError, Error, Interrupted, PlanError
from dbmigrate.events import Event, RunStarted, Warned
from dbmigrate.execution.access import Access
from dbmigrate.execution.session import Session
from dbmigrate.frozen import frozen
from dbmigrate.migrations import find
from dbmigrate.model import Applied, Direction, History, Migration, MigrationFile, Plan, Problem, View
from dbmigrate.planning import plan, plan_hash
from dbmigrate.reports import Report, Status
from dbmigrate.tracking import read_history, tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from dbmigrate.api.schema_files import SchemaSource
    from dbmigrate.planning.replaces import Replacement
    from dbmigrate.reports import Outcome, SchemaFile
    from dbmigrate.tracking.write_log import Run
    from dbmigrate.variables import Variables


__all__ = ["ApiBase", "Options", "Request", "View"]


@frozen
class Request:
    """What a command asks for: the versions whose files it needs, and the plan it makes of them.

    `runs` are the directions that may be run: a fault in a section of another one is a warning. `begins` says that it
    may begin a history by running files. `extend` adds what is to be done with repeatable migrations to the plan; the
    session is None where the database does not exist yet. `look` reads what the plan needs beside the history.
    """

    command: str
    versions: Callable[[View], Sequence[str]]
    plan: Callable[[View], Plan]
    runs: tuple[Direction, ...] = tuple(Direction)
    begins: bool = False
    extend: Callable[[Session | None, View, Plan], Plan] | None = None
    look: Callable[[Session, View], View] | None = None


_STALE = "the schema file is not up to date: `dbmigrate dump` writes it"


def _ignore(event: Event) -> None:
    """The default listener."""


class ApiBase:
    """The base of `Migrator` and `Upkeep`. Every method opens its own connection and closes it.

    `target` is a URL or what `dsn.parse` made of one; progress goes to `on_event`. `service` is the name of the one
    whose migrations these are: they have a tracking table of their own, ``NAME_schema_migrations``.
    """

    def __init__(
        self,
        target: dsn.Dsn | str,
        options: Options | None = None,
        *,
        service: str | None = None,
        on_event: Callable[[Event], None] = _ignore,
    ) -> None:
        self._dsn = dsn.parse(target) if isinstance(target, str) else target
        self._options = of_service(options or Options(), service)
        self._on_event = on_event
        self._seen = find.Directory()  # what the last look at the migrations directories showed

    @contextmanager
    def _open(self, command: str, target: dsn.Dsn | None = None) -> Iterator[Session]:
        with self._connect(command, target) as session:
            yield session

    def _connect(self, command: str, target: dsn.Dsn | None = None) -> Session:
        options = self._options
        whom = self._describe_run
        access = Access(target or self._dsn, command, options.table, options.lock_wait, self._on_event, whom)
        siblings = tuple(each.table for each in options.others)
        is_service = options.service is not None
        access = replace(access, hold_signals=options.hold_signals, siblings=siblings, is_of_service=is_service)
        return Session(access if target else replace(access, files=self._known_files))

    def _describe_run(self) -> Run:
        """Who runs this, asked for at the first write."""
        from dbmigrate.tracking import provenance

        options = self._options
        return provenance.describe(options.directories, reason=options.reason, tickets=options.tickets)

    def _present(self) -> tuple[MigrationFile, ...]:
        """The migration files; skipped files are reported once."""
        if self._options.others:
            from dbmigrate.api import other_services

            other_services.refuse_directories(self._options)
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
        if {file.version for file in files} == {item.version for item in recorded.applied}:
            return View(files, recorded), ()  # every file is applied, and nothing else
        from dbmigrate.migrations import peek
        from dbmigrate.planning import replaces

        if not (found := replaces.of(peek.mentioning(files, replaces.WORD), recorded)):
            return View(files, recorded), ()
        return View(replaces.in_force(files, found), replaces.as_recorded(recorded, found)), found

    def _of_repeatables(self, session: Session) -> Status:
        """What `status` shows of the repeatable migrations: rows, and what is to be said about them."""
        if not self._seen.repeatables:
            return Status(())
        from dbmigrate.api import repeatables

        return repeatables.shown(Status(()), self._seen.repeatables, session)

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
        view = request.look(session, view) if request.look else view
        read = self._parse(session, view, request.versions(view), request.runs)
        self._share_locks(session, read.values())
        if request.extend is not None:
            request.extend(session, view, Plan())  # a bad file is an error before anything is waited for
        if (nothing := self._nothing_to_do(session, request, view)) is not None:
            self._on_event(RunStarted(self._where, nothing))
            return self._execute(session, nothing, view)

        def prepare() -> tuple[Plan, History]:
            now = View(view.files, session.read_history(), read)
            return self._plan(session, request, now), now.history

        planned, recorded = self._settled(session, prepare, approved=approved)
        return self._execute(session, planned, View(view.files, recorded))

    def _nothing_to_do(self, session: Session, request: Request, view: View) -> Plan | None:
        """The plan without steps that the first look makes; None where a look under the lock is needed."""
        if not _has_nothing_to_do(session, request, view, self._options):
            return None
        with suppress(Error):  # what is wrong is decided under the lock
            planned = self._plan(session, request, view)
            return None if planned.steps else planned
        return None

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
        view = request.look(session, view) if request.look else view
        migrations = self._parse(session, view, request.versions(view), request.runs)
        made = request.plan(replace(view, migrations=migrations))
        self._refuse_unmet(session if session.dsn.database == self._dsn.database else None, made)
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
            if any(step.begun or step.has_backfill for step in made.steps):
                from dbmigrate.execution import backfill_notes

                made = backfill_notes.with_notes(session, made, view.history)
        return self._hashed(made, view.history)

    # what becomes of dependencies on other services: without any nothing is imported for them

    def _share_locks(self, session: Session, pending: Iterable[Migration]) -> None:
        """What pending migrations depend on in other services must not be rolled back meanwhile."""
        if any(":" in each.value for migration in pending for each in migration.annotated("depends")):
            from dbmigrate.api import other_services

            other_services.share_locks(session, self._options, pending)

    def _refuse_unmet(self, session: Session | None, made: Plan) -> None:
        """Raise for a plan that other services do not allow. There is no session if there is no database yet."""
        steps = [step for step in made.steps if step.runs_sql and step.migration]
        is_needed = self._options.service and any(step.direction is Direction.DOWN for step in steps)
        said = (each for step in steps if step.migration for each in step.migration.annotated("depends"))
        if is_needed or any(":" in each.value for each in said):
            from dbmigrate.api import other_services

            other_services.refuse_unmet(session, self._options, steps)

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
        if view.history.stale and not session.facts.is_pooled:  # a pooled run has no lock between transactions
            from dbmigrate.tracking import stale_entries

            session.log_failure(stale_entries.closing(session.tables, view.history))
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
        if dumping is None or (not done and (session.conn.closed or dumping.is_written)):
            return None, ()
        from dbmigrate.api import schema_files

        return schema_files.refresh(self._schema(session), dumping, self._on_event)

    def _schema(self, session: Session) -> SchemaSource:
        """What the schema file is made from."""
        from dbmigrate.api import schema_files

        return schema_files.SchemaSource(session, self._options, self._known_files)


def _has_nothing_to_do(session: Session, request: Request, view: View, options: Options) -> bool:
    """Whether the first look is enough: a plan without the lock is as good as one under it, if it has no steps.

    What another run applies is pending or unfinished until it is done. Not where the lock would be refused, nothing was
    ever applied, somebody has to approve, or the schema file has to be written.
    """
    facts, tables, history = session.facts, session.tables, view.history
    if facts.is_standby or facts.is_read_only or facts.is_pooled or tables.distrust or tables.fault or tables.missing:
        return False
    if (
        not request.begins
        or not history.applied
        or history.unfinished
        or history.deferred
        or history.stale
        or request.versions(view)
    ):
        return False
    is_asked = options.approve is not None or options.expected_plan is not None
    return not is_asked and (options.dumping is None or options.dumping.is_written)
