"""Measures a run on a database with rows, statement by statement, as the observer of its session.

After each statement the session itself says what its transaction did so far (`impact.watch`), because nobody else can
see that yet; a second connection (`impact.sampler`) says when locks were granted, and who waited.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from psycopg import pq

from dbmigrate.connection import database
from dbmigrate.impact import snapshot
from dbmigrate.impact.measure import SILENT, emptied, impact_of
from dbmigrate.impact.measured import LockHeld, Measurement, Rewritten, StatementMeasured
from dbmigrate.impact.values import Impact, LockMode, Relation, TableImpact
from dbmigrate.impact.watch import Watch
from dbmigrate.sql.statements import first_word

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from dbmigrate.connection.database import Connection
    from dbmigrate.impact.measured import TrafficMeasured
    from dbmigrate.impact.sampler import Sampler, Seen, Wait
    from dbmigrate.impact.snapshot import Baseline
    from dbmigrate.impact.traffic import Stalled
    from dbmigrate.model import Batch, Step

_UNSEEN = 0.03  # seconds: what was held for longer, a look would have found
_COUNTED = frozenset((b"INSERT", b"UPDATE", b"DELETE", b"MERGE", b"COPY"))
# by its row in the catalog: the name would be looked up with the rights of a role that the file may have set
_SIZE = """
select pg_catalog.{}(c.oid) from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) c.relnamespace
where n.nspname operator(pg_catalog.=) %s::pg_catalog.name and c.relname operator(pg_catalog.=) %s::pg_catalog.name
"""


@dataclass(slots=True)
class Timed:
    """A statement and its moments, by the monotonic clock. `released` is when its transaction ended."""

    measured: StatementMeasured
    began: float
    completed: float
    is_inside: bool  # a transaction that goes on behind it
    released: float = 0.0

    def holds(self, table: Relation, moment: float) -> LockMode | None:
        """The lock of it on `table` at that moment."""
        if not self.began <= moment <= self.released:
            return None
        return max((held.lock for held in self.measured.locks if held.table == table), default=None)


class Meter:
    """The observer of one session; `timed` are the statements that are done."""

    def __init__(self, sampler: Sampler, without: Collection[Relation]) -> None:
        self._sampler = sampler
        self._without = frozenset(without)
        self._conn: Connection | None = None
        self._estimates: dict[Relation, int] = {}
        self._pulled: deque[float] = deque()
        self._open: list[Timed] = []
        self.timed: list[Timed] = []

    def begin(self, conn: Connection, step: Step) -> None:
        self.ended()
        self._conn, self._step = conn, step
        self._sampler.follow(conn)
        self._watch = Watch(conn, without=self._without)
        self._files = self._watch.baseline
        self._sampler.forget(before=time.monotonic())
        self._estimates |= self._sampler.row_estimates()  # a rewrite forgets them
        self._wal = self._sampler.wal()
        self._looked = time.monotonic()

    def sending(self) -> None:
        self._pulled.append(time.monotonic())

    def completed(self, batch: Batch, tags: Sequence[bytes]) -> None:
        now = time.monotonic()
        began = max(self._pulled.popleft() if self._pulled else 0.0, self._looked)
        assert self._conn is not None
        assert self._step.migration is not None
        is_inside = self._conn.info.transaction_status == pq.TransactionStatus.INTRANS
        shown = replace(impact_of(self._step.migration, batch.split()[0]), count=batch.count)
        word = first_word(batch.split()[0].sql)
        impact = self._inside(shown, word) if is_inside else self._outside(shown, began, now)
        wal, self._wal = self._wal, self._sampler.wal()
        measured = StatementMeasured(
            self._step.name,
            impact,
            now - began,
            rewritten=tuple(self._rewritten(impact)),
            rows=_rows(tags),
            wal_bytes=None if wal is None or self._wal is None else max(self._wal - wal, 0),
            temporary_bytes=self._sampler.temporary(began, now),
        )
        self._open.append(Timed(measured, began, now, is_inside))
        self._looked = time.monotonic()

    def undone(self) -> None:
        self._open.clear()
        self._pulled.clear()

    def ended(self) -> None:
        """The transaction of the statements so far is over."""
        now = time.monotonic()
        for timed in self._open:
            timed.released = now if timed.is_inside else timed.completed
            locks = self._held(timed) if timed.is_inside else self._seen(timed.began, timed.completed)
            strongest = sorted(locks, key=lambda held: (-held.lock, held.table))
            timed.measured = replace(timed.measured, locks=tuple(strongest))
        self.timed += self._open
        self._open = []
        self._pulled.clear()

    # -- what a statement did

    def _inside(self, shown: Impact, word: str) -> Impact:
        if word in SILENT:  # some may only stand before the first query of their transaction
            return shown
        holding, tables = self._watch.holding(), self._watch.look()
        if word == "ROLLBACK":  # ROLLBACK TO only takes back
            return shown
        return replace(shown, tables=emptied(tables) if word == "TRUNCATE" else tables, holding=holding)

    def _outside(self, shown: Impact, began: float, now: float) -> Impact:
        """Of a statement that has let go of its locks: what the second connection saw, and whose files are new."""
        assert self._conn is not None
        before, self._files = self._files, snapshot.baseline(self._conn, without=self._without)
        seen = {held.table: held.lock for held in sorted(self._seen(began, now), key=lambda held: held.lock)}
        written, indexes = _changed(before, self._files)
        tables = (
            TableImpact(
                table,
                seen.get(table, LockMode.ACCESS_SHARE),
                is_rewritten=table in written,
                new_indexes=tuple(sorted(indexes.get(table, ()))),
            )
            for table in {*seen, *written, *indexes}
        )
        return replace(shown, tables=tuple(sorted(tables, key=lambda each: each.table)))

    def _rewritten(self, impact: Impact) -> Iterator[Rewritten]:
        for table in impact.tables:
            rows = self._estimates.get(table.table)
            if table.is_rewritten:
                yield Rewritten(table.table, rows, self._size("pg_table_size", table.table))
            for name in (*table.new_indexes, *table.rebuilt_indexes):
                index = Relation(table.table.schema, name)
                yield Rewritten(table.table, rows, self._size("pg_relation_size", index), name)

    def _size(self, function: str, relation: Relation) -> int:
        """As the session sees it, whose transaction may not be over."""
        assert self._conn is not None
        rows = database.query(self._conn, _SIZE.format(function), relation.schema, relation.name)
        return int(str(rows[0][0] or 0)) if rows else 0

    # -- locks

    def _held(self, timed: Timed) -> Iterator[LockHeld]:
        """The locks that it took, in a transaction: until the end of that."""
        seen = {(each.table, each.lock): each for each in self._sampler.locks(timed.began, timed.released)}
        for table in timed.measured.impact.tables:
            if not table.is_held:
                found = seen.get((table.table, table.lock))
                yield LockHeld(table.table, table.lock, _seconds(timed, found))

    def _seen(self, began: float, ended: float) -> list[LockHeld]:
        """The strongest lock that was seen on each table between two moments."""
        strongest: dict[Relation, Seen] = {}
        for each in self._sampler.locks(began, ended):
            if each.table not in self._without and (
                each.table not in strongest or each.lock > strongest[each.table].lock
            ):
                strongest[each.table] = each
        return [
            LockHeld(each.table, each.lock, max(min(each.last, ended) - max(each.first, began), 0.0))
            for each in strongest.values()
        ]


def _seconds(timed: Timed, found: Seen | None) -> float:
    """From the moment when the lock was granted; it may have been waited for. At most since the statement began."""
    most = timed.released - timed.began
    if found is None:
        return min(most, timed.released - timed.completed + _UNSEEN)
    return min(most, timed.released - found.first)


def _rows(tags: Sequence[bytes]) -> int | None:
    """The rows that the server counted."""
    counted = [int(tag.rsplit(b" ", 1)[-1]) for tag in tags if tag.partition(b" ")[0] in _COUNTED]
    return sum(counted) if counted else None


def _changed(before: Baseline, after: Baseline) -> tuple[set[Relation], dict[Relation, set[str]]]:
    """The tables with other files than before, and new or rebuilt indexes by table."""
    written: set[Relation] = set()
    indexes: dict[Relation, set[str]] = {}
    for oid, known in after.relations.items():
        old = before.relations.get(oid)
        if old is not None and old.filenode == known.filenode:
            continue
        owner = after.table_of(oid)
        if known.kind in "rm" and old is not None:
            written.add(known.relation)
        elif known.kind == "i" and owner is not None and owner in before.relations and known.owner == owner:
            indexes.setdefault(after.relations[owner].relation, set()).add(known.name)
    return written, indexes


# ------------------------------------------------------------------------------------------------------------ in all


def measurement(
    meter: Meter, felt: tuple[TrafficMeasured, Sequence[Stalled]] | None, temporary: int | None
) -> Measurement:
    """What was measured in all: each stall is laid to the statement that held the lock then, or else was running."""
    meter.ended()
    traffic, stalled = felt or (None, ())
    longest: dict[int, float] = {}
    for each in stalled:
        for wait in each.waits:
            number = _blamed(meter.timed, wait)
            if number is not None:
                longest[number] = max(longest.get(number, 0.0), each.answered.seconds)
    statements = (replace(timed.measured, stall=longest.get(number)) for number, timed in enumerate(meter.timed))
    return Measurement(tuple(statements), traffic, temporary)


def _blamed(timed: Sequence[Timed], wait: Wait) -> int | None:
    held = [(number, each.holds(wait.table, wait.moment)) for number, each in enumerate(timed) if wait.table]
    strongest = max(((lock, -number) for number, lock in held if lock is not None), default=None)
    if strongest is not None:
        return -strongest[1]
    running = [number for number, each in enumerate(timed) if each.began <= wait.moment <= each.completed]
    return running[0] if running else None
