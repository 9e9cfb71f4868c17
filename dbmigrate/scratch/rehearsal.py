"""Rehearsals: a plan is run on a scratch copy of the schema, or in one transaction that is rolled back.

`on_copy` hands the plan to `execution.transactional` in a scratch database that has the target's schema and recorded
versions, but no rows. `in_place` runs everything in one transaction on the target, under the migration lock, and rolls
it back: there are the rows, and there are the locks.
"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import psycopg

from dbmigrate.connection import database
from dbmigrate.errors import DatabaseError, Error, Interrupted, MigrationFailed, NeedsAttention, PlanError, Refused
from dbmigrate.execution import batches, conditions, server_errors
from dbmigrate.execution.access import Access
from dbmigrate.execution.lock_retries import Pacing
from dbmigrate.execution.session import Session
from dbmigrate.execution.transaction_end import refuse_changes
from dbmigrate.execution.transactional import Executor
from dbmigrate.frozen import frozen
from dbmigrate.migrations import parser
from dbmigrate.migrations.conditions import parts
from dbmigrate.model import Plan, Problem, Severity
from dbmigrate.reports import Outcome
from dbmigrate.scratch import choose, outside_effects, schema_copy
from dbmigrate.scratch.choose import TargetServer
from dbmigrate.tracking import provenance, tables, write_log

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.connection.database import Connection
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.events import Event
    from dbmigrate.execution.backfill_tryout import Tryout
    from dbmigrate.execution.conditions import Asker, Context
    from dbmigrate.impact.measured import Measurement
    from dbmigrate.model import Direction, Migration, MigrationFile, Section, Step
    from dbmigrate.scratch.choose import Choice, ScratchServer
    from dbmigrate.scratch.lock_report import Means

IN_PLACE_LOCK_TIMEOUT = 2.0  # seconds

ON_COPY_IS_BLIND_TO = (
    "rows: a constraint that they break, a NOT NULL that they lack, a type that they do not fit",
    "how long it takes, and what it blocks: the lock report of --dry-run says that",
    "other sessions, and programs that use the schema",
)
IN_PLACE_IS_BLIND_TO = (
    "what COMMIT would do, and a connection that is lost meanwhile",
    "what other sessions do by then: rows that come, locks that are taken",
)
IN_PLACE_LEAVES = (
    "values that were drawn from sequences (nextval, setval)",
    "what a function does outside the database: dblink, COPY TO PROGRAM, files",
    "dead rows and files that VACUUM cleans up",
)


# the end of the transaction, as far as it can be had before the end: deferred constraints, and then what
# `Session.reset` does between two migrations, which ends with the settings of the session. Prepared statements stay.
_SETTLE = (
    "SET CONSTRAINTS ALL IMMEDIATE; RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL; CLOSE ALL; UNLISTEN *;"
    " DISCARD TEMP; DISCARD SEQUENCES;\n"
)


@frozen
class Rehearsed:
    """What would have been done; `where` says on what, `blind_to` what it cannot show, `leaves` what a
    ROLLBACK does not undo. `measurement` is there where there were rows (`scratch.with_rows`).
    """

    done: tuple[Outcome, ...]
    where: str
    blind_to: tuple[str, ...]
    leaves: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    seconds: float = 0.0
    measurement: Measurement | None = None


@frozen
class Rehearsal:
    """What is run: a plan for the target of `session`, from `files`, with the limits of `pacing`."""

    session: Session
    plan: Plan
    files: Sequence[MigrationFile]
    pacing: Pacing


def on_copy(rehearsal: Rehearsal, means: Means) -> Rehearsed:
    """Run the plan on a scratch copy of the target's schema. The target is read (pg_dump), nothing is written there.

    There are no rows: a condition that is not true is a note.
    Raises MigrationFailed E401 to E406 with the place of the statement that would fail (`error.report` is not set, the
    target is as it was); PlanError E264 (the schema cannot be copied); what `scratch.open_server` raises.
    """
    began = time.monotonic()
    target = rehearsal.session
    major = target.facts.server_version // 10000
    chosen = replace(means.choice, target=target.dsn, on_target=TargetServer.UNUSED, major=major)
    choice = schema_copy.choice_for(chosen, target, _checked(rehearsal.plan))
    with choose.open_server(choice) as server, server.database() as made:
        copy = schema_copy.with_settings_of(target, made)
        problems = schema_copy.fill(
            schema_copy.Origin(target, rehearsal.files, means.environ, means.variables), server, copy
        )
        with Session(_access(copy, rehearsal)) as scratch:
            _record(scratch, target)
            note = conditions.Note()
            runner = _Runner(scratch, rehearsal.pacing, server, note)
            done = [outcome for step in rehearsal.plan.steps for outcome in runner.run(step)]
            version = scratch.conn.info.parameter_status("server_version") or ""
        return Rehearsed(
            tuple(done),
            f"a scratch copy of the schema, on PostgreSQL {version.partition(' ')[0]}",
            ON_COPY_IS_BLIND_TO,
            problems=(*problems, *note.problems, *_notes(server)),
            seconds=time.monotonic() - began,
        )


def on_nothing(target: Dsn, planned: Plan, table: str, choice: Choice) -> Rehearsed:
    """The same for a database that does not exist yet: on an empty one."""
    began = time.monotonic()
    effects = outside_effects.of_all(_checked(planned))
    choice = replace(choice, target=target, on_target=TargetServer.UNUSED, effects=effects, spared=target)
    with choose.open_server(choice) as server:
        with server.database() as made, Session(_access_to(made, table)) as scratch:
            scratch.lock()
            scratch.ensure_tables()
            note = conditions.Note()
            runner = _Runner(scratch, Pacing(), server, note)
            done = [outcome for step in planned.steps for outcome in runner.run(step)]
        return Rehearsed(
            tuple(done),
            "an empty scratch database",
            ON_COPY_IS_BLIND_TO[1:],
            problems=(*note.problems, *_notes(server)),
            seconds=time.monotonic() - began,
        )


def _checked(planned: Plan) -> list[Migration]:
    """The migrations that are run. Raises Refused E722 for one that would do something outside of the database."""
    migrations = [step.migration for step in planned.steps if step.migration is not None and step.runs_sql]
    for migration in migrations:
        outside_effects.refuse_external_effects(migration, also=outside_effects.Effects.SETTINGS)
    return migrations


def _access(copy: Dsn, rehearsal: Rehearsal) -> Access:
    """The tracking table where it is: the search_path of the scratch server's role could lead elsewhere."""
    tables = rehearsal.session.tables
    return _access_to(copy, tables.name if "." in tables.schema else tables.qualified)


