"""The public Python API: migrate up and down, ask for the state, make and load the schema file."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate.api.base import Options, Request, View
from dbmigrate.api.standing import Standing
from dbmigrate.connection import database
from dbmigrate.errors import ConfigError, ConnectionFailed, Error, PlanError
from dbmigrate.events import Planned, RunStarted, SchemaLoaded, SchemaRead, SchemaWritten
from dbmigrate.migrations import find
from dbmigrate.model import ALL, LAST, Direction, Goal, History, Plan, Problem, Severity
from dbmigrate.planning import plan, plan_hash, verify
from dbmigrate.reports import Deviation
from dbmigrate.tracking import tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from dbmigrate.execution.session import Session
    from dbmigrate.model import Migration, MigrationFile, Unfinished
    from dbmigrate.reports import FileSum, Report, SchemaFile
    from dbmigrate.schema.versions import Dumping
    from dbmigrate.scratch.lock_report import LockReport, Means

__all__ = ["Migrator", "Options"]


class Migrator(Standing):
    """Migrations of one directory (or several) on one database.

    Methods return values and print nothing; progress goes to `on_event`. Every method opens its own connection and
    closes it. All raise the errors of `dbmigrate.errors`; an error's `report` holds what was done before it.
    """

    # -- questions

    def plan_up(self, goal: Goal = ALL) -> Plan:
        """What `up` would do now; for a database that does not exist, what it would do in a new one."""
        if not database.exists(self._dsn):
            with self._planned_from_nothing(self._upward(goal)) as (_, planned):
                return planned
        with self._planned(self._upward(goal)) as (_, planned):
            return planned

    def plan_migrate(self, goal: Goal = ALL) -> Plan:
        """What `migrate` would do now. The database has to exist."""
        with self._planned(self._upward(goal, "migrate")) as (_, planned):
            return planned

    def plan_rollback(self, goal: Goal = LAST) -> Plan:
        """What `rollback` would do now."""
        with self._planned(self._downward(goal)) as (_, planned):
            return planned

    def script_up(self, goal: Goal = ALL) -> Iterator[str]:
        """`up` as a psql script, in pieces: a dry run. Writes nothing, takes no lock.

        For a database that does not exist the script begins by creating it; it is to be run in any other database.
        """
        if database.exists(self._dsn):
            yield from self._script(self._upward(goal))
        else:
            yield from self._script_from_nothing(self._upward(goal))

    def script_migrate(self, goal: Goal = ALL) -> Iterator[str]:
        """`migrate` as a psql script, in pieces."""
        yield from self._script(self._upward(goal, "migrate"))

    def script_rollback(self, goal: Goal = LAST) -> Iterator[str]:
        """`rollback` as a psql script, in pieces."""
        yield from self._script(self._downward(goal))

    def locks_up(self, means: Means, goal: Goal = ALL) -> LockReport:
        """What `up` would lock, rewrite and read: its migrations run on a scratch database, not on this one.

        A failure is not an error here: `LockReport.problems` names it.
        """
        return self._locks(self._upward(goal), means)

    def proposals(self, migrations: Iterable[Migration]) -> tuple[Problem, ...]:
        """What the sizes of the database's tables suggest for the backfills of these files."""
        from dbmigrate.execution import backfill_notes

        with self._open("lint") as session:
            return backfill_notes.of_sizes(session, migrations)

    def locks_rollback(self, means: Means, goal: Goal = LAST) -> LockReport:
        """The same for `rollback`: its down sections run on a scratch database."""
        return self._locks(self._downward(goal), means)

    # -- changes

    def up(self, goal: Goal = ALL) -> Report:
        """Create the database if it is missing, then do what `migrate` does.

        The files are looked for, and all of them read, before a database is created for them.
        """
        found = self._present()
        try:
            opened = self._connect("up")
        except ConnectionFailed as exc:
            if exc.code != "E303":
                raise
            return self._up_from_nothing(goal, found)
        with opened as session:
            return self._change_in(session, self._upward(goal), View(found, session.read_history()))

    def migrate(self, goal: Goal = ALL) -> Report:
        """Apply pending migrations, each in its own transaction with its record.

        All pending files are read and checked before the first one runs. On failure the migrations before the failing
        one stay applied (`error.report`), the failing one is rolled back (`error.state` says what is true), and the
        schema file is written for what was applied.
        """
        return self._change(self._upward(goal, "migrate"))

    def rollback(self, goal: Goal = LAST) -> Report:
        """Undo applied migrations, the last in file-name order first, each in its own transaction with its record."""
        return self._change(self._downward(goal))

    def backfill(self, version: str | None = None, *, seconds: float | None = None) -> Report:
        """Run the backfills that were deferred, paused or interrupted; after `seconds` pause the one that runs.

        Raises PlanError E232 if `version` has none.
        """
        from dbmigrate.planning import backfills

        pacing = replace(self._options.pacing, backfill_for=seconds)
        limited = type(self)(self._dsn, replace(self._options, pacing=pacing), on_event=self._on_event)

        def chosen(view: View) -> tuple[Unfinished, ...]:
            return backfills.waiting(view.files, view.history, version)

        return limited._change(
            Request(
                "backfill",
                lambda view: [item.version for item in chosen(view)],
                lambda view: backfills.plan(chosen(view), view.migrations),
                (Direction.UP,),
            )
        )

    def redo(self) -> Report:
        """Undo the last migration and apply it again."""
        from dbmigrate.planning import target_environments

        def planned(view: View) -> Plan:
            made = plan.redo(view.files, view.history, migrations=view.migrations, order=self._options.order)
            target_environments.refuse_redo(made.steps, self._options.policy.environment)
            return _with_notes(made, view)

        return self._change(Request("redo", self._downward(LAST).versions, planned, extend=self._redone))

    # -- the database and the schema file

    def create(self) -> None:
        """Create the database. Raises DatabaseError E402 if it exists."""
        database.create(self._dsn, on_event=self._on_event)

    def drop(self) -> None:
        """Drop the database if it exists."""
        database.drop(self._dsn, on_event=self._on_event)

    def wait(self, *, timeout: float = 60.0, interval: float = 1.0) -> None:
        """Return when the server answers; a missing database counts as an answer. Raises ConnectionFailed E302."""
        from dbmigrate.connection import waiting

        waiting.wait(self._dsn, timeout=timeout, interval=interval, on_event=self._on_event)

    def dump(self, dumping: Dumping, *, arguments: Sequence[str] = ()) -> SchemaFile:
        """Write the schema file. `arguments` are handed to pg_dump. Raises Refused E733: see `Dumping.is_narrow`."""
        from dbmigrate.schema import dump as schema_file

        with self._open("dump") as session:
            database.refuse_shared_session(session.facts, "pg_dump changes the settings of its session")
            source = self._schema(session)
            source.refuse_narrow(dumping)
            written = schema_file.store(source.text(dumping, arguments), dumping)
        self._on_event(SchemaWritten(written))
        return written

    def load(self, path: str) -> SchemaLoaded:
        """Load a schema file into the database, whole or not at all. Raises PlanError E238, DatabaseError E402.

        Repeatable migrations are recorded as run: the file has what they make. Raises MigrationFileError for a bad one.
        """
        from dbmigrate.schema import dump as schema_file

        made = self._of_the_schema_file()
        with self._open("load") as session:
            database.refuse_shared_session(session.facts, "a schema file changes the settings of its session")
            self._on_event(SchemaRead(path))
            schema_file.apply(session, path)
            loaded = SchemaLoaded(path, self._where, schema_file.recorded(session))
        self._on_event(loaded)
        if made.steps and loaded.recorded:
            self._only_record(made)
        return loaded

    # -- how

    def _up_from_nothing(self, goal: Goal, found: Sequence[MigrationFile]) -> Report:
        """`up` for a database that does not exist yet: all files are read, then it is created."""
        from dbmigrate.migrations import parser

        parsed = {file.version: self._bound(parser.read(file, (Direction.UP,))) for file in found}
        approved = self._approved_beforehand(self._planned_for_nothing(goal, found, parsed))
        database.create_if_missing(self._dsn, on_event=self._on_event)
        return self._change(self._upward(goal), parsed, approved=approved)

    def _planned_for_nothing(self, goal: Goal, found: Sequence[MigrationFile], parsed: Mapping[str, Migration]) -> Plan:
        """The plan of `up` for a database that does not exist yet."""
        view = View(found, History(), parsed)
        made = self._planned_up(view, parsed, goal)
        self._refuse_unmet(None, made)
        return self._hashed(self._repeated(None, view, made), view.history)

    def _planned_up(self, view: View, migrations: Mapping[str, Migration], goal: Goal) -> Plan:
        find.refuse_none(self._seen, self._options.directories)
        return plan.up(view.files, view.history, migrations=migrations, goal=goal, policy=self._options.policy)

    def _approved_beforehand(self, made: Plan) -> str:
        """Have the plan for a database that does not exist yet approved; its digest, empty if nobody has to approve."""
        plan_hash.refuse_other(made, self._options.expected_plan)
        if self._options.approve is None:
            return ""
        if ask := self._approval(made, History()):
            ask()
        return made.digest

    def _upward(self, goal: Goal, command: str = "up") -> Request:
        def planned(view: View) -> Plan:
            seen, replacing = self._in_force(view.files, view.history)
            found = verify.verify(seen.files, seen.history, _sums(seen))
            if any(each.deviation is Deviation.CHANGED for each in found):
                from dbmigrate.tracking import version_control

                found = version_control.traced(found)
            notes = verify.refuse_changes(found)
            others = {each.migration.version: each.migration for each in replacing}
            known = {**_named_elsewhere(view), **others, **view.migrations}
            made = self._planned_up(view, known, goal)
            return Plan(made.steps, (*made.problems, *notes, *_applied_again(made, view.history)))

        return Request(
            command,
            lambda view: plan.pending_versions(view.files, view.history),
            planned,
            (Direction.UP,),
            begins=True,
            extend=self._repeated,
        )

    def _downward(self, goal: Goal) -> Request:
        from dbmigrate.losses import not_restored
        from dbmigrate.migrations import peek
        from dbmigrate.planning import dependencies

        order = self._options.order

        def planned(view: View) -> Plan:
            made = plan.down(view.files, view.history, migrations=view.migrations, goal=goal, order=order)
            applied = [file for file in view.files if file.version in view.history]
            dependencies.refuse_needed(made.steps, peek.mentioning(applied, dependencies.WORD))
            made = _with_notes(made, view)
            return replace(made, problems=(*made.problems, *not_restored.problems(made, view.history)))

        return Request(
            "rollback",
            lambda view: [
                *plan.half_done_versions(view.history, goal, order),
                *(item.version for item in plan.rollback_order(view.files, view.history, goal, order)),
            ],
            planned,
            (Direction.DOWN,),
            extend=self._restored,
            look=self._with_last_run if goal.last_run else None,
        )

    def _with_last_run(self, session: Session, view: View) -> View:
        from dbmigrate.tracking import last_run

        with database.translated(self._dsn):
            versions, since = last_run.read(session.conn, session.tables)
        return replace(view, history=replace(view.history, last_run=versions, recorded_since=since))

    # what becomes of repeatable migrations: without any nothing is imported for them

    def _of_the_schema_file(self) -> Plan:
        """What a schema file has, beside the versions that it records: the repeatables. Read before it is loaded."""
        with suppress(PlanError, ConfigError):  # `load` needs no migrations directory
            self._present()
        if not self._seen.repeatables:
            return Plan()
        from dbmigrate.api import repeatables

        return Plan(repeatables.recording(self._seen.repeatables))

    def _only_record(self, made: Plan) -> None:
        """In another session: that which loaded a schema file has the settings of pg_dump."""
        from dbmigrate.execution.transactional import Executor

        with self._open("load") as session:
            session.lock()
            session.ensure_tables()
            Executor(session, self._options.pacing).run(made)

    def _repeated(self, session: Session | None, view: View, made: Plan) -> Plan:
        if not self._seen.repeatables:
            return made
        from dbmigrate.api import repeatables

        return repeatables.after_up(self._seen.repeatables, session, view, made, self._options.policy.environment)

    def _restored(self, session: Session | None, view: View, made: Plan) -> Plan:
        from dbmigrate.api import repeatables

        return made if session is None else repeatables.after_down(session, made)

    def _redone(self, session: Session | None, view: View, made: Plan) -> Plan:
        if session is None or not self._seen.repeatables:
            return made
        from dbmigrate.api import repeatables

        return repeatables.after_redo(self._seen.repeatables, session, view, made, self._options.policy.environment)

    def _locks(self, request: Request, means: Means) -> LockReport:
        from dbmigrate.scratch import lock_report

        try:
            if not database.exists(self._dsn):
                return lock_report.not_needed(self._dsn.database)
            with self._planned(request) as (session, planned):
                return lock_report.make(
                    session,
                    planned,
                    find.find(self._options.directories, self._options.order),
                    replace(means, variables=self._variables),
                )
        except Error as exc:
            return lock_report.missing(exc)

    def _script(self, request: Request) -> Iterator[str]:
        from dbmigrate.execution import dry_run_script

        with self._planned(request) as (session, planned):
            self._on_event(RunStarted(self._where, planned))
            self._on_event(Planned(planned))
            yield from dry_run_script.script(
                planned, session, self._options.pacing, title=f"{request.command} · {self._where}"
            )

    def _script_from_nothing(self, request: Request) -> Iterator[str]:
        from dbmigrate.execution import dry_run_script

        with self._planned_from_nothing(request) as (session, planned):
            self._on_event(RunStarted(self._where, planned))
            self._on_event(Planned(planned))
            title = f"{request.command} · {self._where}"
            prologue = dry_run_script.creation(session.conn, self._dsn.database)
            yield from dry_run_script.script(planned, session, self._options.pacing, title=title, prologue=prologue)

    @contextmanager
    def _planned_from_nothing(self, request: Request) -> Iterator[tuple[Session, Plan]]:
        """The plan for a database that does not exist yet, and a session of a maintenance database.

        Names are quoted there, and the server is asked for its version; nothing is read from that database.
        """
        found = self._present()
        with self._open(request.command, self._dsn.with_database(database.MAINTENANCE)) as session:
            session.tables = tables.absent(self._options.table, search_path=self._dsn.search_path)
            planned = self._plan(session, request, View(found, History()))
            note = Problem(
                "W307",
                f"database {self._dsn.database} does not exist: it is created first",
                Severity.NOTE,
                hint="run the script in another database, such as postgres",
            )
            yield session, replace(planned, problems=(note, *planned.problems))


