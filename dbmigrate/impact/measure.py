"""Runs a migration on a scratch database, statement by statement, and reports what each one did to the tables there.

The migration is run as a real run would run it: one transaction, or step by step with ``transaction:false``; its
session starts as a run's does, and errors are the same.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from itertools import chain, count, groupby
from typing import TYPE_CHECKING

import psycopg
from psycopg import pq

from dbmigrate.connection import database
from dbmigrate.connection.dsn import Dsn
from dbmigrate.errors import DatabaseError, MigrationFailed
from dbmigrate.execution import batches, conditions, server_errors, text_settings
from dbmigrate.execution.step_conditions import around
from dbmigrate.execution.substeps import SubStep, substeps
from dbmigrate.execution.transaction_end import closing, refuse_changes
from dbmigrate.execution.whole_transaction import MARKED, MARKING, only_batch
from dbmigrate.frozen import frozen
from dbmigrate.impact import new_objects, rules, snapshot
from dbmigrate.impact.values import Impact
from dbmigrate.impact.watch import Unwatched, Watch
from dbmigrate.migrations import parser
from dbmigrate.migrations.conditions import parts
from dbmigrate.model import Direction
from dbmigrate.sql.statements import first_word

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dbmigrate.connection.database import Connection
    from dbmigrate.execution.conditions import Asker, Frame
    from dbmigrate.impact.committed import Committed
    from dbmigrate.impact.values import Relation, TableImpact
    from dbmigrate.migrations.conditions import Condition
    from dbmigrate.model import Batch, Migration, Statement

_BULK = frozenset(("INSERT", "COPY"))  # reported as one where they stand in a row: files of data have millions
# these change no table, and some may only stand before the first query of their transaction, which a look would be
SILENT = frozenset(("BEGIN", "START", "SET", "RESET"))
_CATALOGS = "pg_"  # REINDEX TABLE pg_class, for example, locks what others need to read the catalog
_SHOWN = 160  # characters of a statement


@frozen
class MeasureOptions:
    """Where and how a migration is measured.

    `dsn` is the scratch database's, for the session's settings and for secrets in messages; the relations of `without`
    (the tracking tables) are left out of the report. Conditions are asked by `asker`, None: not at all. `committed` is
    a second session; without it, what is there is read before each transaction. Where `is_watched` is false, nothing is
    looked at and reported.
    """

    dsn: Dsn
    direction: Direction = Direction.UP
    without: frozenset[Relation] = frozenset()
    asker: Asker | None = None
    committed: Committed | None = None
    is_watched: bool = True

    def ask(self, conn: Connection, migration: Migration, asked: tuple[Condition, ...], frame: Frame) -> None:
        """Ask conditions of `migration`, if they are asked at all."""
        if asked and self.asker is not None:
            self.asker.ask(conditions.Context(conn, self.dsn, migration, frame), asked)


def run_measured(conn: Connection, migration: Migration, options: MeasureOptions | None = None) -> tuple[Impact, ...]:
    """Run one direction of `migration` on the scratch database of `conn`, for good; what its statements did.

    Statements that touched nothing that was there before are left out. `conn` is in autocommit mode; nothing is
    recorded in the tracking tables. Statements whose effect would leave the database (CREATE DATABASE, ALTER SYSTEM,
    subscriptions) are not run, and say so in `note`.

    Raises MigrationFailed E401, E403, E406 with the place of the statement that failed: a migration in a transaction
    was rolled back then, of another one the statements before it stay. ConnectionFailed E305.
    """
    options = options or MeasureOptions(Dsn({}))
    if migration.bound is not None:
        options = replace(options, dsn=options.dsn.hiding(migration.bound.secrets))
    try:
        reset = database.session_reset() + database.session_settings(conn, options.dsn)
        if migration.is_transactional(options.direction):
            return tuple(_transaction(conn, migration, options, reset))
        database.run(conn, reset)
        return tuple(_stepwise(conn, migration, options))
    except batches.StatementError as exc:
        _abort(conn)
        raise server_errors.failure(exc, migration, options.dsn) from exc
    except psycopg.Error as exc:
        _abort(conn)
        raise _failure_of_ours(exc, migration, options) from exc
    except MigrationFailed:
        _abort(conn)
        raise


def _abort(conn: Connection) -> None:
    """A session that is beyond this has nothing left to roll back."""
    with suppress(psycopg.Error):
        if conn.info.transaction_status != pq.TransactionStatus.IDLE:
            database.run(conn, "ROLLBACK")


def _failure_of_ours(exc: psycopg.Error, migration: Migration, options: MeasureOptions) -> Exception:
    """An error in what was sent beside the file's statements: a deferred constraint that fired at the end."""
    error = database.translation(exc, options.dsn)
    if not isinstance(error, DatabaseError):
        return error
    message = f"{migration.name}: {error.message} ({error.sqlstate})"
    return error.recast(MigrationFailed, message, code="E401")


