"""How an unfinished migration can go on: which statements are done, and what became of the one that was running.

A statement outside a transaction is announced before it runs, so after a crash the journal says "started" and nobody
knows more. Where the database shows the truth it is looked up; where it cannot, the user is asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbmigrate import database, diagnosis, indexes, journal, statements, stepwise
from dbmigrate.errors import NeedsAttention
from dbmigrate.model import LogState, StepRecord, Unfinished

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.model import Migration
    from dbmigrate.session import Session
    from dbmigrate.stepwise import Unit

# running these again does no harm and leaves nothing half done
_REPEATABLE = frozenset(("VACUUM", "ANALYZE", "CLUSTER", "REINDEX", "DISCARD", "REFRESH", "CHECKPOINT"))


@dataclass(frozen=True, slots=True)
class Decision:
    """What the user says about statements whose outcome cannot be known: run again (`retry`), or take as done."""

    retry: frozenset[int] = frozenset()
    done: frozenset[int] = frozenset()


def finished_units(session: Session, broken: Unfinished, migration: Migration, decision: Decision) -> frozenset[int]:
    """The numbers of the units that need not run again.

    Invalid indexes that the interrupted statement left are dropped here. Raises NeedsAttention E505 (a statement that
    is done was edited), E506 (the outcome of a statement cannot be known, and `decision` says nothing about it).
    """
    units = {unit.number: unit for unit in stepwise.units(migration, broken.direction)}
    for record in broken.steps:
        if record.state is LogState.DONE and record.number not in decision.retry:
            _refuse_edit(record, units.get(record.number), broken, migration)
    done = {number for number in broken.done if number not in decision.retry}
    _replay(session, [units[number] for number in sorted(done)])
    for record in broken.steps:
        if record.state is LogState.STARTED and _took_effect(session, record, units, migration, decision):
            if record.number not in decision.done:
                _refuse_edit(record, units.get(record.number), broken, migration)
            done.add(record.number)
    return frozenset(done)


def _replay(session: Session, done: Sequence[Unit]) -> None:
    """Say again what the file set for its session, so that names mean here what they meant there."""
    for unit in done:
        if statements.sets_session(unit.first.sql):
            stepwise.replay(session, unit)


def _refuse_edit(record: StepRecord, unit: Unit | None, broken: Unfinished, migration: Migration) -> None:
    if unit is not None and journal.statement_checksum(stepwise.as_one(unit)) == record.checksum:
        return
    raise NeedsAttention(
        f"{broken.name}: statement {record.number} is done, but the file does not have it any more",
        code="E505",
        place=diagnosis.place_of(migration.file.path, unit.first) if unit else None,
        hint="only what comes after the last finished statement may be edited; restore the part before it",
    )


def _took_effect(
    session: Session, record: StepRecord, units: dict[int, Unit], migration: Migration, decision: Decision
) -> bool:
    """Whether a statement that was running when the run ended is done. False: it can run again."""
    if record.number in decision.done:
        return True
    operation = statements.index_operation(record.sql or "")
    if operation is not None:
        is_done = _settle_index(session, indexes.resolve(session.conn, operation))
        return is_done and record.number not in decision.retry
    if record.number in decision.retry:
        return False
    if statements.first_word(record.sql or "") in _REPEATABLE:
        return False
    unit = units.get(record.number)
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
            database.run(session.conn, f"drop index concurrently if exists {name}")
        return indexes.is_done(session.conn, scope)
