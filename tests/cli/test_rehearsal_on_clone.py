"""`up --dry-run --execute --on URL`: the plan runs on a clone, for good, and is measured there."""

from __future__ import annotations

import json

import pytest

from tests.support.projects import Project

ON = ("up", "--dry-run", "--execute", "--on")
ROWS = "insert into users select n, 'u' || n from generate_series(1, 20000) n; analyze users"


@pytest.fixture
def env(database_url, cluster_cache) -> dict[str, str]:
    return {"DATABASE_URL": database_url, "XDG_CACHE_HOME": str(cluster_cache)}


@pytest.fixture
def applied(project: Project, run, env, query, database_url, twin_database_url) -> Project:
    """A project with one applied migration, on the target and on a clone with 20,000 rows."""
    project.migration("1_users", up="create table users (id int primary key, name text);", down="drop table users;")
    for url in (database_url, twin_database_url):
        assert run("up", "--no-dump-schema", env=env | {"DATABASE_URL": url}).exit_code == 0
    query(twin_database_url, ROWS)
    return project


def _by_line(answer: dict) -> dict[tuple[str, int], dict]:
    return {(each["version"], each["line"]): each for each in answer["statements"]}


def test_a_wait_in_a_lock_is_reported_with_its_statement_and_the_stalled_query(
    applied, run, env, query, database_url, twin_database_url
):
    applied.migration("2_mail", up="alter table users add mail text;\nselect pg_sleep(3);")
    summary = applied.root / "summary.md"
    traffic = "select name from users where id = 7"

    done = run(*ON, twin_database_url, "--traffic", traffic, "--summary", str(summary), env=env)

    assert done.exit_code == 0, done.stderr
    print(done.stdout, done.stderr, summary.read_text())
    assert query(database_url, "select version from schema_migrations") == [("1",)]
    assert query(twin_database_url, "select version from schema_migrations order by 1") == [("1",), ("2",)]
