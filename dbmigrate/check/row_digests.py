"""What the rows of a database are, column by column, as digests: the same for the same rows, in whatever order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql

from dbmigrate.frozen import frozen
from dbmigrate.schema import rows

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from dbmigrate.connection.database import Connection

Digests = dict[tuple[str, str], str]  # by table (or sequence) and column; the column "" is the whole row
NOTHING: frozenset[tuple[str, str]] = frozenset()


@frozen
class RowDigests:
    """The digests of the tables that have rows, and how far the sequences are."""

    digests: Mapping[tuple[str, str], str]

    def differing(self, other: RowDigests) -> list[tuple[str, str]]:
        """The tables and columns that differ, in order; whole rows if no column of theirs differs alone."""
        keys = sorted({*self.digests, *other.digests})
        unequal = [key for key in keys if self.digests.get(key) != other.digests.get(key)]
        tables = {table for table, column in unequal if column}
        return [(table, column) for table, column in unequal if column or table not in tables]


def read(
    conn: Connection, own: Sequence[tuple[str, str]], *, without: Collection[tuple[str, str]] = NOTHING
) -> RowDigests:
    """The digests of all rows but those of `own`; columns of `without` do not count."""
    digests: Digests = {}
    for schema, name in rows.tables(conn, own):
        digests |= _of_table(conn, (schema, name), without)
    for sequence, value in rows.sequences(conn):
        if (sequence, "") not in without:
            digests[sequence, ""] = value
    return RowDigests(digests)


def described(keys: Sequence[tuple[str, str]]) -> Iterator[str]:
    """``rows of public.users differ in name``; a sequence or whole rows without the column."""
    for table, column in keys:
        yield f"rows of {table} differ in {column}" if column else f"rows of {table} differ"


def _of_table(conn: Connection, table: tuple[str, str], without: Collection[tuple[str, str]]) -> Digests:
    shown = ".".join(table)
    # by name: in which order the columns stand is compared with the catalogs
    columns = sorted(name for name in rows.columns(conn, *table) if (shown, name) not in without)
    digest = sql.SQL("coalesce(md5(string_agg(md5({0}::text), '' order by md5({0}::text))), '')")
    values = [sql.SQL("coalesce({}::text, 'null ')").format(sql.Identifier(name)) for name in columns]
    row = sql.SQL("array[{}]::text[]").format(sql.SQL(", ").join(values))
    selected = [digest.format(each) for each in (row, *values)]
    query = sql.SQL("select count(*)::text, {} from only {}")
    (found,) = conn.execute(query.format(sql.SQL(", ").join(selected), sql.Identifier(*table))).fetchall()
    count, *sums = map(str, found)
    if count == "0":
        return {}
    named = {(shown, name): f"{count} {value}" for name, value in zip(("", *columns), sums, strict=True)}
    return {key: value for key, value in named.items() if key not in without}
