"""What a database holds after a program was at work in it. The log, which only dbmigrate keeps, is left out."""

from __future__ import annotations

from tests.support.databases import query

_TABLES = """
    select case when n.nspname = 'public' then '' else n.nspname || '.' end || c.relname
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind = 'r' and n.nspname not in ('pg_catalog', 'information_schema') and c.relname not like '%\\_log'
    order by 1
"""


def tables(url: str) -> list[str]:
    """The tables by name, with their schema unless that is ``public``."""
    return [row[0] for row in query(url, _TABLES)]


def versions(url: str, *, table: str = "schema_migrations") -> list[str]:
    """The rows of the tracking table; none where it does not exist."""
    if scalar(url, f"select to_regclass('{table}')") is None:
        return []
    return [row[0] for row in query(url, f"select version from {table} order by version")]


def scalar(url: str, statement: str) -> object:
    """The one value that a query returns."""
    [[value]] = query(url, statement)
    return value
