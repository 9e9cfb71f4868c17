"""What to do about rows that a constraint refuses: the query that finds them, and how to go on.

The query is made from the catalog as it is after the rollback, and from the statement where that declares the
constraint. It is planned, which shows that it can run, and not run: the table may be large. Rows that the migration
itself has written are gone with it; then there is no query.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import psycopg

from dbmigrate.connection import database
from dbmigrate.execution import violation_queries as queries
from dbmigrate.frozen import frozen
from dbmigrate.sql import constraints, statements

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dbmigrate.connection.database import Connection

__all__ = ["ROWS", "Advice", "Failure", "advice"]

ROWS = "rows in the way"
_LOOK = """
select pg_catalog.format('%%I.%%I', n.nspname, c.relname), pg_catalog.quote_ident(a.attname::text),
  pg_catalog.pg_get_expr(k.conbin, k.conrelid), pg_catalog.pg_get_constraintdef(k.oid),
  case when p.oid is not null then pg_catalog.format('%%I.%%I', pn.nspname, p.relname) end,
  array(select pg_catalog.quote_ident(o.attname::text) from pg_catalog.unnest(k.conkey) with ordinality as u (num, n)
        join pg_catalog.pg_attribute o on o.attrelid = k.conrelid and o.attnum = u.num order by u.n),
  array(select pg_catalog.quote_ident(o.attname::text) from pg_catalog.unnest(k.confkey) with ordinality as u (num, n)
        join pg_catalog.pg_attribute o on o.attrelid = k.confrelid and o.attnum = u.num order by u.n),
  k.confmatchtype::text = 'f', coalesce(pg_catalog.to_jsonb(k) ->> 'conperiod'::text, 'false'::text) = 'true'::text
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
left join pg_catalog.pg_attribute a
  on a.attrelid = c.oid and a.attname = %s::pg_catalog.text and a.attnum > 0 and not a.attisdropped
left join pg_catalog.pg_constraint k on k.conrelid = c.oid and k.conname = %s::pg_catalog.text
left join pg_catalog.pg_class p on p.oid = k.confrelid
left join pg_catalog.pg_namespace pn on pn.oid = p.relnamespace
where n.nspname = %s::pg_catalog.text and c.relname = %s::pg_catalog.text
"""
# the table that a REFERENCES names: where the search_path leads, otherwise beside the one that refers to it
_PARENT = """
select pg_catalog.format('%%I.%%I', n.nspname, c.relname),
  array(select pg_catalog.quote_ident(a.attname::text) from pg_catalog.pg_index i,
          pg_catalog.unnest(i.indkey::int2[]) with ordinality as u (num, n)
        join pg_catalog.pg_attribute a on a.attnum = u.num
        where i.indrelid = c.oid and i.indisprimary and a.attrelid = c.oid order by u.n)
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.oid = coalesce(
  pg_catalog.to_regclass(%s::pg_catalog.text),
  pg_catalog.to_regclass(pg_catalog.format('%%I.%%s', %s::pg_catalog.text, %s::pg_catalog.text)))::oid
