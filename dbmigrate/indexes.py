"""What concurrent index statements leave behind. An interrupted one leaves an index that is not valid: it is updated
by every writer, used by no query and, if unique, enforces nothing.

https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate import database
from dbmigrate.statements import IndexAction, IndexTarget
from dbmigrate.values import dataclass

if TYPE_CHECKING:
    from dbmigrate.database import Connection
    from dbmigrate.statements import IndexOperation

# indexes that are not valid, with their table; a partitioned index is invalid until all of its parts are there, and a
# running build is somebody's work in progress
_INVALID = """
select pg_catalog.format('%%I.%%I', n.nspname, i.relname), n.nspname::text, i.relname::text, t.relname::text
from pg_catalog.pg_index x
join pg_catalog.pg_class i on i.oid = x.indexrelid and i.relkind = 'i'
join pg_catalog.pg_class t on t.oid = x.indrelid
join pg_catalog.pg_namespace n on n.oid = i.relnamespace
where not x.indisvalid and not exists (
  -- other people's builds show no index to roles that may not look at them, and "not in" would then find nothing at all
  select from pg_catalog.pg_stat_progress_create_index p where p.index_relid = i.oid)
order by i.oid
"""
_SCHEMA_OF = """
select n.nspname::text, c.relname::text from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.oid = pg_catalog.to_regclass(case when %s::text is null then '' else pg_catalog.quote_ident(%s::text) || '.' end
                                     || pg_catalog.quote_ident(%s::text))
"""


@dataclass(frozen=True, slots=True)
class Scope:
    """Where an operation's leftovers would be, its names resolved while the file's search_path is in force.

    `schema` and `name` are the index's own, as far as the statement names it; `table` is its table's name.
    """

    operation: IndexOperation
    schema: str | None
    name: str | None
    table: str | None = None


def resolve(conn: Connection, operation: IndexOperation) -> Scope:
    """The scope of an operation that is about to run, or that an earlier run began."""
    named = operation.table if operation.action is IndexAction.CREATE else operation.name
    schema = operation.schema
    if named is not None and operation.target in (IndexTarget.INDEX, IndexTarget.TABLE):
        rows = database.query(conn, _SCHEMA_OF, schema, schema, named)
        schema = str(rows[0][0]) if rows else schema
    table = operation.name if operation.target is IndexTarget.TABLE else operation.table
    return Scope(operation, schema, operation.name, table)


def leftovers(conn: Connection, scope: Scope) -> tuple[str, ...]:
    """The quoted names of invalid indexes that the operation can have left."""
    return tuple(str(row[0]) for row in database.query(conn, _INVALID) if _belongs(scope, *map(str, row[1:])))


def _belongs(scope: Scope, schema: str, name: str, table: str) -> bool:
    operation = scope.operation
    if operation.action is IndexAction.REINDEX:
        return _is_transient(name) and _is_reindexed(scope, schema, name, table)
    if scope.schema is not None and schema != scope.schema:
        return False
    return name == scope.name if scope.name is not None else table == scope.table


def _is_transient(name: str) -> bool:
    """REINDEX CONCURRENTLY builds ``x_ccnew`` beside ``x`` and leaves ``x_ccold``, numbered when they are taken."""
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


def is_done(conn: Connection, scope: Scope) -> bool:
    """Whether the database looks as it does after the operation, though nobody saw it end."""
    if leftovers(conn, scope) or scope.name is None:
        return False
    exists = bool(database.query(conn, _SCHEMA_OF, scope.schema, scope.schema, scope.name))
    if scope.operation.action is IndexAction.CREATE:
        return exists
    return scope.operation.action is IndexAction.DROP and not exists
