"""A plan carried out where it does not count: on a scratch copy of the schema, or in a rolled-back transaction.

`on_copy` hands the plan to the executor in a scratch database that has the target's schema and its recorded versions,
but no rows. `in_place` runs everything in one transaction on the target, under the migration lock, and rolls it back:
there are the rows, and there are the locks.
"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from dbmigrate.connection import database
from dbmigrate.errors import DatabaseError, Error, Interrupted, MigrationFailed, NeedsAttention, PlanError
from dbmigrate.execution.lock_retries import Pacing
from dbmigrate.execution.session import Access, Session
from dbmigrate.execution.transactional import Executor
from dbmigrate.frozen import frozen
from dbmigrate.model import Plan, Problem, Severity
from dbmigrate.reports import Outcome
from dbmigrate.scratch import choose, outside_effects, schema_copy, trial
from dbmigrate.scratch.choose import TargetServer
from dbmigrate.tracking import provenance, tables, write_log

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.events import Event
    from dbmigrate.model import Migration, MigrationFile, Step
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


@frozen
class Rehearsed:
    """What would have been done; `where` says on what. `blind_to`: what it cannot show, `leaves`: undo."""

    done: tuple[Outcome, ...]
    where: str
    blind_to: tuple[str, ...]
    leaves: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    seconds: float = 0.0


@frozen
class Scene:
    """What is rehearsed: a plan for the target of `session`, from `files`, with the limits of `pacing`."""

    session: Session
    plan: Plan
    files: Sequence[MigrationFile]
    pacing: Pacing


def on_copy(scene: Scene, means: Means) -> Rehearsed:
    """Run the plan on a scratch copy of the target's schema. The target is read (pg_dump), nothing is written there.

    Raises MigrationFailed E401 to E406 with the place of the statement that would fail (`error.report` is not set, the
    target is as it was); PlanError E264 (the schema cannot be copied); what `scratch.open_server` raises.
    """
    began = time.monotonic()
    target = scene.session
    major = target.facts.server_version // 10000
    chosen = replace(means.choice, target=target.dsn, on_target=TargetServer.UNUSED, major=major)
    choice = schema_copy.sparing(chosen, target, _admitted(scene.plan))
    with choose.open_server(choice) as server, server.database() as made:
        copy = schema_copy.alike(target, made)
        problems = schema_copy.fill(schema_copy.Origin(target, scene.files, means.environ), server, copy)
        with Session(_access(copy, scene)) as stage:
            _record(stage, target)
            done = _run(stage, scene, server)
            version = stage.conn.info.parameter_status("server_version") or ""
        return Rehearsed(
            tuple(done),
            f"a scratch copy of the schema, on PostgreSQL {version.partition(' ')[0]}",
            ON_COPY_IS_BLIND_TO,
            problems=(*problems, *_told(server)),
            seconds=time.monotonic() - began,
        )


def on_nothing(target: Dsn, planned: Plan, table: str, choice: Choice) -> Rehearsed:
    """The same for a database that does not exist yet: on an empty one."""
    began = time.monotonic()
    reaches = outside_effects.of_all(_admitted(planned))
    choice = replace(choice, target=target, on_target=TargetServer.UNUSED, reach=reaches, spared=target)
    with choose.open_server(choice) as server:
        with server.database() as made, Session(_access_to(made, table)) as stage:
            stage.lock()
            stage.ensure_tables()
            done = [outcome for step in planned.steps for outcome in _step(stage, step, Pacing(), server)]
        return Rehearsed(
            tuple(done),
            "an empty scratch database",
            ON_COPY_IS_BLIND_TO[1:],
            problems=_told(server),
            seconds=time.monotonic() - began,
        )


def _admitted(planned: Plan) -> list[Migration]:
    """The migrations that are run. Raises Refused E722 for one that would do something outside of the database."""
    migrations = [step.migration for step in planned.steps if step.migration is not None and step.runs_sql]
    for migration in migrations:
        outside_effects.refuse_ways_out(migration, more=outside_effects.Effects.SETTINGS)
    return migrations


def _access(copy: Dsn, scene: Scene) -> Access:
    """The tracking table where it is: the search_path of the scratch server's role could lead elsewhere."""
    tables = scene.session.tables
    return _access_to(copy, tables.name if "." in tables.schema else tables.qualified)