def _access_to(copy: Dsn, table: str) -> Access:
    return Access(copy, "rehearsal", table, 0.0, _ignore, partial(provenance.describe, ()))


def _record(scratch: Session, target: Session) -> None:
    """The tracking tables with the versions that the target has, so that the history is the same."""
    applied = [item.version for item in target.read_history().applied]
    scratch.lock()
    scratch.ensure_tables()
    with database.translated(scratch.dsn):
        write_log.record_versions(scratch.conn, scratch.tables, applied)


@frozen
class _Runner:
    """Runs steps on a scratch database; conditions are asked by `asker`."""

    scratch: Session
    pacing: Pacing
    server: ScratchServer
    asker: Asker

    def run(self, step: Step) -> list[Outcome]:
        executor = Executor(self.scratch, self.pacing, self.asker)
        try:
            self.server.retrying(lambda: executor.run(Plan((step,))))
        except (DatabaseError, NeedsAttention) as exc:
            raise _would_fail(exc, choose.hint_for(exc, self.server)) from exc
        return executor.done


def _would_fail(exc: Error, hint: str | None) -> MigrationFailed:
    """The failure that a run would end with, for what it is here."""
    half = isinstance(exc, NeedsAttention)
    error = exc.recast(MigrationFailed, code=exc.code if exc.code.startswith("E4") else "E401")
    error.hint = hint or (None if half else exc.hint)
    stopped = "; a real run would have stopped half-way, and needed a person" if half else ""
    error.state = f"{STATE}{stopped}"
    return error


STATE = "this was a rehearsal: the database is as it was"


def _notes(server: ScratchServer) -> tuple[Problem, ...]:
    return (Problem("W600", server.note, Severity.NOTE),) if server.note else ()


# ----------------------------------------------------------------------------------------------------------- in place


def refuse_outside(plan: Plan) -> None:
    """Raise PlanError E248 if a step cannot run inside a transaction."""
    names = [
        step.name
        for step in plan.steps
        if step.migration is not None and step.runs_sql and not step.migration.is_transactional(step.direction)
    ]
    if names:
        raise PlanError(
            f"{', '.join(names)} cannot be rolled back: transaction:false",
            code="E248",
            hint="rehearse without --in-place, on a scratch copy of the schema; or go as far as --to allows it",
        )


