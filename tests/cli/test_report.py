"""`report`: the page of real databases, whatever is wrong with one of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.catalog import fingerprint
from tests.support.pages import Page


@pytest.fixture
def report(run, project, cluster_cache: Path):
    """Runs `report`; returns the page that it wrote and the run."""
    cluster_cache.mkdir(parents=True, exist_ok=True)

    def report(*arguments: str, env: dict[str, str]):
        written = project.root / "report.html"
        written.unlink(missing_ok=True)
        variables = {"XDG_CACHE_HOME": str(cluster_cache), "DBMIGRATE_NO_DUMP_SCHEMA": "true", **env}
        done = run(*arguments, env=variables)
        assert done.exit_code == 0, done.stderr
        return Page.read(written), done

    return report


@pytest.fixture
def shop(project):
    project.migration(
        "1_users", up="create table users (id int primary key, email text not null);", down="drop table users;"
    )
    project.migration(
        "2_orders",
        up="create table orders (id int primary key, user_id int not null references users);",
        down="drop table orders;",
    )
    return project


def test_the_page_has_everything_in_its_order(report, run, shop, database_url, query):
    done = run("up", "--no-dump-schema", env={"DATABASE_URL": database_url})
    assert done.exit_code == 0, done.stderr
    query(database_url, "insert into users select n, n from generate_series(1, 400000) n; analyze users")
    shop.migration("3_notes", up="-- Notes of customers, SHOP-17\nalter table orders add column note text;")
    shop.migration("4_wide", up="alter table users alter column id type bigint;")
    before = fingerprint(database_url)

    page, done = report("report", env={"DATABASE_URL": database_url})

    assert re.fullmatch(r"wrote report\.html \([\d.]+ kB\): 2 pending, 2 tables, 1 environment\n", done.stdout)
    assert page.headings == [
        "Environments",
        "Pending, and what it locks and destroys",
        "What changes",
        "History",
        "Schema: 2 tables",
    ]
    assert "1 pending statement would block others for long" in page.text
    assert page.files == ["4_wide.sql", "3_notes.sql"]  # the worst first
    assert "Notes of customers, SHOP-17" in page.text
    assert "alter table users alter column id type bigint;" in page.text
    assert "ACCESS EXCLUSIVE" in page.text
    assert "rewrites ≈ 400 k rows" in page.text
    assert page.states("change") == {
        "table public.orders": "chg",
        "column public.orders.note": "add",
        "table public.users": "chg",
        "column public.users.id": "chg",
    }
    assert fingerprint(database_url) == before


def test_nothing_pending_and_no_history(report, shop, database_url, run):
    page, _ = report("report", env={"DATABASE_URL": database_url, "DBMIGRATE_MIGRATIONS_DIR": "db/migrations"})
    assert "No run is logged." in page.text

    assert run("up", "--no-dump-schema", env={"DATABASE_URL": database_url}).exit_code == 0
    page, _ = report("report", env={"DATABASE_URL": database_url})

    assert "Nothing is pending." in page.text
    assert page.states("change") == {}
    assert page.states("schema") == {}
    assert page.has_object("schema", "table public.orders")
    assert "1_users.sql · applied" in page.text
