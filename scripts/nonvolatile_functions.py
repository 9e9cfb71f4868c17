"""Write dbmigrate/lint/sql/nonvolatile_functions.txt: PostgreSQL's functions that are not volatile.

Run it with the newest PostgreSQL: ``python scripts/nonvolatile_functions.py postgres://localhost/postgres``.
A name is in the file if no function of that name in pg_catalog is volatile; what cannot be called from SQL is left out.
"""

from __future__ import annotations

import sys
from pathlib import Path

import psycopg

TARGET = Path(__file__).resolve().parent.parent / "dbmigrate" / "lint" / "sql" / "nonvolatile_functions.txt"
QUERY = """
    select p.proname
    from pg_catalog.pg_proc p
    join pg_catalog.pg_type r on r.oid = p.prorettype
    where p.pronamespace = 'pg_catalog'::regnamespace
      and p.prokind = 'f'
      and r.typname not in ('internal', 'trigger', 'event_trigger', 'language_handler', 'fdw_handler',
                            'index_am_handler', 'table_am_handler', 'tsm_handler', 'void')
      and not 'internal'::regtype = any (p.proargtypes)
    group by p.proname
    having bool_and(p.provolatile <> 'v')
    order by p.proname collate "C"
"""


def nonvolatile_functions(connection: psycopg.Connection) -> list[str]:
    """The names, from a server."""
    return [name for (name,) in connection.execute(QUERY)]


def text_of(names: list[str]) -> str:
    """The file: a name a line."""
    return "".join(f"{name}\n" for name in names)


if __name__ == "__main__":
    with psycopg.connect(sys.argv[1]) as server:
        TARGET.write_text(text_of(nonvolatile_functions(server)), "ascii")
