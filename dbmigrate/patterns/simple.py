"""Patterns of one file: the plain statement, which `lint --fix` rewrites, and what has to come before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.lint.fix.writing import Writer, quoted
from dbmigrate.patterns.copies import literal
from dbmigrate.patterns.refusals import misfit
from dbmigrate.patterns.values import Draft, Pair, Planned, Section

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.patterns.schema import Schema, Table

__all__ = [
    "add_check",
    "add_enum_value",
    "add_foreign_key",
    "add_not_null",
    "add_unique",
    "attach",
    "index_partitioned",
]

_IRREVERSIBLE = Section(options="irreversible:true")


def _planned(draft: Draft, above: tuple[Pair, ...] = ()) -> Planned:
    return Planned((draft,), is_unsafe=True, above=above)


def _one(name: str, comment: str, up: str, down: str) -> Draft:
    return Draft(name, (comment,), (Pair(Section((up,)), Section((down,))),))


def add_not_null(schema: Schema, arguments: Sequence[str]) -> Planned:
    """``TABLE COLUMN [VALUE]``: with a value, for new rows a default, for old ones a backfill."""
    table = schema.table(arguments[0])
    column = table.column(arguments[1])
    name, alter = quoted(column.name), f"alter table {table.written} alter column {quoted(column.name)}"
    if column.is_required:
        raise misfit(f"{table.written}.{name} is NOT NULL already")
    draft = _one(
        f"require {table.name} {column.name}",
        f"Every row of {table.written} has a {name}.",
        f"{alter} set not null;",
        f"{alter} drop not null;",
    )
    above: tuple[Pair, ...] = ()
    if len(arguments) > 2:
        value = arguments[2]
        fill = f"update {table.written} set {name} = {value} where {name} is null and :batch;"
        back = f"{alter} set default {column.default};" if column.default else f"{alter} drop default;"
        default = Pair(Section((f"{alter} set default {value};",)), Section((back,)))
        above = (default, Pair(Section((fill,), backfill=table.written)))
    return _planned(draft, above)


def add_foreign_key(schema: Schema, arguments: Sequence[str]) -> Planned:
    """``TABLE COLUMN PARENT [PARENT_COLUMN]``"""
    table, parent = schema.table(arguments[0]), schema.table(arguments[2])
    column = table.column(arguments[1])
    key = parent.primary
    if len(arguments) > 3:
        referred = quoted(parent.column(arguments[3]).name)
    elif key is not None and len(key.columns) == 1:
        referred = quoted(key.columns[0])
    else:
        raise misfit(f"{parent.written} has no primary key of one column", "name the column that is referred to")
    name = _name(schema, table, column.name, "fkey")
    return _planned(
        _one(
            f"reference {parent.name} from {table.name}",
            f"{table.written}.{quoted(column.name)} refers to {parent.written}.",
            f"alter table {table.written} add constraint {name} foreign key ({quoted(column.name)})"
            f" references {parent.written} ({referred});",
            f"alter table {table.written} drop constraint {name};",
        )
    )


def add_unique(schema: Schema, arguments: Sequence[str]) -> Planned:
    """``TABLE COLUMN ...``: of a table without a primary key too."""
    table = schema.table(arguments[0])
    columns = [table.column(name).name for name in arguments[1:]]
    name = _name(schema, table, *columns, "key")
    listed = ", ".join(map(quoted, columns))
    return _planned(
        _one(
            f"unique {table.name} {' '.join(columns)}",
            f"No two rows of {table.written} have the same ({listed}).",
            f"alter table {table.written} add constraint {name} unique ({listed});",
            f"alter table {table.written} drop constraint {name};",
        )
    )


def add_check(schema: Schema, arguments: Sequence[str]) -> Planned:
    """``TABLE CONDITION [NAME]``"""
    table = schema.table(arguments[0])
    name = quoted(arguments[2]) if len(arguments) > 2 else _name(schema, table, "check")
    return _planned(
        _one(
            f"check {table.name} {name}",
            f"{name}: holds for every row of {table.written}.",
            f"alter table {table.written} add constraint {name} check ({arguments[1]});",
            f"alter table {table.written} drop constraint {name};",
        )
    )


def add_enum_value(schema: Schema, arguments: Sequence[str]) -> Planned:
    """``TYPE VALUE [after VALUE | before VALUE]``: alone in its file, because its transaction cannot use the value."""
    del schema
    type_, value, *rest = arguments
    place = ""
    if rest:
        if len(rest) != 2 or rest[0].lower() not in ("after", "before"):
            raise misfit("the place of an enum value is `after VALUE` or `before VALUE`")
        place = f" {rest[0].lower()} {literal(rest[1])}"
    up = f"alter type {type_} add value {literal(value)}{place};"
    comment = ("An enum loses no value again: PostgreSQL has no DROP VALUE.",)
    draft = Draft(f"add {value} to {type_}", comment, (Pair(Section((up,)), _IRREVERSIBLE),))
    return Planned((draft,), up)


def attach(schema: Schema, arguments: Sequence[str]) -> Planned:
    """``TABLE PARTITION BOUNDS``, the bounds as in ``for values from (..) to (..)``"""
    table, partition = schema.table(arguments[0]), schema.table(arguments[1])
    bounds = arguments[2] if arguments[2].lower().startswith("for ") else f"for values {arguments[2]}"
    return _planned(
        _one(
            f"attach {partition.name}",
            f"{partition.written} becomes a partition of {table.written}.",
            f"alter table {table.written} attach partition {partition.written} {bounds};",
            f"alter table {table.written} detach partition {partition.written};",
        )
    )


def index_partitioned(schema: Schema, arguments: Sequence[str]) -> Planned:
    """``TABLE COLUMN ...``"""
    table = schema.table(arguments[0])
    columns = [table.column(name).name for name in arguments[1:]]
    name = _name(schema, table, *columns, "idx")
    prefix = table.written.rpartition(".")[0]
    return _planned(
        _one(
            f"index {table.name} {' '.join(columns)}",
            f"An index of {table.written}, built partition by partition.",
            f"create index {name} on {table.written} ({', '.join(map(quoted, columns))});",
            f"drop index {prefix + '.' if prefix else ''}{name};",
        )
    )


def _name(schema: Schema, table: Table, *parts: str) -> str:
    *middle, suffix = parts
    return quoted(Writer(taken=schema.facts.names).free_name(table.name, *middle, suffix=suffix))