def in_place(rehearsal: Rehearsal) -> Rehearsed:
    """Run the plan in one transaction on the target, and roll it back. The session holds the migration lock already.

    A lock that is not granted within `pacing.lock_timeout` (None: 2 s) ends it, whatever a file asks for: nobody is
    made to wait for a rehearsal for longer. The rows are there: conditions have to be true. Raises PlanError E248,
    MigrationFailed E401 to E406, E413, E414, Refused E734, E735, Interrupted.
    """
    refuse_outside(rehearsal.plan)
    session, began = rehearsal.session, time.monotonic()
    try:
        _begin(rehearsal)
        done = [_run_in_place(rehearsal, step) for step in rehearsal.plan.steps]
    except DatabaseError as exc:
        raise _would_fail(exc, exc.hint) from exc
    except Refused as exc:
        exc.state = STATE
        raise
    except KeyboardInterrupt as exc:
        raise Interrupted.by(exc, "the rehearsal was interrupted; it is rolled back") from exc
    finally:
        session.abort()  # one that cannot roll back any more is closed, which does the same
    return Rehearsed(
        tuple(done),
        "the database itself, in one transaction that was rolled back",
        IN_PLACE_IS_BLIND_TO,
        IN_PLACE_LEAVES,
        seconds=time.monotonic() - began,
    )


def _begin(rehearsal: Rehearsal) -> None:
    """The transaction, with the tracking tables: a run makes those before its first migration."""
    session = rehearsal.session
    with database.translated(session.dsn):
        made = tables.creation(session.conn, session.tables)
        database.run(session.conn, f"BEGIN;\n{_limits(rehearsal, rehearsal.pacing)}{made}")


def _limits(rehearsal: Rehearsal, pacing: Pacing) -> str:
    patience = rehearsal.pacing.lock_timeout
    return pacing.settings(rehearsal.session.dsn, IN_PLACE_LOCK_TIMEOUT if patience is None else patience)


def _run_in_place(rehearsal: Rehearsal, step: Step) -> Outcome:
    began, session = time.monotonic(), rehearsal.session
    number = 0
    if step.migration is not None and step.runs_sql:
        with database.translated(session.dsn):
            database.run(session.conn, _limits(rehearsal, rehearsal.pacing.of(step)))
        context = conditions.Context(session.conn, session.dsn, step.migration)
        number = run_sections(context, step.direction, conditions.Demand())
    return Outcome(step, time.monotonic() - began, number)


def run_sections(context: Context, direction: Direction, asker: Asker, *, ending: str = "") -> int:
    """Run one direction inside the open transaction; the number of its statements. Session settings are taken back.

    `ending` is sent behind that, in the same message.

    Raises MigrationFailed E401 to E406 with the place, ConnectionFailed E305, and what `asker` raises; the caller ends
    the transaction.
    """
    if context.migration.bound is not None:
        context = replace(context, dsn=context.dsn.hiding(context.migration.bound.secrets))
    number, conn, dsn, migration = 0, context.conn, context.dsn, context.migration
    try:
        for part in parts(migration, direction):
            asker.ask(context, part.before)
            for section in part.sections:
                number += _run_section(context, section)
            asker.ask(context, part.after)
        database.run(conn, settling(conn, dsn) + ending)
    except batches.StatementError as exc:
        raise server_errors.failure(exc, migration, dsn) from exc
    except psycopg.Error as exc:  # a deferred constraint, at the end
        error = database.translation(exc, dsn)
        if not isinstance(error, DatabaseError):
            raise error from exc
        message = f"{migration.name}: {error.message} ({error.sqlstate})"
        raise error.recast(MigrationFailed, message, code="E401") from exc
    return number


def settling(conn: Connection, dsn: Dsn) -> str:
    """What is sent behind the SQL of one direction, in its transaction."""
    return _SETTLE + database.session_settings(conn, dsn)


def _run_section(context: Context, section: Section) -> int:
    """The pages of a backfill are part of the one transaction here."""
    number, conn, migration = 0, context.conn, context.migration
    tried = _tried(context, section)
    try:
        statements = tried.statements if tried else parser.statements(migration, section)
        for _, tags in batches.send_all(conn, statements, pulse=context.pulse):
            number += len(tags)
            refuse_changes(conn, migration)
    except batches.StatementError as exc:
        raise (tried.placed(exc) if tried else exc) from exc
    return number


def _tried(context: Context, section: Section) -> Tryout | None:
    if not section.is_backfill:
        return None
    from dbmigrate.execution.backfill_tryout import Tryout

    return Tryout(context.conn, context.migration, section, tuple(parser.statements(context.migration, section)))


def _ignore(event: Event) -> None:
    """The listener of sessions that nobody listens to."""
