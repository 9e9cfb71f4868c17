"""Leftovers of concurrent index statements, and whether such a statement took effect.

An interrupted one leaves an invalid index: every writer updates it, no query uses it, and a unique one does not enforce
uniqueness for the rows that were there.

https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import psycopg

from dbmigrate.connection import database
from dbmigrate.execution.step_outcome import Leftover, Outcome
from dbmigrate.frozen import frozen
from dbmigrate.sql import placed_words
from dbmigrate.sql.statements import IndexAction, IndexTarget

if TYPE_CHECKING:
    from dbmigrate.connection.database import Connection
    from dbmigrate.execution.step_outcome import Before
    from dbmigrate.sql.statements import IndexOperation

# invalid indexes, with their table; not partitioned ones, which are invalid until all of their parts are there, and not
# those that another session is building now
_INVALID = """
select i.oid::text, pg_catalog.format('%%I.%%I', n.nspname, i.relname), n.nspname::text, i.relname::text,
       t.relname::text
from pg_catalog.pg_index x
join pg_catalog.pg_class i on i.oid = x.indexrelid and i.relkind = 'i'
join pg_catalog.pg_class t on t.oid = x.indrelid
join pg_catalog.pg_namespace n on n.oid = i.relnamespace
where not x.indisvalid and not exists (
  -- for roles without pg_read_all_stats, builds of other roles have a null here, and "not in" would find nothing
  select from pg_catalog.pg_stat_progress_create_index p where p.index_relid = i.oid)
order by i.oid
"""
_SCHEMA_OF = """
select n.nspname::text, c.relname::text from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.oid = pg_catalog.to_regclass(case when %s::text is null then '' else pg_catalog.quote_ident(%s::text) || '.' end
                                     || pg_catalog.quote_ident(%s::text))
