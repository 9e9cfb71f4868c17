"""What differs between two catalogs. Pure; the order of the answer depends on the names alone."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate.catalog.definitions import Definitions
from dbmigrate.catalog.differences import Difference
from dbmigrate.catalog.kinds import Change, Kind, Scope, aspects
from dbmigrate.catalog.values import Key
from dbmigrate.frozen import frozen
from dbmigrate.schema.expressions import settle

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dbmigrate.catalog.values import Catalog, Item

_ORDER = {kind: number for number, kind in enumerate(Kind)}
_NEEDS = {
    Kind.COMMENT: Scope.COMMENTS,
    Kind.GRANT: Scope.GRANTS,
    Kind.DEFAULT_PRIVILEGE: Scope.GRANTS,
    Kind.OWNER: Scope.OWNERS,
    Kind.USER_MAPPING: Scope.SERVER,
}
_VIEWS = (Kind.VIEW, Kind.MATERIALIZED_VIEW)
# texts of people, which are compared letter by letter
_VERBATIM = (Kind.COMMENT, Kind.SECURITY_LABEL)
_BODIES = (Kind.FUNCTION, Kind.PROCEDURE)
# what exists on its own, and is worth naming when it comes or goes with something larger
_WORTH_NAMING = frozenset(
    {
        *(Kind.TABLE, Kind.FOREIGN_TABLE, Kind.VIEW, Kind.MATERIALIZED_VIEW, Kind.SEQUENCE, Kind.TYPE, Kind.DOMAIN),
        *(Kind.FUNCTION, Kind.PROCEDURE, Kind.AGGREGATE, Kind.OPERATOR, Kind.SERVER),
    }
)
_MAJOR = 10000
# What other major versions write differently: the table's name before a column, parentheses and white space (16), the
# name of a range's multirange (14). Literals are kept.
_DECORATION = re.compile(
    r"""('(?:[^']|'')*')|(?:"(?:[^"]|"")*"|[a-z_][a-z0-9_$]*)\.(?=["a-z_])|[\s()]+|, MULTIRANGE_TYPE_NAME = .*"""
)
# who owns the schema "public", and what everybody may do there, was changed by PostgreSQL 15
_PUBLIC = Key(Kind.SCHEMA, "public")


def compare(before: Catalog, after: Catalog, *, scope: Scope) -> tuple[Difference, ...]:
    """What to report about `after` to somebody who expects `before`.

    Named object by object: what belongs to an object that is missing or extra (the columns of a table, the tables of a
    schema) is not reported again, and neither is what follows from another difference (the index of a constraint, the
    columns of partitions). Catalogs of different major versions are compared by what both can tell.
    """
    found = _Comparison(before, after, scope)
    return tuple(sorted(found.differences(), key=found.place))


@frozen
class _Found:
    """A difference before it is known whether it is reported: its object, and in which aspect it changed, if so."""

    key: Key
    change: Change
    aspect: int = -1