def _access_to(copy: Dsn, table: str) -> Access:
    return Access(copy, "rehearsal", table, 0.0, _ignore, partial(provenance.describe, ()))


def _record(stage: Session, target: Session) -> None:
    """The tracking tables with the versions that the target has, so that the history is the same."""
    applied = [item.version for item in target.read_history().applied]
    stage.lock()
    stage.ensure_tables()
    with database.translated(stage.dsn):
        write_log.record_versions(stage.conn, stage.tables, applied)


def _run(stage: Session, scene: Scene, server: ScratchServer) -> list[Outcome]:
    return [outcome for step in scene.plan.steps for outcome in _step(stage, step, scene.pacing, server)]


def _step(stage: Session, step: Step, pacing: Pacing, server: ScratchServer) -> list[Outcome]:
    executor = Executor(stage, pacing)
    try:
        server.retrying(lambda: executor.run(Plan((step,))))
    except (DatabaseError, NeedsAttention) as exc:
        raise _would_fail(exc, choose.way_out(exc, server)) from exc
    return executor.done


def _would_fail(exc: Error, hint: str | None) -> MigrationFailed:
    """The failure that a run would end with, for what it is here."""
    half = isinstance(exc, NeedsAttention)
    error = MigrationFailed(
        exc.message,
        code=exc.code if exc.code.startswith("E4") else "E401",
        hint=hint or (None if half else exc.hint),
        place=exc.place,
        excerpt=exc.excerpt,
        details=exc.details,
        sqlstate=exc.sqlstate,
    )
    stopped = "; a real run would have stopped half-way, and have needed a person" if half else ""
    error.state = f"this was a rehearsal: the database is as it was{stopped}"
    return error


def _told(server: ScratchServer) -> tuple[Problem, ...]:
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


def in_place(scene: Scene) -> Rehearsed:
    """Run the plan in one transaction on the target, and roll it back. The session holds the migration lock already.

    A lock that is not granted within `pacing.lock_timeout` (None: 2 s) ends it, whatever a file asks for: nobody is
    made to wait for a rehearsal for longer. Raises PlanError E248, MigrationFailed E401 to E406, Interrupted.
    """
    refuse_outside(scene.plan)
    session, began = scene.session, time.monotonic()
    try:
        _begin(scene)
        done = [_tried(scene, step) for step in scene.plan.steps]
    except DatabaseError as exc:
        raise _would_fail(exc, exc.hint) from exc
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


def _begin(scene: Scene) -> None:
    """The transaction, with the tracking tables: a run makes those before its first migration."""
    session = scene.session
    with database.translated(session.dsn):
        made = tables.creation(session.conn, session.tables)
        database.run(session.conn, f"BEGIN;\n{_limits(scene, scene.pacing)}{made}")


def _limits(scene: Scene, pacing: Pacing) -> str:
    patience = scene.pacing.lock_timeout
    return pacing.settings(scene.session.dsn, IN_PLACE_LOCK_TIMEOUT if patience is None else patience)


def _tried(scene: Scene, step: Step) -> Outcome:
    began, session = time.monotonic(), scene.session
    number = 0
    if step.migration is not None and step.runs_sql:
        with database.translated(session.dsn):
            database.run(session.conn, _limits(scene, scene.pacing.of(step)))
        number = trial.attempt(session.conn, session.dsn, step.migration, step.direction)
    return Outcome(step, time.monotonic() - began, number)


def _ignore(event: Event) -> None:
    """The listener of sessions that nobody listens to."""
