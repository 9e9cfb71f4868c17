"""Down and up again in one message, while another session takes the fingerprint of the schema that is there.

This finds that all is well. Where something fails, or is not the same, or is asked in between, nothing is left of the
message, and `roundtrip` goes step by step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
from psycopg.pq import TransactionStatus

from dbmigrate.catalog import prepared
from dbmigrate.connection import database
from dbmigrate.execution import batches, text_settings
from dbmigrate.execution.whole_transaction import only_batch
from dbmigrate.frozen import frozen
from dbmigrate.impact import new_objects
from dbmigrate.model import Direction
from dbmigrate.scratch import rehearsal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.catalog.prepared import Question
    from dbmigrate.check.scratch_session import ScratchSession
    from dbmigrate.connection.database import Connection
    from dbmigrate.model import Batch, Migration

# Deferred constraints fire; the rest is rolled back, but for what a session knows of its sequences.
_END = "SET CONSTRAINTS ALL IMMEDIATE;\nROLLBACK;\nDISCARD SEQUENCES;\n"


@frozen
class Restored:
    """The down section restores the schema. `fingerprint` is that of the schema afterwards, where it was taken."""

    fingerprint: str | None


@frozen
class _Part:
    """SQL, and how many statements it has."""

    text: bytes
    count: int


def run(scratch: ScratchSession, migration: Migration, before: str) -> Restored | None:
    """Undo a migration and do it again, all of which is rolled back.

    `before` is the fingerprint that the schema had before the migration. None where the down section does not restore
    that, where something fails, and where one message does not do: it is tried again then. Raises ConnectionFailed.
    """
    down, up = (only_batch(migration, direction) for direction in (Direction.DOWN, Direction.UP))
    if down is None or up is None:
        return None
    fingerprints = scratch.reader.fingerprints
    with database.translated(scratch.dsn):
        most = fingerprints.question()
        is_new = new_objects.are_all(statement.sent for statement in up.split())
        asked = fingerprints.question_if_unchanged() if is_new else most
        if most is None or asked is None:
            return None
        is_asked = scratch.beside.begin(most.question)
        row = _asked(scratch.rehearsal, _parts(scratch, down, asked.question, up))
    is_restored = row is not None and asked.fingerprint(row) == before
    if row is None:
        fingerprints.failed()
    answer = scratch.beside.finish() if is_asked else None
    return Restored(fingerprints.remember(answer) if answer else None) if is_restored else None


def _parts(scratch: ScratchSession, down: Batch, question: Question, up: Batch) -> tuple[Sequence[_Part], ...]:
    """What is sent before the question, it, and what is sent behind it."""
    settled = _own(text_settings.PROOF + rehearsal.settling(scratch.rehearsal, scratch.dsn))
    before, query, after = map(_own, prepared.in_open_transaction(question.text))
    behind = (after, _of(up), _own(text_settings.PROOF + _END))
    return (_own("BEGIN;\n"), _of(down), settled, before), (query,), behind


def _own(text: str) -> _Part:
    return _Part(text.encode(), text.count(";"))


def _of(batch: Batch) -> _Part:
    return _Part(batches.ended(batch.sql) + b"\n", batch.count)


def _asked(conn: Connection, parts: tuple[Sequence[_Part], ...]) -> tuple[str, ...] | None:
    """The answer to the question of a message; None if one of its statements has failed, and nothing is left of any."""
    batches.ask_later(conn, b"".join(part.text for group in parts for part in group))
    found = batches.answers(conn)
    before, query, behind = (sum(part.count for part in group) for group in parts)
    if found.error is None and len(found.tags) == before + query + behind:
        return found.rows[before]
    if conn.broken:
        raise found.error or psycopg.OperationalError
    if conn.info.transaction_status != TransactionStatus.IDLE:
        database.run(conn, "ROLLBACK")
    return None
