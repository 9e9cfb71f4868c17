"""One transaction on a scratch database, looked at after each of its statements."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from dbmigrate.connection import database
from dbmigrate.impact import snapshot
from dbmigrate.impact.values import Held, LockMode, TableImpact

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from dbmigrate.connection.database import Connection
    from dbmigrate.impact.committed import Committed
    from dbmigrate.impact.snapshot import Baseline, Beginning, Known, Look
    from dbmigrate.impact.values import Relation

_TABLES = frozenset("rm")  # pg_class.relkind of what has rows of its own
_NAMED = frozenset("rmpvf")  # ... of what a statement is about; the others belong to one of these


@dataclass(slots=True)
class _Draft:
    """What is found out about one table. `before` and `now` are the strongest locks with the oid that they are on."""

    known: Known
    before: tuple[int, int]
    now: tuple[int, int]
    facts: set[str] = field(default_factory=set)
    new: set[str] = field(default_factory=set)  # indexes by name, as the next two
    gone: set[str] = field(default_factory=set)
    rebuilt: set[str] = field(default_factory=set)

    @property
    def is_telling(self) -> bool:
        return self.now[0] > self.before[0] or bool(self.facts or self.new or self.rebuilt)


class Watch:
    """What the open transaction of `conn` does to the relations that were there when it began."""

    def __init__(
        self,
        conn: Connection,
        *,
        without: Collection[Relation],
        committed: Committed | None = None,
        begun: Beginning | None = None,
    ) -> None:
        """Read what is there now; with `committed`, only once the transaction touches something of it.

        `begun` is what `snapshot.BEGINNING` has said, where that was asked already.
        """
        self._conn = conn
        self._without = without
        self._committed = committed
        self._looks: frozenset[Look] = frozenset()
        self._locks: dict[int, tuple[int, int]] = {}  # by table: the strongest lock, and the oid that it is on
        self._reported: set[int] = set()  # indexes that are new, and relations that are gone
        if committed is not None and begun is None:
            begun = snapshot.beginning(database.query(conn, snapshot.BEGINNING)[0])
        self._newest, self._begun = (begun.newest, begun.scans) if begun else (0, {})
        self._is_read = False
        if committed is None or not committed.has_relations:
            self._newest = max(self._newest, self.baseline.newest)
        self._seen = self._newest

    @cached_property
    def baseline(self) -> Baseline:
        """What was there when it began."""
        self._is_read = True
        if self._committed is None:
            return snapshot.baseline(self._conn, without=self._without)
        return self._committed.baseline(without=self._without, scans=self._begun)

    @cached_property
    def _filenodes(self) -> dict[int, int]:
        return {oid: known.filenode for oid, known in self.baseline.relations.items()}

    @cached_property
    def _scans(self) -> dict[int, int]:
        return {oid: known.scans for oid, known in self.baseline.relations.items()}

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing that could be impaired: the database was empty."""
        return self._is_read and not self.baseline.relations

    def read(self) -> None:
        """Read what was there, before a statement that might keep the other session from reading the catalog."""
        _ = self.baseline

    @property
    def _is_untouched(self) -> bool:
        """Whether the transaction holds nothing that was there: all locks of it last."""
        if self._is_read or self._committed is None:
            return False
        return not self._committed.is_touched(self._conn.info.backend_pid, self._newest)

    def holding(self) -> tuple[Held, ...]:
        """The locks that stop others from writing, as of the last look."""
        strongest: dict[Relation, LockMode] = {}
        for oid, (mode, _) in self._locks.items():
            if mode >= LockMode.SHARE:
                table = self.baseline.relations[self.baseline.root_of(oid)].relation
                strongest[table] = max(LockMode(mode), strongest.get(table, LockMode(mode)))
        return tuple(Held(table, lock) for table, lock in sorted(strongest.items()))

    def look(self) -> tuple[TableImpact, ...]:
        """What has happened since the last look."""
        if self._is_untouched:
            return ()
        looks, self._seen = snapshot.looks(self._conn, newest=self._newest, seen=self._seen)
        drafts: dict[int, _Draft] = {}
        for look in looks - self._looks:
            self._note_lock(drafts, look)
            self._note_work(drafts, look)
        self._remember(looks)
        telling = {oid: draft for oid, draft in drafts.items() if draft.is_telling}
        return tuple(sorted(_folded(self.baseline, telling), key=lambda impact: impact.table))

    def _remember(self, looks: frozenset[Look]) -> None:
        """The locks that there are now: more than before, but for what ROLLBACK TO gave back."""
        looks = frozenset(look for look in looks if look.oid in self.baseline.relations)
        is_less = {(look.oid, look.mode) for look in self._looks} - {(look.oid, look.mode) for look in looks}
        if is_less:
            self._locks.clear()
        for look in looks if is_less else looks - self._looks:
            table = self.baseline.table_of(look.oid)
            if table is not None:
                self._locks[table] = max(self._locks.get(table, _NONE), _strength(look, table))
        self._looks = looks

    def _draft(self, drafts: dict[int, _Draft], look: Look) -> _Draft | None:
        oid = self.baseline.table_of(look.oid)
        if oid is None and look.index_of is not None:  # a new index on an old table
            oid = self.baseline.table_of(look.index_of)
        if oid is None:
            return None
        held = self._locks.get(oid, _NONE)
        return drafts.setdefault(oid, _Draft(self.baseline.relations[oid], held, held))

    def _note_lock(self, drafts: dict[int, _Draft], look: Look) -> None:
        draft = self._draft(drafts, look)
        if draft is not None and look.oid in self.baseline.relations:
            draft.now = max(draft.now, _strength(look, draft.known.oid))

    def _note_work(self, drafts: dict[int, _Draft], look: Look) -> None:
        draft = self._draft(drafts, look)
        if draft is None:
            return
        known = self.baseline.relations.get(look.oid)
        if known is not None and look.name is not None:
            self._note_files(draft, known, look)
        elif look.oid not in self._reported:
            self._reported.add(look.oid)
            _note_coming_and_going(draft, known, look)

    def _note_files(self, draft: _Draft, known: Known, look: Look) -> None:
        assert look.filenode is not None
        is_changed = look.filenode != self._filenodes[look.oid]
        is_read = look.scans > self._scans[look.oid]
        self._filenodes[look.oid], self._scans[look.oid] = look.filenode, look.scans
        if is_changed and known.kind in _TABLES:
            draft.facts.add("is_rewritten")
        elif is_changed and known.kind == "i" and known.owner == draft.known.oid:  # not that of out-of-line data
            draft.rebuilt.add(known.name)
        if is_read and known.kind in _TABLES:
            draft.facts.add("is_scanned")


