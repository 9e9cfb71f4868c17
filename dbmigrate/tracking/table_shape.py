"""A tracking table that is not as we make it: whose it is, what would go wrong with it, and the SQL that mends it.

Pure. Only a table that is odd is looked at here; nearly none is.
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

SHORTEST = (
    14  # digits of the timestamps that `new` makes; dbmate's own tables had 255, later 128, and have no limit now
)


@frozen
class Fault:
    """Why what is written to a table would be lost or refused, and the SQL that mends it."""

    message: str
    mend: str


def fault(schema: str, found: Relation, key: str, extra: Mapping[str, str]) -> Fault | None:
    """The first thing that is wrong; None where the table is odd, but works.

    `key` is the column that tells the rows apart, `extra` are columns that want a value which a row of ours has
    not, each with what takes that back.
    """
    table = f"{quoted(schema)}.{quoted(found.name)}"
    wrong = _of_storage(found, table) or _of_columns(found, f"alter table {table}", key, extra)
    if wrong is None:
        return None
    reason, mend = wrong
    return Fault(f"{schema}.{found.name} cannot keep the records: {reason}", f"mend it: {mend}")


def _of_columns(found: Relation, alter: str, key: str, extra: Mapping[str, str]) -> tuple[str, str] | None:
    if found.generated:
        return f"column {key} is generated", f"{alter} alter column {key} drop expression"
    if 0 <= found.length < SHORTEST:
        reason = f"column {key} takes {found.length} characters, and versions have up to {SHORTEST}"
        return reason, f"{alter} alter column {key} type varchar"
    if extra:
        reason = f"{', '.join(extra)} must not be null and has no default, so that no row can be written"
        return reason, f"{alter} {', '.join(f'alter column {relief}' for relief in extra.values())}"
    if not found.is_unique:
        reason = f"nothing keeps {key} unique, so that it can be recorded twice"
        return reason, f"{alter} add primary key ({key}); what is there twice, or null, has to be deleted before"
    return None


def _of_storage(found: Relation, table: str) -> tuple[str, str] | None:
    if found.persistence == "u":
        return "it is unlogged, and empty after a crash of the server", f"alter table {table} set logged"
    if found.kind == "p":
        old = quoted(f"{found.name}_old")
        anew = f"alter table {table} rename to {old}; create table {table} (like {old} including defaults)"
        anew = f"{anew}; insert into {table} select * from {old}; alter table {table} add primary key (...)"
        return "it is partitioned, and a row without a partition is refused", anew
    if found.is_partition:
        return f"it is a partition of {found.parent}", f"alter table {found.parent} detach partition {table}"
    if found.parent:
        return f"it inherits from {found.parent}", f"alter table {table} no inherit {found.parent}"
    if found.has_children:
        return "other tables inherit from it, whose rows it shows", f"alter table CHILD no inherit {table}"
    return None


def foreign(schema: str, found: Relation) -> Refused:
    """The error for a table of that name that is not ours: another tool's (E713), or of another shape (E714)."""
    types = dict(part.split(" ", 1) for part in found.columns.split(", ") if " " in part)
    known = other_tools.tool_of_table(found.name, types, [found.neighbour] if found.neighbour else ())
    name, columns = f"{schema}.{found.name}", f"its columns are ({found.columns})"
    is_alone = list(types) == ["version"] and not other_tools.is_dbmates(types)
    if known and not is_alone:
        because = f"{found.neighbour} stands beside it" if other_tools.is_dbmates(types) else columns
        hint = f"leave it to {known[0]}, and choose another name: --migrations-table dbmigrate_migrations"
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
        mend = f"alter table {table} alter column version type varchar using rtrim(version::text)"
        hint = f"if it is yours: {mend}; else {hint}"
    return unchanged(Refused(f"{name} cannot be used as the tracking table: {columns}", code="E714", hint=hint))


def quoted(name: str) -> str:
    """A name as SQL text, in quotes only where it needs them."""
    return (
        name
        if name.isidentifier() and name.isascii() and name == name.lower()
        else '"{}"'.format(name.replace('"', '""'))
    )
