"""The last words of a transaction: what is recorded is recorded in the transaction that did the work."""

from __future__ import annotations

import psycopg
import pytest

from dbmigrate.execution.transaction_end import closing


@pytest.fixture
def conn(database_url):
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("begin")
        yield conn
        conn.execute("rollback")


def current(conn):
    return conn.execute("select pg_current_xact_id()::text").fetchone()[0]


def test_the_transaction_that_was_begun_may_be_recorded(conn):
    begun = current(conn)

    conn.execute(closing(f"'{begun}'"))

    assert current(conn) == begun


def test_another_transaction_than_the_one_that_was_begun_is_not_recorded(conn):
    begun = int(current(conn)) - 1

    with pytest.raises(psycopg.errors.InvalidTextRepresentation, match="the migration left its transaction"):
        conn.execute(closing(f"'{begun}'"))