# ------------------------------------------------------------------------------------------------------ transactions


def _transaction(conn: Connection, migration: Migration, options: MeasureOptions, reset: str) -> Iterator[Impact]:
    """The whole migration in one transaction, ended as `execution.transactional` ends it.

    `reset` has a transaction of its own: the other one would begin with the mode that the last file made the default.
    """
    opening = f"BEGIN;\n{reset}COMMIT;\nBEGIN;\n"
    impacts = _at_once(conn, migration, options, opening)
    return _one_by_one(conn, migration, options, opening) if impacts is None else iter(impacts)


def _at_once(conn: Connection, migration: Migration, options: MeasureOptions, opening: str) -> list[Impact] | None:
    """All statements in one message, where one look is enough; None, with nothing done, where it is not.

    One statement has done all that there is to see; of several there is nothing to see if they touch only what is new.
    What fails has failed, and is not tried statement by statement: a sequence is not rolled back, so that a second try
    may succeed.
    """
    committed = options.committed
    if committed is None or not committed.has_relations:
        return None
    batch = only_batch(migration, options.direction)
    statements = batch.split() if batch else ()
    if batch is None or any(_CATALOGS in each.sent.lower() for each in statements):
        return None
    if new_objects.are_all(each.sent for each in statements):
        return [] if _run_untouched(conn, batch, opening, committed) else None
    if len(statements) > 1:
        return None
    opening += snapshot.BEGINNING
    before = batches.Opening(opening, opening.count(";"))
    (sent,) = batches.send(conn, iter((batch,)), pulse=_ignore, opening=before)
    refuse_changes(conn, migration)
    begun = snapshot.beginning(sent.row)
    impacts = _Transaction(conn, migration, options, begun).impacts_of(statements[0])
    database.run(conn, f"{closing(repr(begun.xid))}COMMIT;")
    return impacts


def _run_untouched(conn: Connection, batch: Batch, opening: str, committed: Committed) -> bool:
    """Run a batch and commit it, if it touches nothing that was there; whether it is done, otherwise nothing is."""
    began = time.monotonic()
    opening += f"SELECT{MARKING}{snapshot.REMEMBERING};\n"
    ending = f"{closing(MARKED, text_settings.NAMING_PROOF + snapshot.UNTOUCHED)}COMMIT;"
    whole = batches.Whole(batches.Opening(opening, opening.count(";")), batch, ending)
    try:
        batches.send_whole(conn, whole, pulse=_ignore, meanwhile=_nothing)
    except batches.EndingError as exc:
        if conn.broken:
            raise exc.cause from exc
        database.run(conn, "ROLLBACK")
        committed.undone_seconds += time.monotonic() - began
        return False
    return True


def _nothing() -> None:
    """What is done while the server works."""


def _one_by_one(conn: Connection, migration: Migration, options: MeasureOptions, opening: str) -> Iterator[Impact]:
    """With a look after each statement."""
    planned = parts(migration, options.direction)
    is_asked = options.committed is not None and not any(part.before for part in planned[:1])
    question = snapshot.BEGINNING if is_asked else snapshot.XID
    row = database.last_row(database.run(conn, f"{opening}{question}"))
    transaction = _Transaction(conn, migration, options, snapshot.beginning(row) if is_asked else None)
    for part in planned:
        options.ask(conn, migration, part.before, conditions.INSIDE)
        every = (statement for section in part.sections for statement in parser.statements(migration, section))
        yield from transaction.run(every)
        options.ask(conn, migration, part.after, conditions.INSIDE)
    database.run(conn, f"{closing(repr(row[0]))}COMMIT;")