"""
_TRY = "BEGIN READ ONLY; SET LOCAL lock_timeout = '500ms'; SET LOCAL statement_timeout = '2s'"


@frozen
class Failure:
    """What the server said, the statement (empty where a deferred constraint was checked), and those before it."""

    diagnostic: psycopg.errors.Diagnostic
    sql: str = ""
    earlier: Sequence[str] = ()

    @property
    def is_declaring(self) -> bool:
        """Whether rows that were there before are refused, and not what the statement writes."""
        return statements.first_word(self.sql) in ("ALTER", "CREATE")


@frozen
class Advice:
    """Further lines of an error, and its hint."""

    hint: str
    details: tuple[tuple[str, str], ...] = ()


@frozen
class _Known:
    """What the catalog says now about the table, the column and the constraint; the names are SQL."""

    table: str
    column: str | None
    expression: str | None
    definition: str | None
    parent: str | None
    columns: Sequence[str]
    parent_columns: Sequence[str]
    is_full: bool
    has_period: bool


def advice(conn: Connection, failure: Failure) -> Advice | None:
    """What helps after the error; None where nothing more is known than the server said. Reads the catalog."""
    make = _MAKERS.get(failure.diagnostic.sqlstate or "")
    if make is None:
        return None
    known = None
    with suppress(psycopg.Error):  # an addition to the error: it must not hide it
        known = _look(conn, failure.diagnostic)
    return make(conn, failure, known)


def _look(conn: Connection, said: psycopg.errors.Diagnostic) -> _Known | None:
    rows = database.query(conn, _LOOK, said.column_name, said.constraint_name, said.schema_name, said.table_name)
    return _Known(*cast("Any", rows[0])) if rows else None


def _with_rows(conn: Connection, query: str | None, hint: str, otherwise: str | None = None) -> Advice:
    """The query that finds the rows, if it can run; without it the hint is `otherwise`."""
    if query is not None and _runs(conn, query):
        return Advice(hint, ((ROWS, query),))
    return Advice(otherwise or hint)


def _runs(conn: Connection, query: str) -> bool:
    """Whether the server can plan it: a column may be gone with the migration, or a name be a variable."""
    try:
        database.run(conn, _TRY)
        try:
            database.run(conn, f"EXPLAIN {query}")
        finally:
            if not conn.broken:
                database.run(conn, "ROLLBACK")
    except psycopg.Error:
        return False
    return True


# ---------------------------------------------------------------------------------------------------------- constraints


def _not_null(conn: Connection, failure: Failure, known: _Known | None) -> Advice:
    name = failure.diagnostic.column_name
    if not failure.is_declaring:
        return Advice(f"write a value into {name}, or give the column a DEFAULT")
    if known is None or known.column is None:
        return Advice(
            "the table has rows: add the column with a DEFAULT; or without NOT NULL, fill it, and SET NOT NULL later"
        )
    return _with_rows(conn, queries.nulls(known.table, known.column), "fill the column in these rows")


def _check(conn: Connection, failure: Failure, known: _Known | None) -> Advice:
    name = failure.diagnostic.constraint_name
    if name is None:
        if failure.is_declaring:
            return Advice("the table has rows that the partition must not have: move them first")
        return Advice("make the partition for this row first, or a DEFAULT partition")
    if failure.is_declaring:
        declared = _declared(failure, constraints.checks)
        expression = (known and known.expression) or (declared and declared.expression)
        query = queries.unlike(known.table, expression) if known and expression else None
        return _with_rows(conn, query, "correct these rows", "correct the rows of the table")
    rule = (("constraint", f"{name} {known.definition}"),) if known and known.definition else ()
    return Advice("write values that the constraint allows, or change the constraint first", rule)


def _unique(conn: Connection, failure: Failure, known: _Known | None) -> Advice:
    key = queries.key_of(failure.diagnostic.message_detail)
    if failure.is_declaring:
        said = constraints.unique(failure.sql)
        query = queries.duplicates(known.table, key, said) if known and key and said else None
        hint = "merge or delete what is there several times"
        return _with_rows(conn, query, hint, hint)
    query = queries.matching(known.table, key.parts, key.values) if known and key else None
    twice = "the key is there already, perhaps from a part that was run by hand, or twice in what is written"
    hint = f"{twice}: delete that row, or change one of the two"
    if key and statements.first_word(failure.sql) == "INSERT":
        hint = f"{twice}: delete that row, or let it stay with ON CONFLICT ({key.columns}) DO NOTHING"
    return _with_rows(conn, query, hint)


def _exclusion(conn: Connection, failure: Failure, known: _Known | None) -> Advice:
    if not failure.is_declaring:
        return Advice("change or delete one of the two rows that DETAIL names")
    declared = _declared(failure, constraints.exclusions)
    query = queries.conflicts(known.table, declared.elements) if known and declared else None
    return _with_rows(conn, query, "change or delete one row of each pair")


def _foreign_key(conn: Connection, failure: Failure, known: _Known | None) -> Advice:
    key = queries.key_of(failure.diagnostic.message_detail)
    if failure.is_declaring:
        query = None
        with suppress(psycopg.Error):
            query = _orphans(conn, failure, known)
        return _with_rows(
            conn,
            query,
            "delete these rows, or give them something to refer to",
            "delete the rows that refer to nothing, or insert what they refer to",
        )
    if known is None or known.parent is None or known.has_period:
        return Advice("write the row that is referred to before the one that refers to it, and delete it after that")
    if _is_about_parent(failure, known, key):
        table = failure.diagnostic.table_name or ""
        query = queries.matching(known.table, known.columns, key.values) if key and ")" not in table else None
        hint = "delete or change what refers to the row first, or give the constraint ON DELETE CASCADE or SET NULL"
        return _with_rows(conn, query, hint)
    pairs = zip(known.columns, known.parent_columns, strict=True)
    same = " AND ".join(f"p.{theirs} = {ours}" for ours, theirs in pairs)
    only = f"WHERE EXISTS (SELECT FROM {known.parent} AS p WHERE {same})"
    return Advice(f"insert the row into {known.parent} first, or write only what refers to one: {only}")


def _orphans(conn: Connection, failure: Failure, known: _Known | None) -> str | None:
    if known is None or known.has_period:
        return None
    if known.parent is not None:
        return queries.orphans(known.table, known.columns, known.parent, known.parent_columns, is_full=known.is_full)
    declared = _declared(failure, constraints.foreign_keys)
    if declared is None:
        return None
    schema = failure.diagnostic.schema_name
    rows = database.query(conn, _PARENT, declared.parent, schema, declared.parent)
    if not rows:
        return None
    parent, primary = cast("tuple[str, list[str]]", rows[0])
    theirs = declared.parent_columns or tuple(primary)
    if len(theirs) != len(declared.columns):
        return None
    return queries.orphans(known.table, declared.columns, parent, theirs, is_full=declared.is_full)


def _is_about_parent(failure: Failure, known: _Known, key: queries.Key | None) -> bool:
    """Whether a row was to go to which others refer. DETAIL names the columns of the side that the statement changes;
    where they are called the same on both sides, the statement has to tell."""
    named = [constraints.folded(part) for part in known.columns], [*map(constraints.folded, known.parent_columns)]
    ours, theirs = (", ".join(names) for names in named)
    if key and ours != theirs:
        return key.columns == theirs
    return statements.first_word(failure.sql) == "DELETE"


def _declared(failure: Failure, read: Callable[[str], Any]) -> Any:  # noqa: ANN401 (what `read` yields)
    """The constraint of that name; of the failed statement also one that has no name, if it is the only one."""
    here = list(read(failure.sql))
    if len(here) == 1 and here[0].name is None:
        return here[0]
    name = failure.diagnostic.constraint_name
    every = [*here, *(each for sql in reversed(failure.earlier) for each in read(sql))]
    return next((each for each in every if each.name == name), None)


_MAKERS: dict[str, Callable[[Connection, Failure, _Known | None], Advice]] = {
    "23502": _not_null,
    "23503": _foreign_key,
    "23505": _unique,
    "23514": _check,
    "23P01": _exclusion,
}
