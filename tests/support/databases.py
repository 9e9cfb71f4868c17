"""Fresh databases for tests, and what must not be left in them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import psycopg

from tests.support.servers import DatabaseServer

MakeDatabase = Callable[..., str]

LEFTOVERS = """
    select 'session ' || pid || ' (' || application_name || '): ' || left(query, 200)
    from pg_stat_activity
    where datname = %(name)s and application_name like 'dbmigrate%%'
    union all
    select 'advisory lock ' || classid || '/' || objid || ' of pid ' || pid
    from pg_locks
    where locktype = 'advisory' and database = (select oid from pg_database where datname = %(name)s)
"""

_numbers = count(1)


def query(url: str, statement: str, parameters: Any = None) -> list[tuple[Any, ...]]:
    """Run SQL in a session of its own and return the rows of its last result; each statement commits."""
    with psycopg.connect(url, autocommit=True) as conn:
        cursor = conn.execute(statement.encode(), parameters)
        while cursor.nextset():
            pass
        return cursor.fetchall() if cursor.description else []


@contextmanager
def fresh_databases(server: DatabaseServer, *, prefix: str) -> Iterator[tuple[MakeDatabase, list[str]]]:
    """A function that makes an empty database and returns its URL, and the names made; all are dropped at the end."""
    names: list[str] = []

    def make(name: str | None = None) -> str:
        names.append(f"{prefix}_{next(_numbers)}" if name is None else name)
        server.create(names[-1])
        return server.url(names[-1])

    try:
        yield make, names
    finally:
        for name in names:
            server.drop(name)


def leftovers(server: DatabaseServer, name: str, *, patience: float = 3.0) -> list[str]:
    """Sessions and advisory locks of ours in a database, after the moment that a server needs to end a session."""
    end = time.monotonic() + patience
    while found := [str(row[0]) for row in server.admin.execute(LEFTOVERS, {"name": name}).fetchall()]:
        if time.monotonic() > end:
            break
        time.sleep(0.02)
    return found
