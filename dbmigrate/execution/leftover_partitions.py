"""Leftovers of an interrupted ``ALTER TABLE .. DETACH PARTITION .. CONCURRENTLY``: a half-detached partition.

The statement takes two transactions; between them the partition is neither attached nor detached.

https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DETACH-PARTITION
"""

from __future__ import annotations

from enum import Enum
from itertools import pairwise
from typing import TYPE_CHECKING

from dbmigrate.connection import database
from dbmigrate.execution.step_outcome import Leftover, Outcome
from dbmigrate.frozen import frozen
from dbmigrate.sql import words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.connection.database import Connection
    from dbmigrate.execution.step_outcome import Before

_FIRST_SERVER = 140000  # that can detach concurrently
_FIND = """
select t.oid::int8, p.oid::int8, pg_catalog.format('alter table %%I.%%I detach partition %%I.%%I finalize',
       tn.nspname, t.relname, pn.nspname, p.relname)
from pg_catalog.pg_class t
join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace
join pg_catalog.pg_class p on p.oid = pg_catalog.to_regclass(%s::text)
join pg_catalog.pg_namespace pn on pn.oid = p.relnamespace
where t.oid = pg_catalog.to_regclass(%s::text)
"""
_LOOK = "select inhdetachpending from pg_catalog.pg_inherits where inhparent = %s::oid and inhrelid = %s::oid"


class Attachment(Enum):
    """Whether a partition is attached to its table."""

    WHOLE = "attached"
    PENDING = "half detached"
    NONE = "detached"


@frozen
class Detachment:
    """A table and its partition; `finish` is the statement that completes an interrupted detachment."""

    table: int
    partition: int
    finish: str


def detachment(conn: Connection, sql: str) -> Detachment | None:
    """The concurrent detachment in `sql`, its names resolved by the search_path in force.

    None if `sql` is another statement, or one of its tables does not exist.
    """
    names = _names(tuple(word for word in words(sql) if word != ";"))
    if names is None or conn.info.server_version < _FIRST_SERVER:
        return None
    table, partition = names
    rows = database.query(conn, _FIND, partition, table)
    return Detachment(int(str(rows[0][0])), int(str(rows[0][1])), str(rows[0][2])) if rows else None


def attachment(conn: Connection, wanted: Detachment) -> Attachment:
    """How far the detachment is."""
    rows = database.query(conn, _LOOK, wanted.table, wanted.partition)
    if not rows:
        return Attachment.NONE
    return Attachment.PENDING if rows[0][0] else Attachment.WHOLE


@frozen
class DetachmentProbe:
    """Looks up how far a concurrent detachment got."""

    wanted: Detachment

    def before(self, conn: Connection) -> Before:
        """The partition, if it is attached to the table."""
        is_part = attachment(conn, self.wanted) is not Attachment.NONE
        return frozenset((str(self.wanted.partition),)) if is_part else frozenset()

    def leftovers(self, conn: Connection, before: Before | None) -> tuple[Leftover, ...]:
        """A half-detached partition. It has to be completed, because the server refuses to start again."""
        if attachment(conn, self.wanted) is not Attachment.PENDING:
            return ()
        message = f"a half-detached partition, a leftover, is completed: {self.wanted.finish}"
        return (Leftover("the partition", "W641", message, self.wanted.finish),)

    def outcome(self, conn: Connection, before: Before | None) -> Outcome:
        if attachment(conn, self.wanted) is Attachment.WHOLE:
            return Outcome.UNDONE
        was_part = before is None or str(self.wanted.partition) in before
        return Outcome.DONE if was_part else Outcome.UNKNOWN


def _names(found: Sequence[str]) -> tuple[str, str] | None:
    """Table and partition as `to_regclass` takes them."""
    if found[:2] != ("ALTER", "TABLE") or found[-1] != "CONCURRENTLY" or ("DETACH", "PARTITION") not in pairwise(found):
        return None
    at = list(pairwise(found)).index(("DETACH", "PARTITION"))
    table = found[2:at]
    table = table[2:] if table[:2] == ("IF", "EXISTS") else table
    table = table[1:] if table[:1] == ("ONLY",) else table
    names = "".join(word for word in table if word != "*"), "".join(found[at + 2 : -1])
    # to_regclass does not read a name with Unicode escapes
    return None if any('U&"' in name.upper() or not name for name in names) else names