class _Comparison:
    def __init__(self, before: Catalog, after: Catalog, scope: Scope) -> None:
        self._before = before
        self._after = after
        self._scope = scope
        self._is_same_major = before.server_version // _MAJOR == after.server_version // _MAJOR
        self._definitions = {Change.MISSING: Definitions(before), Change.EXTRA: Definitions(after)}
        self._gone: dict[Key, Change] = {}
        self._changed: defaultdict[Key, set[int]] = defaultdict(set)

    def differences(self) -> Iterator[Difference]:
        found = [item for kind in Kind if self._counts(kind) for item in self._of_kind(kind)]
        for item in found:
            if item.aspect < 0:
                self._gone[item.key] = item.change
            else:
                self._changed[item.key].add(item.aspect)
        inside = self._inside()
        for item in found:
            if item.aspect >= 0:
                if not self._follows(item):
                    yield self._change_of(item)
            elif self._top(item.key) == item.key and not self._follows(item):
                yield self._absence(item, tuple(inside[item.key]))
        yield from self._moved()

    def place(self, difference: Difference) -> tuple[object, ...]:
        """The place of a difference in the list: with its table or the like."""
        if difference.kind is Kind.COLUMN_ORDER:
            kind, _, name = difference.name.partition(" ")
            key = anchor = Key(Kind(kind), name)
        else:
            key = anchor = Key(difference.kind, difference.name)
        while (parent := self._parent(anchor)) and parent.kind is not Kind.SCHEMA:
            anchor = parent
        is_loose = anchor.kind in (Kind.DEFAULT_PRIVILEGE,)
        return (is_loose, _ORDER[anchor.kind], anchor.name, _ORDER[difference.kind], key.name, difference.aspect or "")

    # -- finding

    def _counts(self, kind: Kind) -> bool:
        return _NEEDS.get(kind, self._scope) in self._scope

    def _of_kind(self, kind: Kind) -> Iterator[_Found]:
        one, two = self._before.items.get(kind, {}), self._after.items.get(kind, {})
        if one == two:
            return
        for name, item in one.items():
            key, other = Key(kind, name), two.get(name)
            if item == other or not self._is_ours(kind, item):
                continue
            if other is None:
                yield _Found(key, Change.MISSING)
            else:
                yield from self._unequal(key, item, other)
        for name in two.keys() - one.keys():
            if self._is_ours(kind, two[name]):
                yield _Found(Key(kind, name), Change.EXTRA)

    def _unequal(self, key: Key, one: Item, two: Item) -> Iterator[_Found]:
        for number, (name, old, new) in enumerate(zip(aspects(key.kind), one.values, two.values, strict=True)):
            if old != new and self._is_reported(key.kind, name) and not self._means_the_same(key.kind, old, new):
                yield _Found(key, Change.CHANGED, number)

    def _is_ours(self, kind: Kind, item: Item) -> bool:
        """Whether somebody has set it in this database; the comment of an extension comes from the server's files."""
        if item.parent == _PUBLIC and kind in (Kind.OWNER, Kind.GRANT):
            return self._is_same_major
        is_from_files = kind is Kind.COMMENT and item.parent is not None and item.parent.kind is Kind.EXTENSION
        return Scope.SERVER in self._scope or not is_from_files

    def _is_reported(self, kind: Kind, aspect: str) -> bool:
        is_of_server = aspect == "tablespace" or (kind, aspect) == _EXTENSION_VERSION
        return (Scope.SERVER in self._scope or not is_of_server) and (kind, aspect) not in _NEVER_ALONE

    def _means_the_same(self, kind: Kind, old: str | None, new: str | None) -> bool:
        if old is None or new is None or kind in _VERBATIM:
            return False
        one, two = settle(old), settle(new)
        if one == two or self._is_same_major or kind in _BODIES:
            return one == two
        return _DECORATION.sub(r"\1", one) == _DECORATION.sub(r"\1", two)

    # -- what is reported, and what follows from it

    def _parent(self, key: Key) -> Key | None:
        item = self._before.find(key) or self._after.find(key)
        return item.parent if item else None

    def _top(self, key: Key) -> Key:
        """The largest thing around `key` that came or went in the same way; itself, if there is none."""
        top, change, parent = key, self._gone[key], self._parent_of_gone(key)
        while parent is not None:
            if self._gone.get(parent) is change:
                top = parent
            parent = self._parent_of_gone(parent)
        return top

    def _parent_of_gone(self, key: Key) -> Key | None:
        catalog = self._after if self._gone.get(key) is Change.EXTRA else self._before
        item = catalog.find(key) or self._after.find(key)
        return item.parent if item else None

    def _inside(self) -> Mapping[Key, list[str]]:
        found: defaultdict[Key, list[str]] = defaultdict(list)
        for key in sorted(self._gone, key=lambda key: (_ORDER[key.kind], key.name)):
            top = self._top(key)
            parent = self._parent_of_gone(key)
            is_part = parent is not None and parent.kind is Kind.COLUMN  # the sequence of a serial column
            if top != key and key.kind in _WORTH_NAMING and not is_part:
                found[top].append(" ".join(key))
        return found

    def _follows(self, found: _Found) -> bool:
        """Whether the difference is only what another one brought about."""
        catalog = self._after if found.change is Change.EXTRA else self._before
        item = catalog.find(found.key)
        origin = item.origin if item else None
        if origin is None:
            return False
        changed = self._changed.get(origin, set())
        if found.aspect < 0:
            return bool(changed) or self._gone.get(origin) is found.change
        is_copied = origin.kind is found.key.kind and found.aspect in changed
        return is_copied or (origin.kind in _VIEWS and bool(changed))

    def _change_of(self, found: _Found) -> Difference:
        one, two = self._before.find(found.key), self._after.find(found.key)
        assert one is not None
        assert two is not None
        old, new = one.values[found.aspect], two.values[found.aspect]
        return Difference(*found.key, found.change, old, new, aspects(found.key.kind)[found.aspect])

    def _absence(self, found: _Found, inside: tuple[str, ...]) -> Difference:
        text = self._definitions[found.change].of(found.key)
        is_missing = found.change is Change.MISSING
        difference = Difference(
            *found.key, found.change, text if is_missing else None, None if is_missing else text, inside=inside
        )
        return _turned(difference) if _is_taken(found.key.kind, text) else difference

    def _moved(self) -> Iterator[Difference]:
        moved: dict[Key, Difference] = {}
        for key, before in self._before.columns.items():
            after = self._after.columns.get(key, ())
            one, two = _common(before, after), _common(after, before)
            if one != two:
                moved[key] = Difference(Kind.COLUMN_ORDER, " ".join(key), Change.MOVED, ", ".join(one), ", ".join(two))
        for key, difference in moved.items():
            if self._parent(key) not in moved:  # a partition goes with its table
                yield difference


_EXTENSION_VERSION = (Kind.EXTENSION, "version")
# the statement of a grant says its option again
_NEVER_ALONE = ((Kind.GRANT, "statement"), (Kind.DEFAULT_PRIVILEGE, "statement"))


def _common(columns: Sequence[str], others: Sequence[str]) -> list[str]:
    known = frozenset(others)
    return [column for column in columns if column in known]


def _is_taken(kind: Kind, statement: str) -> bool:
    """A right that everybody has by default and that was revoked is a missing grant where it is extra."""
    return kind in (Kind.GRANT, Kind.DEFAULT_PRIVILEGE) and re.match(r"(?:ALTER .*? )?REVOKE ", statement) is not None


def _turned(difference: Difference) -> Difference:
    turned = {Change.MISSING: Change.EXTRA, Change.EXTRA: Change.MISSING}
    return replace(difference, change=turned[difference.change])