def _named_elsewhere(view: View) -> Mapping[str, Migration]:
    """Applied migrations that are only for some environments, where a pending one depends on others."""
    if not any(migration.annotated("depends") for migration in view.migrations.values()):
        return {}
    from dbmigrate.migrations import peek
    from dbmigrate.planning import target_environments

    applied = [file for file in view.files if file.version in view.history]
    return {migration.version: migration for migration in peek.mentioning(applied, target_environments.WORD)}


def _with_notes(planned: Plan, view: View) -> Plan:
    """Warnings for edited files: their present down sections will run."""
    undone = {step.version for step in planned.steps}
    concerned = View(
        [file for file in view.files if file.version in undone],
        History(tuple(item for item in view.history.applied if item.version in undone)),
    )
    findings = verify.verify(concerned.files, concerned.history, _sums(concerned))
    notes = filter(None, map(verify.edited_note, findings))
    return replace(planned, problems=(*planned.problems, *notes))


def _applied_again(made: Plan, history: History) -> Sequence[Problem]:
    if not history.undone or not made.steps:
        return ()
    from dbmigrate.planning import rolled_back

    return tuple(rolled_back.problems(made.steps, history))


def _sums(view: View) -> Mapping[str, FileSum]:
    return verify.sums(view.files, view.history)
