"""`change-type` of a primary key: its column and those of the foreign keys to it change together.

All tables are swapped in one short transaction, the referencing ones locked first: whoever writes to them locks the
others next, and the other order ends in deadlocks. Nothing keeps the old columns equal after that, so it cannot be
undone once the swap is done.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate.lint.fix.writing import quoted
from dbmigrate.patterns import change_type
from dbmigrate.patterns.change_type import Change, default_of, forward_of
from dbmigrate.patterns.copies import column_name, function_of, key_copied, suffixed
from dbmigrate.patterns.refusals import misfit, refused
from dbmigrate.patterns.values import Draft, Pair, Planned, Section

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbmigrate.patterns.copies import Copy, Twin
    from dbmigrate.patterns.schema import Column, Constraint, Schema, Table

__all__ = ["plan"]

_REFERENCE = re.compile(r" REFERENCES (.+?)\(([^()]*)\)")
_INTEGERS = {"smallint", "integer", "bigint", "int", "int2", "int4", "int8"}
_OUTSIDE = "transaction:false"
_IRREVERSIBLE = Section(options="irreversible:true")


def plan(schema: Schema, arguments: Sequence[str]) -> Planned:
    """``TABLE COLUMN TYPE [USING [BACK]]``: of a primary key, or of any other column."""
    table = schema.table(arguments[0])
    column = table.column(arguments[1])
    if table.primary is None or table.primary.columns != (column.name,) or column.identity or column.generated:
        return change_type.plan(schema, arguments)
    if len(arguments) > 3:
        raise misfit("a primary key is copied as it is", "leave out USING and BACK")
    copy = key_copied(schema, table, column, column_name(table, column.name, "new"), arguments[2])
    referrers = [_Referrer(copy, *found) for found in _references(schema, table, column)]
    return _Plan(copy, referrers).made()


def _references(schema: Schema, table: Table, column: Column) -> Iterator[tuple[Table, Constraint]]:
    """The foreign keys to a column, with their tables."""
    names = {quoted(table.name), f"{quoted(table.schema)}.{quoted(table.name)}"}
    for written in dict.fromkeys(table.referrers_of(column.name)):
        other = schema.table(written)
        if (other.schema, other.name) == (table.schema, table.name):
            raise refused(f"{table.written} refers to itself", "write the files by hand: docs/how-to/zero-downtime.md")
        for each in other.constraints:
            found = _REFERENCE.search(each.definition) if each.kind == "f" else None
            if found is None or found[1] not in names:
                continue
            if found[2] != quoted(column.name):
                raise refused(f"the foreign key {each.name} of {other.written} has several columns")
            yield other, each


class _Member(Change):
    """A column that changes with others."""

    def __init__(self, copy: Copy) -> None:
        if copy.table.primary is None:
            raise refused(f"a backfill follows the primary key, and {copy.written} has none")
        forward = forward_of(copy.schema, copy.table, copy.column, copy.type)
        default, self.plain = default_of(copy.schema, copy, forward)
        super().__init__(copy, forward, "", default)

    @property
    def written(self) -> str:
        return self._copy.written

    def filling(self) -> Pair:
        return Pair(Section((self.fill(),), backfill=self.written))

    def swapped(self) -> Sequence[str]:
        """What happens to this table in the swap."""
        return (*self.exchange(), *self.without_sync())


class _Referrer(_Member):
    """The column of a foreign key."""

    def __init__(self, key: Copy, table: Table, constraint: Constraint) -> None:
        column = table.column(constraint.columns[0])
        copy = key_copied(key.schema, table, column, column_name(table, column.name, "new"), key.type)
        self._fk = quoted(constraint.name)
        rest = _REFERENCE.split(constraint.definition.removesuffix(" NOT VALID"))[-1]
        target = f"{key.written} ({key.new})"
        super().__init__(replace(copy, twins=tuple(self._aimed(each, copy, target + rest) for each in copy.twins)))

    def _aimed(self, twin: Twin, copy: Copy, target: str) -> Twin:
        """The foreign key of the copy refers to the copy of the key."""
        if twin.old != self._fk:
            return twin
        add = f"alter table {copy.written} add constraint {twin.new} foreign key ({copy.new}) references {target}"
        return replace(twin, add=f"{add} not valid;")

    def _swapped(self, twin: Twin) -> list[str]:
        if twin.old != self._fk:
            return super()._swapped(twin)
        return [
            f"{self._alter} drop constraint {twin.old};",
            f"{self._alter} rename constraint {twin.new} to {twin.old};",
        ]


class _Key(_Member):
    """The primary key."""

    def __init__(self, copy: Copy) -> None:
        super().__init__(copy)
        assert copy.table.primary is not None
        self._name = quoted(copy.table.primary.name)
        self._index = suffixed(copy.schema, copy.table.primary.name, "new")
        self._sequence = copy.column.sequence
        type_ = copy.type
        grown = f"alter sequence {self._sequence} as {type_};" if type_.lower() in _INTEGERS and self._sequence else ""
        self._grown = (grown,) if grown else ()
        self.plain = "\n".join((self.plain, *self._grown))

    def index(self) -> Pair:
        """The index that the new key takes over."""
        build = f"create unique index concurrently {self._index} on {self.written} ({self._copy.new});"
        drop = f"drop index concurrently if exists {function_of(self._copy.table, self._index)};"
        return Pair(Section((build,), options=_OUTSIDE), Section((drop,), options=_OUTSIDE))

    def swapped(self) -> Sequence[str]:
        name = f"{self.written}.{self._copy.old}"
        return (
            f"{self._alter} drop constraint {self._name};",
            *self.exchange(),
            f"{self._alter} add constraint {self._name} primary key using index {self._index};",
            *((f"alter sequence {self._sequence} owned by {name};",) if self._sequence else ()),
            *self._grown,
            *self.without_sync(),
        )


class _Plan:
    """The files of a key and its referrers."""

    def __init__(self, copy: Copy, referrers: Sequence[_Referrer]) -> None:
        self._copy = copy
        self._key = _Key(copy)
        self._referrers = referrers
        self._members: Sequence[_Member] = (self._key, *referrers)

    def made(self) -> Planned:
        table, column, type_ = self._copy.table, self._copy.column, self._copy.type
        where = f"{table.written}.{quoted(column.name)}"
        others = ", ".join(each.written for each in self._referrers)
        first = Draft(
            f"change {table.name} {column.name} to {type_}",
            (
                f"{where} becomes {type_}: expand, fill, swap" + (f"; with it {others}." if others else "."),
                "The swap cannot be undone: the old columns are not kept equal after it.",
            ),
            (self._expand(), *(each.filling() for each in self._members), *self._build(), self._swap()),
        )
        second = Draft(
            f"drop old {table.name} {column.name}",
            (f"The end of the change of {where}: the old columns go.",),
            (Pair(Section(tuple(each.drop_old() for each in reversed(self._members))), _IRREVERSIBLE),),
        )
        return Planned((first, second), "\n".join(each.plain for each in self._members))

    def _expand(self) -> Pair:
        up = [text for each in self._members for text in each.expand().statements]
        down = [text for each in reversed(self._members) for text in each.expand_down().statements]
        return Pair(Section(tuple(up)), Section(tuple(down)))

    def _build(self) -> Iterator[Pair]:
        yield self._key.index()
        for each in self._members:
            yield from each.build()

    def _swap(self) -> Pair:
        tables = ", ".join(dict.fromkeys(each.written for each in reversed(self._members)))
        lock = f"lock table {tables} in access exclusive mode;"
        work = [text for each in reversed(self._members) for text in each.swapped()]
        return Pair(Section((lock, *work)), _IRREVERSIBLE)
