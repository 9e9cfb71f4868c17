"""What `statements.classify` says, compared with what the server does inside a transaction block."""

from __future__ import annotations

import psycopg
import pytest

from tests.unit.sql.test_statements import OUTSIDE, PLAIN

REFUSED = ("25001", "2D000")  # active_sql_transaction; invalid_transaction_termination
# these need objects (a subscription, a partition) or are of a version that is not out before the server refuses them
NEEDS_MORE = ("REPACK", "DROP SUBSCRIPTION", "ALTER SUBSCRIPTION")
SINCE = {"REINDEX (CONCURRENTLY": 14, "REINDEX (VERBOSE, CONCURRENTLY": 14, "ALTER TABLE": 14, "CLUSTER (": 17}


def sqlstate_inside_a_transaction(url: str, sql: str) -> str | None:
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("BEGIN")
        try:
            conn.execute(sql.encode())
        except psycopg.Error as exc:
            return exc.sqlstate
        finally:
            conn.execute("ROLLBACK")
    return None


def test_the_server_refuses_what_is_called_outside(database_url: str, server):
    unknown = tuple(head for head, since in SINCE.items() if server.major < since)
    refused = [sql for sql in OUTSIDE if not sql.startswith(NEEDS_MORE + unknown)]

    wrong = {
        sql: state for sql in refused if (state := sqlstate_inside_a_transaction(database_url, sql)) not in REFUSED
    }

    assert wrong == {}


def test_the_server_does_not_refuse_what_is_called_plain(database_url: str):
    wrong = {sql: state for sql in PLAIN if (state := sqlstate_inside_a_transaction(database_url, sql)) in REFUSED}

    assert wrong == {}


@pytest.mark.parametrize("sql", ["SELECT 1", "VACUUM"])
def test_the_comparison_tells_them_apart(database_url: str, sql: str):
    assert (sqlstate_inside_a_transaction(database_url, sql) in REFUSED) == (sql == "VACUUM")
