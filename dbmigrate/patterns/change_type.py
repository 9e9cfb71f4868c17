"""`change-type`: a column of the new type beside the old one, filled in batches, then swapped in one short transaction.

File 1 ends with the new column in use and the old one kept equal, so that a rollback loses nothing; file 2, after a
deployment, drops the old one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dbmigrate.lint.fix.writing import quoted
from dbmigrate.patterns.copies import body, column_name, copied, function_of, literal, renamed, suffixed, trigger_of
from dbmigrate.patterns.refusals import misfit
from dbmigrate.patterns.values import Draft, Pair, Planned, Section

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.patterns.copies import Copy, Twin
    from dbmigrate.patterns.schema import Column, Schema, Table

__all__ = ["Change", "default_of", "forward_of", "plan"]

_INTEGERS = {
    "smallint": "between -32768 and 32767",
    "integer": "between -2147483648 and 2147483647",
    "bigint": "between -9223372036854775808 and 9223372036854775807",
}
_CANNOT_CAST = "42804"
_LIMITED_TEXT = re.compile(r"character varying\(\d+\)|character\(\d+\)").fullmatch
_LITERAL = re.compile(r"('(?:[^']|'')*')::.*", re.DOTALL).fullmatch
_CAST = re.compile(r"\((.*)\)::[\w .()\"\[\]]+", re.DOTALL).fullmatch


def plan(schema: Schema, arguments: Sequence[str]) -> Planned:
    """``TABLE COLUMN TYPE [USING [BACK]]``"""
    table = schema.table(arguments[0])
    column = table.column(arguments[1])
    type_ = arguments[2]
    copy = copied(schema, table, column, column_name(table, column.name, "new"), type_)
    forward = arguments[3] if len(arguments) > 3 else forward_of(schema, table, column, type_)
    back = arguments[4] if len(arguments) > 4 else _back(column, type_)
    default, plain = default_of(schema, copy, forward)
    change = Change(copy, forward, back, default)
    expand = Pair(change.expand(), change.expand_down())
    fill = Pair(Section((change.fill(),), backfill=table.written))
    pairs = [expand, fill, *change.build(), Pair(change.swap(), change.swap_down()), *change.prepare_down()]
    name = f"{table.name} {column.name} to {type_}"
    first = Draft(
        f"change {name}", (f"{table.written}.{quoted(column.name)} becomes {type_}: expand, fill, swap.",), tuple(pairs)
    )
    notes = [
        f"the function {each} mentions {column.name}: look whether it has to change"
        for each in schema.mentioning(column.name)
    ]
    comment = (f"The end of the change of {table.written}.{quoted(column.name)}: the old column goes.",)
    second = Draft(f"drop old {table.name} {column.name}", comment, (Pair(change.contract(), _IRREVERSIBLE),))
    return Planned((first, second), plain, tuple(notes))


_IRREVERSIBLE = Section(options="irreversible:true")


def forward_of(schema: Schema, table: Table, column: Column, type_: str) -> str:
    """The value of the new column: without a cast where PostgreSQL needs none, so that what does not fit fails."""
    name = quoted(column.name)
    alter = f"alter table {table.written} alter column {name} drop default, alter column {name}"
    if not schema.attempt(f"{alter} type {type_}"):
        return name
    if not schema.attempt(f"{alter} type {type_} using {name}::{type_}"):
        return f"{name}::{type_}"
    raise misfit(f"{table.written}.{name} cannot become {type_}", "give the expression that makes the new value: USING")


def _back(column: Column, type_: str) -> str:
    """The value of the old column from the new one; it must not fail, because it runs in the application's writes."""
    name, new = quoted(column.name), type_.lower()
    if column.type == "text":
        return f"{name}::text"
    if _LIMITED_TEXT(column.type):
        is_text = new.startswith(("varchar", "character", "char", "text"))
        return f"{name}::{column.type}" if is_text else f"{name}::text::{column.type}"
    if column.type in _INTEGERS and new in (*_INTEGERS, "int", "int8", "int4", "int2", "numeric"):
        return f"case when {name} {_INTEGERS[column.type]} then {name} end"
    if column.type.startswith("timestamp") and new.startswith("timestamp"):
        return f"{name}"
    raise misfit(
        f"how a {type_} becomes a {column.type} again without ever failing is not known",
        f"give USING and BACK: the expressions over {name} that make the new value and the old one",
    )


