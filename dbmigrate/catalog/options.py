"""Which of the options that the system catalogs keep can be set by a user: only those are compared.

A server may keep notes of its own among them. The minor releases of November 2026 write ``pg_attver=<number>`` into the
options of every column, another number in each database and after each change. So the names that count are the ones
that PostgreSQL's documentation lists; other options are the server's own.
https://www.postgresql.org/docs/18/sql-createtable.html#SQL-CREATETABLE-STORAGE-PARAMETERS
https://www.postgresql.org/docs/18/sql-createindex.html#SQL-CREATEINDEX-STORAGE-PARAMETERS
https://www.postgresql.org/docs/18/sql-createview.html
"""

from __future__ import annotations

from dbmigrate.schema import columns

COLUMN = columns.OPTIONS
# of a table and, with ``toast.`` before it, of its out-of-line data
_VACUUMED = (
    "autovacuum_enabled",
    "autovacuum_freeze_max_age",
    "autovacuum_freeze_min_age",
    "autovacuum_freeze_table_age",
    "autovacuum_multixact_freeze_max_age",
    "autovacuum_multixact_freeze_min_age",
    "autovacuum_multixact_freeze_table_age",
    "autovacuum_vacuum_cost_delay",
    "autovacuum_vacuum_cost_limit",
    "autovacuum_vacuum_insert_scale_factor",
    "autovacuum_vacuum_insert_threshold",
    "autovacuum_vacuum_max_threshold",  # since 18
    "autovacuum_vacuum_scale_factor",
    "autovacuum_vacuum_threshold",
    "log_autovacuum_min_duration",
    "vacuum_index_cleanup",
    "vacuum_max_eager_freeze_failure_rate",  # since 18
    "vacuum_truncate",
)
TABLE = (
    *_VACUUMED,
    "autovacuum_analyze_scale_factor",
    "autovacuum_analyze_threshold",
    "fillfactor",
    "parallel_workers",
    "toast_tuple_target",
    "user_catalog_table",
)
TOAST = _VACUUMED
INDEX = (
    "fillfactor",  # btree, hash, gist, spgist
    "deduplicate_items",  # btree
    "vacuum_cleanup_index_scale_factor",  # btree, up to 13; later servers keep what an upgrade brought along
    "buffering",  # gist
    "fastupdate",  # gin
    "gin_pending_list_limit",  # gin
    "autosummarize",  # brin
    "pages_per_range",  # brin
)
VIEW = ("check_option", "security_barrier", "security_invoker")

_FIRST_OID = 16384  # what is below is PostgreSQL's own (FirstNormalObjectId, src/include/access/transam.h)


def text(options: str, names: tuple[str, ...], *, access_method: str | None = None) -> str:
    """SQL: the options of a text[] that are in `names`, as one text in their order; null where there are none.

    `access_method` is the oid of one that an extension may have brought along. Its options are in no list of ours:
    there all count but those with PostgreSQL's own prefix.
    """
    chosen = _chosen(names, access_method)
    return (
        f"case when {options} is not null then"
        f" (select string_agg(o, ', ' order by o) from unnest({options}) o where {chosen}) end"
    )


def array(options: str, names: tuple[str, ...], *, access_method: str | None = None) -> str:
    """SQL: the same as an array, empty where there are none."""
    return f"array(select o from unnest({options}) o where {_chosen(names, access_method)} order by o)"


def _chosen(names: tuple[str, ...], access_method: str | None) -> str:
    listed = f"split_part(o, '=', 1) in ({', '.join(map(repr, names))})"
    return listed if access_method is None else f"({listed} or ({access_method} >= {_FIRST_OID} and o !~ '^pg_'))"
