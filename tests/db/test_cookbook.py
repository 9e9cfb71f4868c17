"""The files of the cookbook, with rows in the tables: both forms work in between, and nothing is lost at the end."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "cookbook.md").read_text("utf-8")
FILES = dict(re.findall(r'^```sql title="db/migrations/([^"]+)"\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL))


@pytest.fixture
def up(run, project, database_url):
    """`up(*options)` with the files of the page."""
    for name, text in FILES.items():
        (project.migrations / name).write_text(text, "utf-8")

    def apply(*options):
        done = run("up", *options, env={"DATABASE_URL": database_url, "DBMIGRATE_NO_DUMP_SCHEMA": "true"})
        assert done.exit_code == 0, done.stderr
        return done

    return apply


def test_between_expand_and_contract_both_names_work(up, database_url) -> None:
    up("--to", "20260406090001")

    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("insert into customers (mail) values ('old@example.com')")
        conn.execute("insert into customers (email) values ('new@example.com')")
        conn.execute("update customers set mail = 'a@example.com' where id = 1")
        conn.execute("update customers set email = 'b@example.com' where id = 2")
        unequal = conn.execute("select * from customers where mail is distinct from email").fetchall()
        both = conn.execute("select email from customers where id in (1, 2, 501, 502) order by id").fetchall()

    assert unequal == []
    assert both == [("a@example.com",), ("b@example.com",), ("old@example.com",), ("new@example.com",)]
    up("--to", "20260406090002")


def test_while_a_type_changes_old_code_writes_the_old_one(up, database_url, query) -> None:
    up("--to", "20260408090002")
    token = "0b1ff5d5-1d0f-4a4e-9a6c-2d7c1f0e8a11"

    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("insert into orders (customer_id, amount, reference) values (1, 5, %s)", [token])
        conn.execute("update orders set reference = upper(reference) where id = 1")
    up("--to", "20260408090003")

    found = query(database_url, "select pg_typeof(reference)::text, count(*), count(reference) from orders group by 1")
    assert found == [("uuid", 2001, 2001)]
    assert query(database_url, f"select amount from orders where reference = '{token}'") == [(5,)]


def test_no_recipe_loses_a_row(up, database_url, query) -> None:
    up("--to", "20260401090000")
    references = "select md5(string_agg(reference::text, ' ' order by id)) from orders"
    before = query(database_url, references)

    done = up()

    assert f"{len(FILES) - 1} applied" in done.stderr
    assert query(database_url, references) == before
    orders = "select count(*), count(*) filter (where state = 'review'), count(distinct channel) from orders"
    assert query(database_url, orders) == [(2000, 1000, 1)]
    whole = (
        "select count(*) from customers c join addresses a on a.customer_id = c.id"
        " where c.email = 'customer' || c.id || '@example.com' and a.street = 'Street ' || c.id and a.town = 'Basel'"
    )
    assert query(database_url, whole) == [(500,)]
    invalid = "select count(*) from pg_constraint where not convalidated"
    assert query(database_url, invalid) == [(0,)]
    assert query(database_url, "select count(*) from pg_index where not indisvalid") == [(0,)]


def test_every_file_of_the_page_is_a_file_that_is_run() -> None:
    assert len(FILES) == PAGE.count("```sql ") == 27
    assert f"Applied: {len(FILES)}\nPending: 0\n" in PAGE
