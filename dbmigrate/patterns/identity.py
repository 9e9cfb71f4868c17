"""`add-identity`: a column that numbers the rows, without the rewrite that ADD COLUMN .. AS IDENTITY is.

The rows are numbered by a sequence of their own, whose place the identity's takes in one short transaction. The lock on
the table comes first there: no row is written between the last number of the one and the first of the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.lint.fix.writing import quoted
from dbmigrate.patterns.copies import function_of, literal
from dbmigrate.patterns.refusals import misfit, refused
from dbmigrate.patterns.values import Draft, Pair, Planned, Section

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.patterns.schema import Schema, Table

__all__ = ["add_identity"]

_TYPES = {"bigint": "", "int8": "", "integer": " as integer", "int": " as integer", "smallint": " as smallint"}


def add_identity(schema: Schema, arguments: Sequence[str]) -> Planned:
    """``TABLE COLUMN [TYPE]``: the type is bigint unless it is named."""
    table, raw, type_ = schema.table(arguments[0]), arguments[1], (*arguments[2:], "bigint")[0]
    _refuse(table, raw, type_)
    name, alter = quoted(raw), f"alter table {table.written}"
    check = schema.free(table.name, raw, suffix="not_null_check")
    fill = function_of(table, schema.free(table.name, raw, suffix="fill_seq"))
    expand = (
        f"{alter} add column {name} {type_};",
        f"create sequence {fill}{_TYPES[type_.lower()]} owned by {table.written}.{name};",
        f"{alter} alter column {name} set default nextval({literal(fill)});",
    )
    filling = f"update {table.written} set {name} = nextval({literal(fill)}) where {name} is null and :batch;"
    finish = (
        f"{alter} add constraint {check} check ({name} is not null) not valid;",
        f"{alter} validate constraint {check};",
        "begin;",
        f"lock table {table.written} in access exclusive mode;",
        f"{alter} alter column {name} set not null;",
        f"{alter} drop constraint {check};",
        f"{alter} alter column {name} drop default;",
        f"alter sequence {fill} owned by none;",
        f"{alter} alter column {name} add generated always as identity;",
        f"select setval(pg_get_serial_sequence({literal(table.written)}, {literal(raw)}), last_value, is_called)"
        f" from {fill};",
        f"drop sequence {fill};",
        "commit;",
    )
    down = Section((f"{alter} drop column {name};",))
    draft = Draft(
        f"add identity {table.name} {raw}",
        (f"{table.written}.{name} numbers the rows: expand, fill, exchange.",),
        (
            Pair(Section(expand), down),
            Pair(Section((filling,), backfill=table.written)),
            Pair(Section(finish, options="transaction:false")),
        ),
    )
    return Planned((draft,), f"{alter} add column {name} {type_} generated always as identity;")


def _refuse(table: Table, raw: str, type_: str) -> None:
    if raw in table.columns:
        hint = "serial-to-identity changes a serial; for others write ADD GENERATED in a file of your own"
        raise misfit(f"{table.written} has a column {raw} already", hint)
    if type_.lower() not in _TYPES:
        raise misfit(f"an identity column cannot be of type {type_}", "bigint, integer or smallint")
    if table.primary is None:
        raise misfit(f"a backfill follows the primary key, and {table.written} has none", "add one first")
    if table.kind == "p" or table.is_inherited:
        raise refused(f"{table.written} is partitioned or inherits: its parts would number their rows apart")
