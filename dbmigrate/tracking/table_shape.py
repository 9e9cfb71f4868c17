"""A tracking table that differs from those that dbmigrate makes: whose it is, what fails, and the SQL that fixes it.

Pure. Rarely needed: few tables differ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.errors import Refused, unchanged
from dbmigrate.frozen import frozen
from dbmigrate.migrations import other_tools

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dbmigrate.tracking.relation import Relation


__all__ = ["Fault", "fault", "foreign"]

SHORTEST = 14  # digits of the timestamps that `new` makes; dbmate's tables had 255, later 128, and have no limit now


@frozen
class Fault:
    """Why rows of a table would be lost or refused, and the SQL that fixes it."""

    message: str
    fix: str


def fault(schema: str, found: Relation, key: str, extra: Mapping[str, str]) -> Fault | None:
    """The first fault; None where the table differs, but works.

    `key` is the column that identifies a row. `extra` are columns that need a value which dbmigrate does not
    write, each with the SQL that drops that constraint.
    """
    table = f"{quoted(schema)}.{quoted(found.name)}"
    wrong = _of_storage(found, table) or _of_columns(found, f"alter table {table}", key, extra)
    if wrong is None:
        return None
    reason, fix = wrong
    return Fault(f"{schema}.{found.name} cannot be written to: {reason}", f"to fix it: {fix}")


def _of_columns(found: Relation, alter: str, key: str, extra: Mapping[str, str]) -> tuple[str, str] | None:
    if found.generated:
        return f"column {key} is generated", f"{alter} alter column {key} drop expression"
    if 0 <= found.length < SHORTEST:
        reason = f"column {key} takes {found.length} characters, and versions have up to {SHORTEST}"
        return reason, f"{alter} alter column {key} type varchar"
    if extra:
        reason = f"{', '.join(extra)} must not be null and has no default, so that every row is refused"
        return reason, f"{alter} {', '.join(f'alter column {relief}' for relief in extra.values())}"
    if not found.is_unique:
        reason = f"{key} has no unique index, so that a value can be recorded twice"
        return reason, f"{alter} add primary key ({key}); delete duplicates and nulls before"
    return None


def _of_storage(found: Relation, table: str) -> tuple[str, str] | None:
    if found.persistence == "u":
        return "it is unlogged, and empty after a crash of the server", f"alter table {table} set logged"
    if found.kind == "p":
        old = quoted(f"{found.name}_old")
        steps = f"alter table {table} rename to {old}; create table {table} (like {old} including defaults)"
        steps = f"{steps}; insert into {table} select * from {old}; alter table {table} add primary key (...)"
        return "it is partitioned, and a row without a partition is refused", steps
    if found.is_partition:
        return f"it is a partition of {found.parent}", f"alter table {found.parent} detach partition {table}"
    if found.parent:
        return f"it inherits from {found.parent}", f"alter table {table} no inherit {found.parent}"
    if found.has_children:
        return "other tables inherit from it, whose rows it shows", f"alter table CHILD no inherit {table}"
    return None


def foreign(schema: str, found: Relation) -> Refused:
    """The error for another table of that name: another tool's (E713), or with other columns (E714)."""
    types = dict(part.split(" ", 1) for part in found.columns.split(", ") if " " in part)
    known = other_tools.tool_of_table(found.name, types, [found.neighbour] if found.neighbour else ())
    name, columns = f"{schema}.{found.name}", f"its columns are ({found.columns})"
    is_alone = list(types) == ["version"] and not other_tools.is_dbmates(types)
    if known and not is_alone:
        because = f"{found.neighbour} is in the same schema" if other_tools.is_dbmates(types) else columns
        hint = "choose another table: --migrations-table dbmigrate_migrations"
        if command := other_tools.way_in(known[0], "SOURCE", "--history"):
            hint = f"{command} takes its history over; or {hint}"
        return unchanged(
            Refused(
                f"{name} is the history of {known[0]}: {because}",
                code="E713",
                hint=f"{hint} (or DBMIGRATE_MIGRATIONS_TABLE)",
            )
        )
    hint = "choose another table with --migrations-table"
    if is_alone:
        table = f"{quoted(schema)}.{quoted(found.name)}"
        fix = f"alter table {table} alter column version type varchar using rtrim(version::text)"
        hint = f"if it is yours: {fix}; otherwise {hint}"
    return unchanged(Refused(f"{name} cannot be used as the tracking table: {columns}", code="E714", hint=hint))


def quoted(name: str) -> str:
    """A name as SQL text, in quotes only where it needs them."""
    return (
        name
        if name.isidentifier() and name.isascii() and name == name.lower()
        else '"{}"'.format(name.replace('"', '""'))
    )
