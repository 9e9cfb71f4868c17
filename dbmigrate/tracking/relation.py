"""The properties of a table that decide whether it can be a tracking table, and a cheap look at plain ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

from dbmigrate.connection import database

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from dbmigrate.connection.database import Connection

__all__ = ["Relation", "plain_ones"]

# In a new session the catalog caches are empty: a look is mostly planning and filling them. `tables._LOOK` reads ten
# catalogs, which takes the server 3.3 ms; this query reads five, 1.6 ms (PostgreSQL 18).
# The flags of pg_class may be set where there is nothing any more (relhastriggers, relhassubclass), never the reverse.
# A column of another name could need a value; a dropped or a generated one moves or changes the key.
_PLAIN = """
select c.relname::text, a.columns, a.length,
       c.relkind = 'r' and c.relpersistence = 'p' and not (c.relhastriggers or c.relhasrules or c.relrowsecurity
         or c.relispartition or c.relhassubclass) and a.is_plain
       and (c.relowner = n.nspowner or pg_catalog.pg_get_userbyid(c.relowner) = current_user)
       and not exists (select 1 from pg_catalog.pg_inherits i where i.inhrelid = c.oid)
       and exists (select 1 from pg_catalog.pg_index x where x.indrelid = c.oid and x.indisunique and x.indisvalid
                     and x.indpred is null and x.indnkeyatts = 1 and x.indkey[0] = 1)
from pg_catalog.pg_namespace n
left join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = any(%s)
left join lateral (
  select pg_catalog.string_agg(a.attname::text || ' ' || pg_catalog.format_type(a.atttypid, null), ', '
                               order by a.attnum) as columns,
         pg_catalog.max(a.atttypmod) filter (where a.attnum = 1) - 4 as length,
         pg_catalog.bool_and(not a.attisdropped and a.attgenerated = '' and a.attname = any(%s)) as is_plain
  from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attnum > 0) a on true
where n.nspname = %s
"""


class Relation(NamedTuple):
    """A row of `tables._LOOK`. `length` is that of the key column, negative if it has no limit.

    `required` are the columns without a default that must not be null, each with the SQL that drops that constraint.
    """

    name: str
    kind: str
    has_triggers: bool
    has_rules: bool
    owner: str
    is_trusted: bool
    columns: str
    has_policies: bool
    hides_rows: bool
    neighbour: str | None
    persistence: str
    is_partition: bool
    has_children: bool
    parent: str | None
    length: int
    generated: str
    is_unique: bool
    required: list[tuple[str, str]] | None

    @property
    def is_plain(self) -> bool:
        """Whether it is stored like the tables that dbmigrate makes: rows that are written to it stay in it."""
        stored = (self.kind, self.persistence, self.is_partition, self.has_children, self.parent, self.generated)
        return stored == ("r", "p", False, False, None, "") and self.is_unique and self.length < 0


def plain_ones(conn: Connection, place: tuple[str, str], own: Collection[str]) -> tuple[Relation, ...] | None:
    """The tracking table and the log table at `place`, schema and name, if both are plain; none if neither is there.

    `own` are the columns that they may have. None: what differs in anything, or is only half there, needs a closer
    look, which decides; a schema that is missing as well.
    """
    schema, name = place
    wanted = [name, f"{name}_log"]
    rows = database.query(conn, _PLAIN, wanted, sorted(own), schema)
    if [row[0] for row in rows] == [None]:
        return ()
    if {row[0] for row in rows} != set(wanted) or not all(row[3] for row in rows):
        return None
    return tuple(_relation(row) for row in rows)


def _relation(row: Sequence[object]) -> Relation:
    name, columns, length, _ = row
    return Relation(
        name=str(name),
        kind="r",
        has_triggers=False,
        has_rules=False,
        owner="",  # named only where it is not trusted
        is_trusted=True,
        columns=str(columns),
        has_policies=False,
        hides_rows=False,
        neighbour=None,  # asked for only where one of the tables is missing
        persistence="p",
        is_partition=False,
        has_children=False,
        parent=None,
        length=cast("int", length),
        generated="",
        is_unique=True,
        required=None,
    )
