"""How an unfinished migration can go on: which statements are done, and what became of the one that was running.

A statement outside a transaction is announced before it runs, so after a crash the journal says "started" and nobody
knows more. Where the database shows the truth it is looked up; where it cannot, the user is asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate import database, diagnosis, indexes, journal, partitions, silence, statements, stepwise, writing
from dbmigrate.errors import NeedsAttention
from dbmigrate.events import Warned
from dbmigrate.model import LogState, Problem, Severity, StepRecord, Unfinished
from dbmigrate.units import as_one, units
from dbmigrate.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.model import Migration
    from dbmigrate.session import Session
    from dbmigrate.units import Unit

# running these again does no harm and leaves nothing half done
_REPEATABLE = frozenset(("VACUUM", "ANALYZE", "CLUSTER", "REINDEX", "DISCARD", "REFRESH", "CHECKPOINT"))


@dataclass(frozen=True, slots=True)
class Decision:
    """What the user says about statements whose outcome cannot be known: run again (`retry`), or take as done."""

    retry: frozenset[int] = frozenset()
    done: frozenset[int] = frozenset()


def finished_units(session: Session, broken: Unfinished, migration: Migration, decision: Decision) -> frozenset[int]:
    """The numbers of the units that need not run again.

    What the interrupted statement left is cleared away here (invalid indexes, a partition that is half detached), and
    what is found to be done is written down. Raises NeedsAttention E505 (a statement that is done was edited), E506
    (the outcome of a statement cannot be known, and `decision` says nothing about it).
    """
    present = {unit.number: unit for unit in units(migration, broken.direction)}
    for record in broken.steps:
        if record.state is LogState.DONE and record.number not in decision.retry:
            _refuse_edit(record, present.get(record.number), broken, migration)
    done = {number for number in broken.done if number not in decision.retry}
    _replay(session, [present[number] for number in sorted(done)])
    for record in broken.steps:
        if record.state is LogState.STARTED and _took_effect(session, record, present, migration, decision):
            unit = present.get(record.number)
            if record.number not in decision.done:
                _refuse_edit(record, unit, broken, migration)
            _write_down(session, broken, record, unit)
            done.add(record.number)
    return frozenset(done)


def _replay(session: Session, done: Sequence[Unit]) -> None:
    """Say again what the file set for its session, so that names mean here what they meant there."""
    for unit in done:
        if statements.sets_session(unit.first.sql):
            stepwise.replay(session, unit)
    with database.translated(session.dsn):
        # but what was left half done has to be cleared away even so
        # and a limit would end CONCURRENTLY half-way once more
        database.run(session.conn, "set default_transaction_read_only = off; set lock_timeout = 0")


def _write_down(session: Session, broken: Unfinished, record: StepRecord, unit: Unit | None) -> None:
    """What was found out holds now; a later statement may drop the very thing that it was seen by."""
    checksum = journal.statement_checksum(as_one(unit)) if unit else record.checksum
    row = session.writer.settled(broken, record.number, checksum)
    writing.run(session, stepwise.journalled(row))


def _refuse_edit(record: StepRecord, unit: Unit | None, broken: Unfinished, migration: Migration) -> None:
    if unit is not None and journal.statement_checksum(as_one(unit)) == record.checksum:
        return
    raise NeedsAttention(
        f"{broken.name}: statement {record.number} is done, but the file does not have it any more",
        code="E505",
        place=diagnosis.place_of(migration.file.path, unit.first) if unit else None,
        hint="only what comes after the last finished statement may be edited; restore the part before it",
    )


def _took_effect(
    session: Session, record: StepRecord, present: dict[int, Unit], migration: Migration, decision: Decision
) -> bool:
    """Whether a statement that was running when the run ended is done. False: it can run again."""
    if record.number in decision.done:
        return True
    sql, wants_again = record.sql or "", record.number in decision.retry
    operation = statements.index_operation(sql)
    if operation is not None:
        return _settle_index(session, indexes.resolve(session.conn, operation)) and not wants_again
    detachment = partitions.detachment(session.conn, sql)
    if detachment is not None:
        return _settle_detachment(session, detachment) and not wants_again
    if wants_again or statements.first_word(sql) in _REPEATABLE:
        return False
    unit = present.get(record.number)
    raise NeedsAttention(
        f"whether statement {record.number} of {migration.name} took effect cannot be known",
        code="E506",
        place=diagnosis.place_of(migration.file.path, unit.first) if unit else None,
        hint=(
            f"look at the database, then `dbmigrate resume --retry {record.number}` to run it again,"
            f" or `--done {record.number}` to go on after it"
        ),
    )


def _settle_index(session: Session, scope: indexes.Scope) -> bool:
    """Look whether a concurrent index statement is done; drop what it left if it is not."""
    with database.translated(session.dsn):
        for name in indexes.leftovers(session.conn, scope):
            _tell(session, "W640", f"index {name} was left invalid, and is dropped")
            with silence.unlimited(session.conn):
                database.run(session.conn, f"drop index concurrently if exists {name}")
        return indexes.is_done(session.conn, scope)


def _settle_detachment(session: Session, begun: partitions.Detachment) -> bool:
    """Look whether a partition is detached; complete it if it is half-way, because it cannot be begun a second time."""
    with database.translated(session.dsn):
        found = partitions.attachment(session.conn, begun)
        if found is partitions.Attachment.PENDING:
            _tell(session, "W641", f"a partition was left half detached: {begun.finish}")
            with silence.unlimited(session.conn):
                database.run(session.conn, begun.finish)
    return found is not partitions.Attachment.WHOLE


def _tell(session: Session, code: str, message: str) -> None:
    session.emit(Warned(Problem(code, message, Severity.NOTE)))