class _Transaction:
    """The statements of one transaction that is open already, or is opened by the first of them."""

    def __init__(
        self,
        conn: Connection,
        migration: Migration,
        options: MeasureOptions,
        begun: snapshot.Beginning | None = None,
    ) -> None:
        self._conn = conn
        self._migration = migration
        self._bench = options
        self._begun = begun
        self._watch: Watch | None = None
        self._numbers = count()

    def run(self, statements: Iterable[Statement]) -> Iterator[Impact]:
        """Run them; yields those that did something."""
        for key, group in groupby(statements, key=self._key):
            if key in SILENT:
                self._send(group)
            else:
                yield from self._observed(group)

    def impacts_of(self, statement: Statement) -> list[Impact]:
        """What the only statement, which is done, has done."""
        tables = self._watching().look()
        return [self._impact(statement, tables)] if tables else []

    def _key(self, statement: Statement) -> str:
        """Neighbours of one key run together: those reported as one, and all of them on an empty database."""
        if self._watch is not None and self._watch.is_idle:
            return ""
        word = first_word(statement.sql)
        if word in _BULK:
            return "rows"
        return word if word in SILENT else f"{word} {next(self._numbers)}"

    def _observed(self, group: Iterator[Statement]) -> Iterator[Impact]:
        watch = self._watching()
        if watch.is_idle:
            self._send(group)
            return
        first, holding = next(group), watch.holding()
        if _CATALOGS in first.sent.lower():
            watch.read()
        number = self._send(chain((first,), group))
        tables = watch.look()
        if tables and first_word(first.sql) != "ROLLBACK":  # ROLLBACK TO only takes back
            yield replace(self._impact(first, tables), holding=holding, count=number)

    def _watching(self) -> Watch:
        if self._watch is None:
            bench = self._bench
            if bench.is_watched:
                self._watch = Watch(self._conn, without=bench.without, committed=bench.committed, begun=self._begun)
            else:
                self._watch = Unwatched()
        return self._watch

    def _impact(self, statement: Statement, tables: tuple[TableImpact, ...]) -> Impact:
        is_truncate = first_word(statement.sql) == "TRUNCATE"
        return replace(impact_of(self._migration, statement), tables=emptied(tables) if is_truncate else tables)

    def _send(self, statements: Iterable[Statement]) -> int:
        number = 0
        for _, tags in batches.send_all(self._conn, statements, pulse=_ignore):
            number += len(tags)
            refuse_changes(self._conn, self._migration)
        return number


def emptied(tables: tuple[TableImpact, ...]) -> tuple[TableImpact, ...]:
    """TRUNCATE gives a table new files as a rewrite does, but writes nothing into them."""
    return tuple(
        replace(table, is_rewritten=False, is_scanned=False, is_emptied=table.is_rewritten, rebuilt_indexes=())
        for table in tables
    )


def impact_of(migration: Migration, statement: Statement) -> Impact:
    """A statement, of which nothing is known yet."""
    shown = " ".join(statement.sql[: 4 * _SHOWN].split()).removesuffix(";").rstrip()
    place = server_errors.place_of(migration.file.path, statement)
    return Impact(migration.version, place, shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN - 1]}…")


def _ignore(batch: Batch) -> None:
    """The pulse of a statement that nobody watches."""


# ------------------------------------------------------------------------------------------- without a transaction


def _stepwise(conn: Connection, migration: Migration, options: MeasureOptions) -> Iterator[Impact]:
    """Step by step: each in a transaction of its own, or by rule where the server allows none."""
    planned, alone = parts(migration, options.direction), conditions.alone("")
    for part, _, _, inside in around(planned, substeps(migration, options.direction)):
        options.ask(conn, migration, part.before, alone)
        for substep in inside:
            if substep.backfill is not None:
                yield from _backfill(conn, migration, substep, options)
            elif substep.is_atomic:
                yield from _atomic(conn, migration, substep, options)
            else:
                yield from _outside(conn, migration, substep.first, options)
        options.ask(conn, migration, part.after, alone)


def _atomic(conn: Connection, migration: Migration, substep: SubStep, options: MeasureOptions) -> Iterator[Impact]:
    if substep.opening:
        database.run(conn, substep.opening)
    body = substep.statements if substep.opening else substep.statements[:-1]
    yield from _Transaction(conn, migration, options).run(body)
    database.run(conn, "COMMIT")


def _backfill(conn: Connection, migration: Migration, substep: SubStep, options: MeasureOptions) -> Iterator[Impact]:
    """All pages in one transaction: each takes the same locks."""
    from dbmigrate.execution.backfill_tryout import Tryout

    assert substep.backfill is not None
    database.run(conn, "BEGIN")
    tried = Tryout(conn, migration, substep.backfill, substep.statements)
    try:
        impacts = list(_Transaction(conn, migration, options).run(tried.statements))
    except batches.StatementError as exc:
        raise tried.placed(exc) from exc
    database.run(conn, "COMMIT")
    shown = impact_of(migration, substep.first)
    yield from (replace(each, place=shown.place, sql=shown.sql) for each in impacts)


def _outside(conn: Connection, migration: Migration, statement: Statement, options: MeasureOptions) -> Iterator[Impact]:
    rule = rules.rule_for(conn, statement, snapshot.baseline(conn, without=options.without))
    if rule.is_run:
        for _ in batches.send_all(conn, (statement,), pulse=_ignore):
            pass
    if rule.tables or rule.note:
        yield replace(
            impact_of(migration, statement),
            tables=rule.tables,
            is_measured=False,
            waits_for=rule.waits_for,
            note=rule.note,
        )