def default_of(schema: Schema, copy: Copy, forward: str) -> tuple[str, str]:
    """The default of the new column, and the plain change: the first that the server takes."""
    name, alter = copy.old, f"alter table {copy.written}"
    using = "" if forward == name else f" using {forward}"
    change = f"alter column {name} type {copy.type}{using}"
    if not copy.column.default:
        return "", f"{alter} {change};"
    old = copy.column.default
    found = _LITERAL(old) or _CAST(old)
    for default in (*((found[1],) if found else ()), old, f"({old})::{copy.type}"):
        plain = f"{alter} alter column {name} drop default, {change}, alter column {name} set default {default};"
        if not schema.attempt(plain):
            return default, plain
    raise misfit(f"the default of {copy.written}.{name} cannot become one of {copy.type}", "drop it first")


class Change:
    """The sections of a change."""

    def __init__(self, copy: Copy, forward: str, back: str, default: str) -> None:
        self._copy = copy
        self._forward = forward
        self._back = back
        self._default = default
        self._alter = f"alter table {copy.written}"
        self._old = quoted(column_name(copy.table, copy.column.name, "old"))
        self._function = function_of(copy.table, copy.sync)
        self._lock = f"lock table {copy.written} in access exclusive mode;"

    # -- expand and fill

    def expand(self) -> Section:
        copy = self._copy
        check = f"{self._alter} add constraint {copy.not_null} check ({copy.new} is not null) not valid;"
        return Section(
            (
                f"{self._alter} add column {copy.new} {copy.type};",
                *((check,) if copy.column.is_required else ()),
                *(twin.add for twin in copy.twins if twin.add and twin.kind == "c"),
                self._sync_new(replaces=False),
                trigger_of(copy.table, copy.sync, self._function),
            )
        )

    def _sync_new(self, *, replaces: bool) -> str:
        value = renamed(self._forward, self._copy.column.name, "\0").replace('"\0"', f"new.{self._copy.old}")
        return body(self._function, (f"new.{self._copy.new} := {value};",), replaces=replaces)

    def expand_down(self) -> Section:
        copy = self._copy
        return Section((*self.without_sync(), f"{self._alter} drop column {copy.new};"))

    def without_sync(self) -> tuple[str, str]:
        return (f"drop trigger {self._copy.sync} on {self._copy.written};", f"drop function {self._function}();")

    def fill(self) -> str:
        new, value = self._copy.new, self._forward
        return f"update {self._copy.written} set {new} = {value} where {new} is distinct from {value} and :batch;"

    # -- build

    def build(self) -> list[Pair]:
        copy = self._copy
        checks = [f"{self._alter} validate constraint {copy.not_null};"] if copy.column.is_required else []
        checks += [twin.validate for twin in copy.twins if twin.kind == "c" and twin.validate]
        built = [twin.build for twin in copy.twins if twin.build]
        references = [part for twin in copy.twins if twin.kind == "f" for part in (twin.add, twin.validate) if part]
        if not (checks or built or references):
            return []
        drops = [f"{self._alter} drop constraint if exists {twin.new};" for twin in copy.twins if twin.kind == "f"]
        drops += [
            f"drop index concurrently if exists {self._qualified(twin.new)};" for twin in copy.twins if twin.build
        ]
        up = Section((*checks, *built, *references), options="transaction:false")
        return [Pair(up, Section(tuple(drops), options="transaction:false") if drops else Section())]

    def _qualified(self, index: str) -> str:
        return function_of(self._copy.table, index)

    # -- swap

    def swap(self) -> Section:
        value = renamed(self._back, self._copy.column.name, "\0").replace('"\0"', f"new.{self._copy.old}")
        back = body(self._function, (f"new.{self._old} := {value};",), replaces=True)
        return Section((self._lock, *self.exchange(), back))

    def exchange(self) -> list[str]:
        """The copy takes the place of the old column."""
        copy, alter, old, name = self._copy, self._alter, self._old, self._copy.old
        statements = [
            f"{alter} rename column {name} to {old};",
            f"{alter} rename column {copy.new} to {name};",
        ]
        if copy.column.is_required:
            statements += [
                f"{alter} alter column {old} drop not null;",
                f"{alter} alter column {name} set not null;",
                f"{alter} drop constraint {copy.not_null};",
            ]
        if copy.column.default:
            statements += [
                f"{alter} alter column {old} drop default;",
                f"{alter} alter column {name} set default {self._default};",
            ]
        if copy.column.comment:
            statements.append(f"comment on column {copy.written}.{name} is {literal(copy.column.comment)};")
        statements += [f"grant {self._grant(right)} to {who}{_option(may)};" for who, right, may in copy.column.grants]
        for twin in copy.twins:
            statements += self._swapped(twin)
        return statements

    def _grant(self, right: str) -> str:
        return f"{right} ({self._copy.old}) on {self._copy.written}"

    def _kept(self, twin: Twin) -> str:
        return suffixed(self._copy.schema, twin.old.strip('"').replace('""', '"'), "old")

    def _swapped(self, twin: Twin) -> list[str]:
        kept = self._kept(twin)
        if twin.kind == "index":
            return [
                f"alter index {self._qualified(twin.old)} rename to {kept};",
                f"alter index {self._qualified(twin.new)} rename to {twin.old};",
            ]
        moved = f"{self._alter} rename constraint {twin.old} to {kept};"
        if twin.kind == "u":
            return [
                moved,
                f"{self._alter} add constraint {twin.old} unique using index {twin.new}{self._deferrable(twin)};",
            ]
        return [moved, f"{self._alter} rename constraint {twin.new} to {twin.old};"]

    def _deferrable(self, twin: Twin) -> str:
        found = next(each for each in self._copy.table.constraints if quoted(each.name) == twin.old)
        at = found.definition.find(" DEFERRABLE")
        return found.definition[at:].lower() if at >= 0 else ""

    def swap_down(self) -> Section:
        copy, alter, old, name = self._copy, self._alter, self._old, self._copy.old
        statements = [self._lock]
        for twin in reversed(copy.twins):
            statements += self._swapped_back(twin)
        statements += [f"revoke {self._grant(right)} from {who};" for who, right, _ in copy.column.grants]
        if copy.column.comment:
            statements.append(f"comment on column {copy.written}.{name} is null;")
        if copy.column.is_required:
            statements.append(f"{alter} alter column {name} drop not null;")
        if copy.column.default:
            statements.append(f"{alter} alter column {name} drop default;")
        statements += [f"{alter} rename column {name} to {copy.new};", f"{alter} rename column {old} to {name};"]
        if copy.column.default:
            statements.append(f"{alter} alter column {name} set default {copy.column.default};")
        if copy.column.is_required:
            statements += [
                f"{alter} alter column {name} set not null;",
                f"{alter} drop constraint {self._old_not_null()};",
                f"{alter} add constraint {copy.not_null} check ({copy.new} is not null) not valid;",
            ]
        statements.append(self._sync_new(replaces=True))
        return Section(tuple(statements))

    def _swapped_back(self, twin: Twin) -> list[str]:
        kept = self._kept(twin)
        if twin.kind == "index":
            return [
                f"alter index {self._qualified(twin.old)} rename to {twin.new};",
                f"alter index {self._qualified(kept)} rename to {twin.old};",
            ]
        back = f"{self._alter} rename constraint {kept} to {twin.old};"
        if twin.kind == "u":
            return [f"{self._alter} drop constraint {twin.old};", back]
        return [f"{self._alter} rename constraint {twin.old} to {twin.new};", back]

    def _old_not_null(self) -> str:
        name = column_name(self._copy.table, self._copy.column.name, "old")
        return self._copy.schema.free(self._copy.table.name, name, suffix="not_null_check")

    def prepare_down(self) -> list[Pair]:
        """A pair for its down section alone: a valid CHECK, so that the swap back reads nothing under its lock."""
        if not self._copy.column.is_required:
            return []
        check = self._old_not_null()
        return [
            Pair(
                Section(),
                Section(
                    (
                        f"{self._alter} add constraint {check} check ({self._old} is not null) not valid;",
                        f"{self._alter} validate constraint {check};",
                    ),
                    options="transaction:false",
                ),
            )
        ]

    # -- the second file

    def contract(self) -> Section:
        return Section((*self.without_sync(), self.drop_old()))

    def drop_old(self) -> str:
        return f"{self._alter} drop column {self._old};"


def _option(may_grant: bool) -> str:  # noqa: FBT001 (a column of the catalog)
    return " with grant option" if may_grant else ""
