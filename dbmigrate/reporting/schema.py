"""The tables of a schema before and after a change, for a picture: made of two catalogs and their comparison. Pure.

What changed is what `catalog.compare` says. A table counts as changed where something that belongs to it did.
"""

from __future__ import annotations

import re
from collections import defaultdict
from enum import StrEnum
from typing import TYPE_CHECKING

from dbmigrate.catalog import Change, Key, Kind, Scope, compare
from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dbmigrate.catalog import Catalog, Difference, Item

__all__ = ["Column", "Detail", "Reference", "Schema", "State", "Table", "of", "short"]

SCOPE = Scope.COMMENTS | Scope.GRANTS
_TABLES = (Kind.TABLE, Kind.FOREIGN_TABLE)
# what has a row in the box of its table, where it changed
_ROWS = (
    *(Kind.COLUMN_ORDER, Kind.CONSTRAINT, Kind.INDEX, Kind.TRIGGER, Kind.RULE, Kind.POLICY, Kind.STATISTICS),
    *_TABLES,
)
_NAME = r'(?:"(?:[^"]|"")*"|[^\s"(),.;]+)'
_KEY = re.compile(r"PRIMARY KEY \((?P<columns>(?:[^\"()]|\"(?:[^\"]|\"\")*\")*)\)")
_FOREIGN_KEY = re.compile(
    rf"FOREIGN KEY \((?P<columns>(?:[^\"()]|\"(?:[^\"]|\"\")*\")*)\) REFERENCES (?P<target>{_NAME}(?:\.{_NAME})?)"
)
_COLUMN = re.compile(rf"(?:PERIOD )?({_NAME})")


class State(StrEnum):
    """What became of something: the sign that is shown with it."""

    SAME = ""
    ADDED = "+"
    REMOVED = "\u2212"
    CHANGED = "~"


_STATES = {
    Change.EXTRA: State.ADDED,
    Change.MISSING: State.REMOVED,
    Change.CHANGED: State.CHANGED,
    Change.MOVED: State.CHANGED,
}


@frozen
class Column:
    """A column; `was` says what changed, in words, where something did."""

    key: Key
    name: str
    type: str
    is_nullable: bool
    is_primary: bool = False
    state: State = State.SAME
    was: str = ""


@frozen
class Reference:
    """A foreign key from `columns` to the table `target`."""

    key: Key
    columns: tuple[str, ...]
    target: str
    state: State = State.SAME


@frozen
class Detail:
    """Something else of a table that changed: an index, a constraint, a partition."""

    key: Key
    text: str
    state: State


@frozen
class Table:
    """A table by its name as SQL writes it, with its schema."""

    key: Key
    state: State
    columns: tuple[Column, ...] = ()
    references: tuple[Reference, ...] = ()
    details: tuple[Detail, ...] = ()
    comment: str = ""

    @property
    def name(self) -> str:
        return self.key.name


@frozen
class Schema:
    """The tables by name, and everything that differs, also outside of tables."""

    tables: Mapping[str, Table]
    differences: tuple[Difference, ...] = ()

    @property
    def changed(self) -> tuple[str, ...]:
        return tuple(name for name, table in self.tables.items() if table.state is not State.SAME)


def of(before: Catalog, after: Catalog | None = None) -> Schema:
    """The schema of `after` with what distinguishes it from `before`; without `after` nothing does."""
    if after is None:
        return _Maker(before, before, ()).schema()
    return _Maker(before, after, compare(before, after, scope=SCOPE)).schema()


def short(name: str) -> str:
    """Without the schema ``public``."""
    return name.removeprefix("public.")


def state_of(difference: Difference) -> State:
    """What a difference means for the object that it is about."""
    return _STATES[difference.change]


def key_of(difference: Difference) -> Key:
    """The object that a difference is about."""
    return Key(difference.kind, difference.name)


