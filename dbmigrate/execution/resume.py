"""How an unfinished migration is resumed: which steps are done, and the outcome of the one that was running.

A statement outside a transaction is logged before it runs, so after a crash the log says "started" and no more. Where
the database shows whether the statement took effect, it is looked up; otherwise the user is asked.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from dbmigrate.connection import database, silence
from dbmigrate.errors import NeedsAttention
from dbmigrate.events import Warned
from dbmigrate.execution import nontransactional, probes, server_errors, tracking_retries
from dbmigrate.execution.step_outcome import Outcome
from dbmigrate.execution.substeps import as_one, substeps
from dbmigrate.frozen import frozen
from dbmigrate.model import LogState, Problem, Severity, StepRecord, Unfinished
from dbmigrate.sql import placeholders, statements, words
from dbmigrate.tracking import write_log

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.errors import Error
    from dbmigrate.execution.session import Session
    from dbmigrate.execution.step_outcome import Probe
    from dbmigrate.execution.substeps import SubStep
    from dbmigrate.model import Migration

# running these again is harmless and leaves nothing half done
_REPEATABLE = frozenset(("VACUUM", "ANALYZE", "CLUSTER", "REINDEX", "REPACK", "DISCARD", "REFRESH", "CHECKPOINT"))
_REPEATABLE_ALTER = re.compile(r"SYSTEM |DATABASE \S+ SET TABLESPACE|SUBSCRIPTION \S+ (REFRESH|SET)\b").match


@frozen
class Decision:
    """The user's decision about steps whose outcome is unknown: run them again (`retry`), or take them as `done`."""

    retry: frozenset[int] = frozenset()
    done: frozenset[int] = frozenset()


def finished_substeps(session: Session, broken: Unfinished, migration: Migration, decision: Decision) -> frozenset[int]:
    """The numbers of the steps that need not run again.

    Removes leftovers of the interrupted statement (invalid indexes, a half-detached partition), and logs what is found
    to be done. Raises NeedsAttention E505 (a step that is done was edited), E506 (the outcome of a step is unknown, and
    `decision` does not cover it).
    """
    present = {substep.number: substep for substep in substeps(migration, broken.direction)}
    for record in broken.steps:
        if record.state is LogState.DONE and record.number not in decision.retry:
            _refuse_edit(record, present.get(record.number), broken, migration)
    session.hide_values_of(migration)
    done = {number for number in broken.done if number not in decision.retry}
    _replay(session, [present[number] for number in sorted(done)])
    for record in broken.steps:
        if record.state is not LogState.STARTED:
            continue
        substep = present.get(record.number)
        if substep is not None and substep.backfill is not None:
            continue  # it goes on at its cursor
        took_effect = record.number in decision.done or _took_effect(session, _sent(record, migration), decision)
        if took_effect is None:
            raise _unknowable(record, substep, broken, migration)
        if took_effect:
            if record.number not in decision.done:
                _refuse_edit(record, substep, broken, migration)
            _log_done(session, broken, record, substep)
            done.add(record.number)
    return frozenset(done)


def _replay(session: Session, done: Sequence[SubStep]) -> None:
    """Run the file's SET commands again, so that names resolve as they did in the interrupted session."""
    for substep in done:
        if statements.sets_session(substep.first.sql):
            nontransactional.replay(session, substep)
    with database.translated(session.dsn):
        # leftovers have to be removed even so, and a lock timeout would interrupt CONCURRENTLY once more
        database.run(session.conn, "set default_transaction_read_only = off; set lock_timeout = 0")


def _log_done(session: Session, broken: Unfinished, record: StepRecord, substep: SubStep | None) -> None:
    """Log it now: a later statement may drop the object that shows it."""
    checksum = write_log.statement_checksum(as_one(substep)) if substep else record.checksum
    row = session.writer.settled(broken, record.number, checksum)
    tracking_retries.run(session, nontransactional.logged(row))


def _refuse_edit(record: StepRecord, substep: SubStep | None, broken: Unfinished, migration: Migration) -> None:
    if substep is not None and write_log.statement_checksum(as_one(substep)) == record.checksum:
        return
    raise NeedsAttention(
        f"{broken.name}: statement {record.number} is done, but it is no longer in the file",
        code="E505",
        place=server_errors.place_of(migration.file.path, substep.first) if substep else None,
        hint="restore the statements that are done; edit only those after them",
    )


def _sent(record: StepRecord, migration: Migration) -> StepRecord:
    """The step with the text that was sent: the log has placeholders in the place of values."""
    values = migration.bound.texts if migration.bound else {}
    filled = placeholders.fill(record.sql or "", values)
    return record if filled is None else replace(record, sql=filled.text)


def _took_effect(session: Session, record: StepRecord, decision: Decision) -> bool | None:
    """Whether the statement that was running when the run ended is done. False: run it again; None: unknown."""
    sql, wants_again = record.sql or "", record.number in decision.retry
    with database.translated(session.dsn):
        probe = probes.probe(session.conn, sql)
        outcome = Outcome.UNKNOWN if probe is None else _settle(session, probe, record)
    if outcome is not Outcome.UNKNOWN:
        return outcome is Outcome.DONE and not wants_again
    return False if wants_again or _is_repeatable(sql) else None


def _unknowable(record: StepRecord, substep: SubStep | None, broken: Unfinished, migration: Migration) -> Error:
    return NeedsAttention(
        f"the outcome of statement {record.number} of {broken.name} is unknown (direction: {broken.direction})",
        code="E506",
        place=server_errors.place_of(migration.file.path, substep.first) if substep else None,
        hint=(
            f"look at the database, then run `dbmigrate resume --retry {record.number}` to run it again,"
            f" or `--done {record.number}` to go on after it"
        ),
    )


def _settle(session: Session, probe: Probe, record: StepRecord) -> Outcome:
    """Remove the leftovers of the statement, and look up whether it is done."""
    for left in probe.leftovers(session.conn, record.before):
        _note(session, left.code, session.dsn.quoted(left.message))
        with silence.unlimited(session.conn):
            database.run(session.conn, left.cleanup)
    return probe.outcome(session.conn, record.before)


def _is_repeatable(sql: str) -> bool:
    first, *rest = [*islice(words(sql), 8), ""]
    return first in _REPEATABLE or (first == "ALTER" and _REPEATABLE_ALTER(" ".join(rest)) is not None)


def _note(session: Session, code: str, message: str) -> None:
    session.emit(Warned(Problem(code, message, Severity.NOTE)))
