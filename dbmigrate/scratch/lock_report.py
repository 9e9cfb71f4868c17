"""The lock report of a plan: its migrations run on a scratch copy of the target's schema, rated by the target's sizes.

The report is an addition to what was asked for: whatever prevents it is a problem in it, and ends nothing. The
target is only read.
"""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from dbmigrate import impact
from dbmigrate.connection import database
from dbmigrate.errors import DatabaseError, Error, Refused
from dbmigrate.frozen import frozen
from dbmigrate.impact import masking
from dbmigrate.impact.committed import Committed
from dbmigrate.impact.values import LockReport
from dbmigrate.model import Problem, Severity
from dbmigrate.scratch import choose, outside_effects, schema_copy
from dbmigrate.variables import Variables

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from dbmigrate.connection.database import Connection
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.events import Event
    from dbmigrate.execution.session import Session
    from dbmigrate.impact import Impact
    from dbmigrate.model import Direction, Migration, MigrationFile, Plan
    from dbmigrate.scratch.choose import Choice, ScratchServer


__all__ = ["LockReport", "Means", "make", "missing", "not_needed"]


@frozen
class Means:
    """What a report is made with: where scratch databases may be, and the environment that finds pg_dump.

    `watch` is called before the first step and after the last one that ran, with a session of the scratch database and
    its tracking tables: who wants to know what the steps change looks there.
    """

    choice: Choice
    environ: Mapping[str, str] = field(default_factory=dict)
    variables: Variables = field(default_factory=Variables)
    watch: Callable[[Connection, Collection[impact.Relation]], None] | None = None


def make(session: Session, planned: Plan, files: Sequence[MigrationFile], means: Means) -> LockReport:
    """The report for `planned` on the database of `session`. Writes nothing there, takes no lock; never fails."""
    steps = [_Part(step.migration, step.direction) for step in planned.steps if step.migration and step.runs_sql]
    if not steps:
        return LockReport()
    # the settings of the target's sessions are taken over one by one: to be read-only is none for a scratch database
    chosen = replace(means.choice, target=None, major=session.facts.server_version // 10000)
    try:
        choice = schema_copy.choice_for(chosen, session, [step.migration for step in steps])
        with choose.open_server(choice) as server, server.database() as copy:
            origin = schema_copy.Origin(session, files, means.environ, means.variables)
            found = _measured(origin, steps, server, copy, means.watch or _unwatched)
    except Error as exc:
        return missing(exc)
    report = _priced(session, found)
    values = [value for step in steps if step.migration.bound for value in step.migration.bound.secrets]
    return masking.masked(report, values) if values else report


def missing(exc: Error) -> LockReport:
    """An empty report that says why."""
    code = "W661" if exc.code == "E264" else "W660"
    hint = exc.hint or "--no-locks leaves it out"
    return LockReport(problems=(Problem(code, f"no lock report: {exc.message}", Severity.NOTE, hint=hint),))


def not_needed(database: str) -> LockReport:
    """The report for a database that does not exist yet."""
    reason = f"database {database} does not exist yet"
    return LockReport(problems=(Problem("W661", f"no lock report: {reason}", Severity.NOTE),))


class _Part(NamedTuple):
    """The SQL of one step: a migration and the direction in which it runs."""

    migration: Migration
    direction: Direction


@dataclass(slots=True)
class _Found:
    """What was measured so far."""

    impacts: list[Impact] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    measured: int = 0


def _measured(
    origin: schema_copy.Origin,
    steps: Sequence[_Part],
    server: ScratchServer,
    copy: Dsn,
    watch: Callable[[Connection, Collection[impact.Relation]], None],
) -> _Found:
    """What the steps did on the copy, in their order, up to the first one that failed there."""
    copy = schema_copy.with_settings_of(origin.session, copy)
    found = _Found(problems=[*schema_copy.fill(origin, server, copy)])
    tables = origin.session.tables
    own = frozenset(impact.Relation(tables.schema, name) for name in (tables.name, tables.log_name))
    with ExitStack() as stack:
        conn = stack.enter_context(database.connect(copy, command="scratch", on_event=_ignore))
        with database.translated(copy):
            watch(conn, own)
        committed = _beside(stack, copy) if len(steps) > 1 else None
        for migration, direction in steps:
            options = impact.MeasureOptions(copy, direction, own, committed=committed)
            try:
                outside_effects.refuse_external_effects(migration)
                found.impacts += server.retrying(partial(impact.run_measured, conn, migration, options))
            except DatabaseError as exc:
                found.problems.append(_failed(migration, exc, server))
                break
            except Refused as exc:
                message = f"the lock report ends before {migration.name}: {exc.message}"
                found.problems.append(Problem("W680", message, Severity.WARNING, place=exc.place, hint=exc.hint))
                break
            found.measured += 1
        with database.translated(copy):
            watch(conn, own)
    if server.note:
        found.problems.append(Problem("W600", server.note, Severity.NOTE))
    return found


def _beside(stack: ExitStack, copy: Dsn) -> Committed | None:
    """A second session, without which all relations are read before each migration; None where there can be none."""
    with suppress(Error):
        return Committed(stack.enter_context(database.connect(copy, command="scratch", on_event=_ignore)))
    return None


def _failed(migration: Migration, exc: DatabaseError, server: ScratchServer) -> Problem:
    return Problem(
        "W662",
        f"the lock report ends before {migration.name}, which fails on a copy of the schema: {exc.message}",
        place=exc.place,
        hint=choose.hint_for(exc, server) or exc.hint,
    )


def _priced(session: Session, found: _Found) -> LockReport:
    try:
        with database.translated(session.dsn):
            statements = impact.price(session.conn, found.impacts)
    except Error as exc:
        statements = impact.unpriced(found.impacts)
        message = f"the sizes of the tables could not be read: {exc.message}"
        found.problems.append(Problem("W663", message, Severity.NOTE, hint=exc.hint))
    return LockReport(statements, tuple(found.problems), found.measured)


def _unwatched(conn: Connection, own: Collection[impact.Relation]) -> None:
    """Nobody looks."""


def _ignore(event: Event) -> None:
    """The listener of sessions that nobody listens to."""