class _Maker:
    def __init__(self, before: Catalog, after: Catalog, differences: Sequence[Difference]) -> None:
        self._before = before
        self._after = after
        self._differences = tuple(differences)
        self._by_key: defaultdict[Key, list[Difference]] = defaultdict(list)
        self._by_table: defaultdict[Key, list[Difference]] = defaultdict(list)
        for each in differences:
            self._by_key[key_of(each)].append(each)
            if (table := self._table_of(each)) is not None:
                self._by_table[table].append(each)
        self._primary: dict[Key, set[str]] = defaultdict(set)
        self._references: dict[Key, list[Reference]] = defaultdict(list)
        self._read_constraints()

    def schema(self) -> Schema:
        tables = (self._table(key) for key in sorted(self._keys(), key=lambda key: key.name))
        return Schema({table.name: table for table in tables}, self._differences)

    def _keys(self) -> Iterator[Key]:
        """Tables, without partitions and the like, which belong to another one."""
        for kind in _TABLES:
            names = {**self._before.items.get(kind, {}), **self._after.items.get(kind, {})}
            yield from (Key(kind, name) for name in names if self._top(Key(kind, name)) == Key(kind, name))

    def _item(self, key: Key) -> Item | None:
        return self._after.find(key) or self._before.find(key)

    def _top(self, key: Key) -> Key | None:
        """The table around an object; of a partition the partitioned one."""
        found = None
        at: Key | None = key
        while at is not None:
            if at.kind in _TABLES:
                found = at
            item = self._item(at)
            at = item.parent if item else None
        return found

    def _table_of(self, difference: Difference) -> Key | None:
        """The table whose box shows a difference, if one does."""
        if difference.kind is Kind.COLUMN_ORDER:
            kind, _, name = difference.name.partition(" ")
            return self._top(next((Key(each, name) for each in _TABLES if each == kind), Key(Kind.TABLE, name)))
        if difference.kind is Kind.COLUMN or difference.kind in _ROWS:
            return self._top(key_of(difference))
        return None

    def _table(self, key: Key) -> Table:
        state = self._state(key)
        if state is State.CHANGED or (state is State.SAME and self._by_table[key]):
            state = State.CHANGED
        return Table(
            key,
            state,
            tuple(self._columns(key)),
            tuple(self._references[key]),
            tuple(self._details(key)),
            self._comment(key),
        )

    def _state(self, key: Key) -> State:
        found = self._by_key.get(key)
        return state_of(found[0]) if found else State.SAME

    def _comment(self, key: Key) -> str:
        item = self._item(Key(Kind.COMMENT, " ".join(key)))
        return (item.values[0] or "") if item else ""

    def _columns(self, table: Key) -> Iterator[Column]:
        after = self._after.columns.get(table, ())
        gone = [name for name in self._before.columns.get(table, ()) if name not in after]
        for name in (*after, *gone):
            key = Key(Kind.COLUMN, f"{table.name}.{name}")
            item = self._item(key)
            if item is None:
                continue
            type_, nullability = item.values[0] or "", item.values[1]
            state = self._state(key)
            was = ", ".join(map(_changed, self._by_key[key])) if state is State.CHANGED else ""
            is_primary = name in self._primary[table]
            yield Column(key, name, type_, nullability != "NOT NULL", is_primary, state, was)

    def _details(self, table: Key) -> Iterator[Detail]:
        seen: set[Key] = set()
        for each in self._by_table[table]:
            key = key_of(each)
            if each.kind is Kind.COLUMN or key in seen or (key == table and each.change is not Change.CHANGED):
                continue
            seen.add(key)
            yield Detail(key, self._detail_text(table, each), state_of(each))

    def _detail_text(self, table: Key, difference: Difference) -> str:
        key = key_of(difference)
        if difference.kind is Kind.COLUMN_ORDER:
            return "order of columns"
        if key == table:
            return " ".join(each.aspect or "" for each in self._by_key[key]).strip()
        word = "partition" if difference.kind in _TABLES else difference.kind.value
        schema = table.name.rpartition(".")[0]
        return f"{word} {difference.name.removeprefix(f'{table.name}.').removeprefix(f'{schema}.')}"

    def _read_constraints(self) -> None:
        known = {**self._before.items.get(Kind.CONSTRAINT, {}), **self._after.items.get(Kind.CONSTRAINT, {})}
        for name in sorted(known):
            item = known[name]
            if item.parent is None or item.parent.kind not in _TABLES:
                continue
            definition = item.values[0] or ""
            if found := _KEY.match(definition):
                self._primary[item.parent].update(_COLUMN.findall(found["columns"]))
            elif found := _FOREIGN_KEY.match(definition):
                self._read_reference(Key(Kind.CONSTRAINT, name), item.parent, found)

    def _read_reference(self, key: Key, parent: Key, found: re.Match[str]) -> None:
        table = self._top(parent)
        if table is None or table != parent:
            return  # the copy of a partition
        target = next((at for kind in _TABLES if (at := self._top(Key(kind, found["target"]))) is not None), None)
        columns = tuple(_COLUMN.findall(found["columns"]))
        name = target.name if target else found["target"]
        self._references[table].append(Reference(key, columns, name, self._state(key)))


def _changed(difference: Difference) -> str:
    """``integer \u2192 bigint``; where a value is long, the aspect alone."""
    before, after = difference.before or "none", difference.after or "none"
    if difference.aspect == "type" or len(before) + len(after) < _SHORT:
        lead = "" if difference.aspect in ("type", "nullability") else f"{difference.aspect} "
        return f"{lead}{before} \u2192 {after}"
    return f"{difference.aspect} differs"


_SHORT = 30
