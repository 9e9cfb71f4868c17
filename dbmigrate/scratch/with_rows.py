"""Rehearsals with rows: a plan is run for good on a clone, a database that nobody needs, and measured there.

What runs is what a run is: the lock, the transactions, the records, the conditions, which have to be true. Beside it a
stand-in for the application can feel what the migrations do to it.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from dbmigrate.connection import database, same_server
from dbmigrate.errors import DatabaseError, MigrationFailed, NeedsAttention, Refused
from dbmigrate.events import StepDone, StepFailed, StepStarted
from dbmigrate.execution.transactional import Executor
from dbmigrate.frozen import frozen
from dbmigrate.impact.meter import Meter, measurement
from dbmigrate.impact.sampler import Sampler
from dbmigrate.impact.traffic import Traffic
from dbmigrate.impact.values import Relation
from dbmigrate.model import Plan, Problem, Severity
from dbmigrate.schema import restore
from dbmigrate.scratch.rehearsal import STATE, Rehearsed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.connection.programs import Search
    from dbmigrate.errors import Error
    from dbmigrate.events import Event
    from dbmigrate.execution.lock_retries import Pacing
    from dbmigrate.execution.session import Session
    from dbmigrate.impact.measured import Measurement
    from dbmigrate.model import History
    from dbmigrate.scratch.choose import ScratchServer

BLIND_TO = (
    "the load of the target: other queries, longer transactions, a cache that is warm or cold",
    "a machine of another size: compare durations of the same machine only",
)
_SHOWN = 10  # versions in a message


class Listener:
    """Hands events on, but for the steps: those are in the answer. The end of one is the end of its locks."""

    def __init__(self, on_event: Callable[[Event], None]) -> None:
        self._on_event = on_event
        self.meter: Meter | None = None

    def __call__(self, event: Event) -> None:
        if self.meter is not None and isinstance(event, StepDone):
            self.meter.ended()
        elif self.meter is not None and isinstance(event, StepFailed):
            self.meter.undone()
        if not isinstance(event, StepStarted | StepDone | StepFailed):
            self._on_event(event)


def _once(work: Callable[[], None]) -> None:
    work()


@frozen
class OnClone:
    """What is run: a plan for the clone of `session`, whose events `listener` gets, with `queries` as the traffic.

    `where` names the clone for people. `retrying` does a step, again if that can help.
    """

    session: Session
    plan: Plan
    pacing: Pacing
    listener: Listener
    where: str
    queries: Sequence[str] = ()
    retrying: Callable[[Callable[[], None]], None] = _once


def refuse_target(target: Session, clone: Session) -> None:
    """Raise Refused E780 if the clone is the target itself, under whatever name."""
    with database.translated(clone.dsn):
        is_same = same_server.are_same_database(clone.conn, target.conn)
    if is_same:
        raise Refused(
            f"{clone.dsn.display} is the target itself, not a clone of it",
            code="E780",
            hint="name a copy of it: a branch, or a snapshot that was restored elsewhere",
        )


def refuse_other_history(target: History, clone: History) -> None:
    """Raise Refused E782 if the clone has other versions than the target: its plan would be another one."""
    ours, theirs = ({item.version for item in history.applied} for history in (target, clone))
    started = [{item.version for item in history.unfinished} for history in (target, clone)]
    differences = (
        ("missing on the clone", ours - theirs),
        ("only on the clone", theirs - ours),
        ("unfinished on one of them", started[0] ^ started[1]),
    )
    parts = [f"{what}: {_some(versions)}" for what, versions in differences if versions]
    if parts:
        raise Refused(
            f"the clone has another history than the target; {'; '.join(parts)}",
            code="E782",
            hint="make a new clone of the target: one that was rehearsed on stays migrated",
        )


def refuse_other_plan(target: Plan, clone: Plan) -> None:
    """Raise Refused E782 if the steps for the clone are not those for the target."""
    steps = [[(step.version, step.direction, step.done) for step in plan.steps] for plan in (target, clone)]
    if steps[0] != steps[1]:
        raise Refused("the plan for the clone is not the one for the target", code="E782", hint="make a new clone")


def _some(versions: set[str]) -> str:
    shown = sorted(versions)
    rest = len(shown) - _SHOWN
    return ", ".join(shown[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def load(dump: str, server: ScratchServer, into: Dsn, search: Search) -> tuple[Problem, ...]:
    """Restore a dump into the scratch database `into`, with the planner's statistics; what was left out.

    Raises ConfigError E207, ToolMissing E206, DatabaseError E431.
    """
    with database.connect(into, command="scratch", on_event=_ignore) as conn:
        major = conn.info.server_version // 10000
    with server.unconfined():
        left = restore.restore(dump, into, major=major, search=search)
    with database.connect(into, command="scratch", on_event=_ignore) as conn, database.translated(into):
        database.run(conn, "ANALYZE")
    return left


def _ignore(event: Event) -> None:
    """The listener of sessions that nobody listens to."""


def run(work: OnClone) -> Rehearsed:
    """Run the plan on the clone, for good, and measure it. The session holds the migration lock.

    Raises MigrationFailed E401 to E406, E413, E414, E430, Refused E703, E734, E735, ConnectionFailed, Interrupted.
    """
    session, began = work.session, time.monotonic()
    database.refuse_shared_session(session.facts, "a rehearsal is measured in its session")
    session.ensure_tables()
    executor = Executor(session, work.pacing)
    with ExitStack() as stack:
        sampler = Sampler(session.dsn)
        stack.callback(sampler.close)
        traffic = Traffic(session.dsn, work.queries)
        stack.callback(traffic.close)
        own = (Relation(session.tables.schema, name) for name in (session.tables.name, session.tables.log_name))
        session.observer = work.listener.meter = meter = Meter(sampler, frozenset(own))
        before = sampler.temporary_total()
        sampler.start(traffic.pids)
        traffic.start()
        try:
            for step in work.plan.steps:
                work.retrying(partial(executor.run, Plan((step,))))
        except (DatabaseError, NeedsAttention, Refused) as exc:
            raise _failed(exc, work.where) from exc
        finally:
            session.observer = None
        seconds = time.monotonic() - began
        traffic.close()
        felt = traffic.result(sampler.waits) if work.queries else None
        found = measurement(meter, felt, _temporary(session, sampler, before))
        problems = _problems(session, sampler, found)
    return Rehearsed(
        tuple(executor.done),
        work.where,
        BLIND_TO,
        problems=problems,
        seconds=seconds,
        measurement=found,
    )


def _temporary(session: Session, sampler: Sampler, before: int | None) -> int | None:
    """The temporary files of the whole run. A session reports them when it is idle, at most once a second."""
    if session.facts.server_version >= 150000:
        with database.translated(session.dsn):
            database.run(session.conn, "SELECT pg_catalog.pg_stat_force_next_flush();")
    after = sampler.temporary_total()
    return None if before is None or after is None else max(after - before, 0)


def _failed(exc: Error, where: str) -> Error:
    """The failure that a run would end with. What is true of the clone stays true."""
    there = f"on {where}: {exc.state}" if exc.state else f"it ran on {where}"
    if isinstance(exc, NeedsAttention):
        exc = exc.recast(MigrationFailed, code="E401")
        exc.hint = "a real run would have stopped here, and needed a person; make a new clone"
    exc.state = f"{there}; {STATE}"
    return exc


def _problems(session: Session, sampler: Sampler, found: Measurement) -> tuple[Problem, ...]:
    """What could not be measured."""
    role, missing = session.facts.role, []
    if not sampler.sees_files:
        missing.append("the temporary files of single statements (pg_ls_tmpdir)")
    if not sampler.failed and any(each.wal_bytes is None for each in found.statements):
        missing.append("the WAL written (pg_current_wal_insert_lsn)")
    problems = []
    if missing:
        message = f"the role {role} may not see {' and '.join(missing)}"
        problems.append(Problem("W391", message, Severity.NOTE, hint=f"grant pg_monitor to {role}"))
    if sampler.failed:
        message = f"the second connection ended: {sampler.failed}; locks and stalls after that are missing"
        problems.append(Problem("W392", message))
    return tuple(problems)