"""
# the indexes of a table, and whatever else has the wanted name: indexes share one name space with tables
_PRESENT = """
select c.oid::text, c.relname::text, coalesce(t.relname::text = %s::text, false), coalesce(x.indisvalid, false)
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
left join pg_catalog.pg_index x on x.indexrelid = c.oid
left join pg_catalog.pg_class t on t.oid = x.indrelid
where n.nspname::text = %s::text and (c.relname::text = %s::text or t.relname::text = %s::text)
"""
_DEFINITION = "select indisunique, pg_catalog.pg_get_indexdef(indexrelid) from pg_catalog.pg_index where"
_CLONE = "dbmigrate_clone"


@frozen
class Scope:
    """Where an operation's leftovers would be, its names resolved while the file's search_path is in force.

    `schema` and `name` are those of the index, as far as the statement names it; `table` is its table's name.
    """

    operation: IndexOperation
    schema: str | None
    name: str | None
    table: str | None = None


def resolve(conn: Connection, operation: IndexOperation) -> Scope:
    """The scope of an operation that is about to run, or that an interrupted run started."""
    named = operation.table if operation.action is IndexAction.CREATE else operation.name
    schema = operation.schema
    if named is not None and operation.target in (IndexTarget.INDEX, IndexTarget.TABLE):
        rows = database.query(conn, _SCHEMA_OF, schema, schema, named)
        schema = str(rows[0][0]) if rows else schema
    table = operation.name if operation.target is IndexTarget.TABLE else operation.table
    return Scope(operation, schema, operation.name, table)


class _Present(NamedTuple):
    """An index of the table, or a relation that has the wanted name."""

    oid: str
    name: str
    is_on_table: bool
    is_valid: bool


@frozen
class IndexProbe:
    """Looks up the outcome of a concurrent index statement, `sql`."""

    scope: Scope
    sql: str

    def before(self, conn: Connection) -> Before:
        """The table's indexes, and the relation that has the index's name already; for DROP the index itself."""
        return frozenset(item.oid for item in self._present(conn))

    def leftovers(self, conn: Connection, before: Before | None) -> tuple[Leftover, ...]:
        """The invalid indexes that the operation can have left."""
        return tuple(
            Leftover(name, "W640", f"the invalid index {name}, a leftover, is dropped", _dropping(name))
            for oid, name, *names in (tuple(map(str, row)) for row in database.query(conn, _INVALID))
            if self._belongs(*names) and self._can_be_leftover(oid, before)
        )

    def outcome(self, conn: Connection, before: Before | None) -> Outcome:
        action = self.scope.operation.action
        if action is IndexAction.REINDEX:
            return Outcome.UNKNOWN
        present = self._present(conn)
        if action is IndexAction.DROP:
            is_there = present if before is None else before & {item.oid for item in present}
            return Outcome.UNDONE if is_there or before == frozenset() else Outcome.DONE
        return self._built(conn, before, present)

    def _built(self, conn: Connection, before: Before | None, present: tuple[_Present, ...]) -> Outcome:
        """Done means: an index on that table, with that definition, valid, that was not there before."""
        name = self.scope.name
        new = [item for item in present if item.is_on_table and item.is_valid and item.oid not in (before or ())]
        fitting = [item for item in new if name in (None, item.name) and self._is_as_defined(conn, item.oid)]
        if fitting:
            return Outcome.UNKNOWN if name is None and before is None else Outcome.DONE
        is_taken = name is not None and any(item.name == name for item in present)
        return Outcome.UNKNOWN if is_taken and not self.scope.operation.is_lenient else Outcome.UNDONE

    def _present(self, conn: Connection) -> tuple[_Present, ...]:
        scope = self.scope
        if scope.operation.action is IndexAction.REINDEX:
            return ()
        rows = database.query(conn, _PRESENT, scope.table, scope.schema, scope.name, scope.table)
        return tuple(_Present(str(row[0]), str(row[1]), bool(row[2]), bool(row[3])) for row in rows)

    def _can_be_leftover(self, oid: str, before: Before | None) -> bool:
        """IF NOT EXISTS finds the leftover of an earlier attempt by name; a name that the server chooses is new."""
        if before is None or self.scope.operation.action is IndexAction.REINDEX:
            return True
        if self.scope.operation.action is IndexAction.DROP:
            return oid in before
        return self.scope.name is not None or oid not in before

    def _belongs(self, schema: str, name: str, table: str) -> bool:
        scope = self.scope
        if scope.operation.action is IndexAction.REINDEX:
            return _is_transient(name) and _is_reindexed(scope, schema, name, table)
        if scope.schema is not None and schema != scope.schema:
            return False
        return scope.name in (None, name) and scope.table in (None, table)

    def _is_as_defined(self, conn: Connection, oid: str) -> bool:
        """Whether an index is the one that the statement makes: the server builds that on an empty copy of the table.

        False where the server refuses that, for example to a role that must not create temporary tables.
        """
        copy = _on_copy(self.scope, self.sql)
        if copy is None:
            return False
        try:
            database.run(conn, copy)
            made = database.query(conn, f"{_DEFINITION} indrelid = 'pg_temp.{_CLONE}'::pg_catalog.regclass")
            found = database.query(conn, f"{_DEFINITION} indexrelid = %s::text::oid", oid)
            return [_comparable(*row) for row in made] == [_comparable(*row) for row in found]
        except psycopg.Error:
            if conn.closed or conn.broken:
                raise
            return False
        finally:
            if not conn.closed and not conn.broken:
                database.run(conn, "rollback")


def _dropping(name: str) -> str:
    return f"drop index concurrently if exists {name}"


def _comparable(is_unique: object, definition: object) -> tuple[object, str]:
    """The definition without the names of index and table, which differ in the copy."""
    return is_unique, str(definition).partition(" USING ")[2]


def _on_copy(scope: Scope, sql: str) -> str | None:
    """The statement for an empty copy of the table, in a transaction that has to be rolled back.

    As the login role, because a role that the file sets may lack the right to make the copy. Its search_path stays.
    """
    if scope.schema is None or scope.table is None:
        return None
    found_words = list(placed_words(sql))
    texts = [word.text for word in found_words]
    at = texts.index("ON") + 1
    at += texts[at] == "ONLY"
    while texts[at + 1 : at + 2] == ["."]:
        at += 2
    rest = sql[found_words[at].end :]
    original = ".".join('"{}"'.format(name.replace('"', '""')) for name in (scope.schema, scope.table))
    return (
        "begin read write;\nset local session authorization default;\nset local role to default;\n"
        "set local lock_timeout = '3s';\n"
        f"create temporary table {_CLONE} (like {original});\n"
        f"create {'unique ' if scope.operation.is_unique else ''}index on pg_temp.{_CLONE}{rest}"
        + ("" if rest.endswith(";") else "\n;")
    )


def _is_transient(name: str) -> bool:
    """REINDEX CONCURRENTLY builds ``x_ccnew`` beside ``x`` and leaves ``x_ccold``, numbered if these exist."""
    return any(mark in name for mark in ("_ccnew", "_ccold"))


def _is_reindexed(scope: Scope, schema: str, name: str, table: str) -> bool:
    target = scope.operation.target
    if target is IndexTarget.SCHEMA:
        return schema == scope.name
    if target in (IndexTarget.INDEX, IndexTarget.TABLE) and scope.schema not in (None, schema):
        return False
    if target is IndexTarget.TABLE:
        return table == scope.table
    return target is not IndexTarget.INDEX or name.startswith((scope.name or "")[:50])
