"""A small migration in one message: BEGIN, its SQL, its record, COMMIT and the reset of the session.

This saves the second of two round trips. The transaction's id is not known before the message is answered: a setting
holds it for the proof that the transaction is still the same one, and the log entry shows the commit outcome.
"""

from __future__ import annotations

import re
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import psycopg

from dbmigrate.connection import database
from dbmigrate.errors import Error, MigrationFailed
from dbmigrate.execution import batches, commit_outcome, text_settings
from dbmigrate.execution.transaction_end import LEFT, closing
from dbmigrate.frozen import frozen
from dbmigrate.migrations import parser
from dbmigrate.migrations.conditions import KEYS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dbmigrate.execution.session import Session
    from dbmigrate.model import Batch, Direction, Migration, Step

# a column of the fence, and the value to compare with
MARKING = " pg_catalog.set_config('dbmigrate.transaction', pg_catalog.pg_current_xact_id()::pg_catalog.text, true),"
MARKED = "pg_catalog.current_setting('dbmigrate.transaction', true)"

# the statements that neither end a transaction, nor reset all settings, nor wait for data
_KNOWN = re.compile(
    r"(?i:alter|analyze|call|comment|create|delete|do|drop|grant|import|insert|lock|refresh|reindex|revoke|security"
    r"|select|set|truncate|update|values|with)(?!\w)"
).match
_TRANSACTIONS = (b"BEGIN", b"COMMIT", b"PREPARE TRANSACTION", b"ROLLBACK", b"START TRANSACTION")


@frozen
class Record:
    """SQL that records a step, the id of its log entry if it is known, and whether the SQL asks for that."""

    text: str
    event: int | None
    asks: bool = False

    def entry(self, row: tuple[str, ...]) -> int | None:
        """The id of the log entry; `row` is the last one that the SQL returned."""
        return int(row[0]) if self.asks else self.event


@frozen
class Done:
    """What a step did, and the id of its log entry, if it is known and no other run can write one in between."""

    tally: batches.Tally
    event: int | None


@frozen
class _Prepared:
    """What a step's message is made of before the server is ready for it; `newest` is the log entry before its own."""

    step: Step
    newest: int | None
    batch: Batch
    record: Record


class WholeTransactions:
    """Runs the small migrations of a plan in one message each.

    While the server works on one, the message of the next step is made.
    """

    def __init__(self, session: Session, record: Callable[[Step, int | None], Record]) -> None:
        """`record` makes what records a step, behind the newest log entry if that is known."""
        self._session = session
        self._record = record
        self._prepared: _Prepared | None = None

    def run(
        self, step: Step, limits: str, pulse: batches.Pulse, *, newest: int | None, upcoming: Step | None
    ) -> Done | None:
        """Run a step; None, with nothing done, where it has to be run in several messages.

        `limits` are SET LOCAL commands. Raises StatementError, psycopg.Error, MigrationFailed E403, E406; for a lost
        connection ConnectionFailed E305 if the step was not committed, NeedsAttention E503 if that is unknown.
        """
        prepared = self._made(step, newest)
        opening = self._session.opening(limits, MARKING) if prepared else None
        if prepared is None or opening is None:
            return None
        ending = self._session.ending(closing(MARKED, text_settings.NAMING_PROOF) + prepared.record.text)
        whole = batches.Whole(opening, prepared.batch, ending)
        meanwhile = partial(self._prepare, upcoming, prepared.record.event)
        self._session.committing = partial(self._outcome, step, newest)
        try:
            done = batches.send_whole(self._session.conn, whole, pulse=pulse, meanwhile=meanwhile)
        except (batches.StatementError, batches.EndingError, psycopg.Error) as exc:
            return self._resolved(step, exc)
        row = self._session.ended(done.ending)
        if row is None:
            raise MigrationFailed(f"{step.name}: the transaction was rolled back by the server", code="E403")
        tally = batches.Tally()
        tally.add(done.tags)
        return Done(tally, prepared.record.entry(row))

    # -- the message

    def _made(self, step: Step, newest: int | None) -> _Prepared | None:
        prepared, self._prepared = self._prepared, None
        if prepared is not None and prepared.step is step and prepared.newest == newest:
            return prepared
        if step.migration is None or not step.runs_sql or step.replaces:
            return None
        batch = only_batch(step.migration, step.direction)
        if batch is None:
            return None
        record = self._record(step, newest)
        # without a log entry nothing would show the commit outcome
        return _Prepared(step, newest, batch, record) if record.text else None

    def _prepare(self, upcoming: Step | None, newest: int | None) -> None:
        """Make the message of the next step. At its turn it is made again if that failed."""
        if upcoming is not None and newest is not None:
            with suppress(Error, OSError):
                self._prepared = self._made(upcoming, newest)

    # -- when it fails

    def _resolved(self, step: Step, exc: batches.StatementError | batches.EndingError | psycopg.Error) -> Done | None:
        """The step is done after all, or has to be run in several messages; otherwise raise what it has failed with."""
        cause = exc if isinstance(exc, psycopg.Error) else exc.cause
        if self._session.conn.broken or database.is_loss(cause):
            if commit_outcome.was_committed(self._session, step, exc):
                return Done(batches.Tally(), None)
            raise commit_outcome.lost(cause, self._session.dsn) from exc
        self._session.committing = None
        if not isinstance(exc, batches.EndingError):
            raise exc
        message = cause.diag.message_primary or ""
        if LEFT in message and _kept_its_transaction(exc.tags):
            self._session.abort()  # a function has reset all settings; the proof of several messages needs none
            return None
        if error := text_settings.error_from(step.name, message):
            raise error from cause
        raise cause

    def _outcome(self, step: Step, newest: int | None) -> bool | None:
        from dbmigrate.tracking.logged_outcome import entry_of  # only a lost connection needs it

        return self._session.logged_outcome(entry_of(self._session.tables, self._session.run_id, step, newest))


def only_batch(migration: Migration, direction: Direction) -> Batch | None:
    """The only batch of a direction that can run in one message; None where it cannot.

    Not where something is asked or looked at in between, and only statements of known kinds.
    """
    if not migration.is_transactional(direction):
        return None
    sections = migration.run_order(direction)
    if len(sections) != 1 or sections[0].statements is None or _is_asked(migration, direction):
        return None
    statements = tuple(parser.statements(migration, sections[0]))
    if not all(each.copy_data is None and _KNOWN(each.sent) for each in statements):
        return None
    found = tuple(islice(batches.group(statements), 2))
    return found[0] if len(found) == 1 else None


def _is_asked(migration: Migration, direction: Direction) -> bool:
    return any(each.key in KEYS and each.direction is direction for each in migration.annotations)


def _kept_its_transaction(tags: Sequence[bytes]) -> bool:
    """Whether no statement has begun or ended a transaction, by their command tags."""
    return not any(tag.startswith(_TRANSACTIONS) for tag in tags)