class Unwatched(Watch):
    """Looks at nothing: for a run whose effects nobody wants to know."""

    def __init__(self) -> None:
        """Nothing is read."""

    @property
    def is_idle(self) -> bool:
        return True


_ITSELF = 1 << 40  # above every oid: of equal locks the one on the table itself is reported
_NONE = (0, 0)


def _strength(look: Look, table: int) -> tuple[int, int]:
    return int(look.mode), _ITSELF if look.oid == table else look.oid


def _note_coming_and_going(draft: _Draft, known: Known | None, look: Look) -> None:
    if known is None and look.name is not None:
        if look.filenode:  # that of a partitioned table has no file: nothing was built
            draft.new.add(look.name)
    elif known is not None and known.kind in _NAMED:
        draft.facts.add("is_dropped")
    elif known is not None and known.kind == "i":
        draft.gone.add(known.name)


def _folded(baseline: snapshot.Baseline, drafts: dict[int, _Draft]) -> Iterator[TableImpact]:
    """One impact a table; partitions are reported with their table, if it or several of them are affected."""
    groups: dict[int, list[_Draft]] = {}
    for oid, draft in drafts.items():
        groups.setdefault(baseline.root_of(oid), []).append(draft)
    for root, group in groups.items():
        impacts = [_impact(baseline, draft) for draft in group]
        if len(group) == 1:
            yield impacts[0]
        else:
            yield _merged(baseline.relations[root].relation, impacts)


def _impact(baseline: snapshot.Baseline, draft: _Draft) -> TableImpact:
    is_held = draft.now[0] <= draft.before[0]
    mode, oid = draft.now
    return TableImpact(
        draft.known.relation,
        LockMode(mode),
        is_held=is_held,
        through=None if oid == _ITSELF else baseline.relations[oid].name,
        is_rewritten="is_rewritten" in draft.facts,
        is_scanned="is_scanned" in draft.facts,
        is_dropped="is_dropped" in draft.facts,
        # ALTER TYPE makes an index again, under the name of the old one
        new_indexes=tuple(sorted(draft.new - draft.gone)),
        rebuilt_indexes=tuple(sorted(draft.rebuilt | (draft.new & draft.gone))),
    )


def _merged(table: Relation, impacts: list[TableImpact]) -> TableImpact:
    """The sum over a partitioned table and its partitions."""
    strongest = max(impacts, key=lambda impact: (impact.lock, impact.through is None))
    return replace(
        strongest,
        table=table,
        is_held=all(impact.is_held for impact in impacts),
        is_rewritten=any(impact.is_rewritten for impact in impacts),
        is_scanned=any(impact.is_scanned for impact in impacts),
        is_dropped=any(impact.is_dropped and impact.table == table for impact in impacts),
        new_indexes=tuple(sorted(name for impact in impacts for name in impact.new_indexes)),
        rebuilt_indexes=tuple(sorted(name for impact in impacts for name in impact.rebuilt_indexes)),
        partitions=tuple(sorted(impact.table for impact in impacts if impact.table != table)),
    )
