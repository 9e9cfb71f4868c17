"""Several runs on a server that has nothing yet: no database, no schema, no table."""

from __future__ import annotations

import pytest


def name_of(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


def finish(processes) -> list[tuple[int, str, str]]:
    return [(process.returncode, *texts) for process in processes for texts in [process.communicate(timeout=60)]]


@pytest.fixture
def ours(project):
    project.migration("1_a", up="create table tally (n int);\ninsert into tally values (1);")
    project.migration("2_b", up="insert into tally values (2);")
    return project


def test_runs_that_create_the_database_at_once_all_succeed(ours, start, server, make_database, query) -> None:
    url = make_database()
    server.drop(name_of(url))
    runs = finish([start("up", "--no-dump-schema", env={"DATABASE_URL": url}) for _ in range(4)])

    assert [code for code, _, _ in runs] == [0] * 4, runs
    assert query(url, "select n from tally order by n") == [(1,), (2,)]


def test_runs_that_create_the_tables_at_once_all_succeed(ours, start, database_url, query) -> None:
    runs = finish([start("up", "--no-dump-schema", env={"DATABASE_URL": database_url}) for _ in range(4)])

    assert [code for code, _, _ in runs] == [0] * 4, runs
    assert query(database_url, "select n from tally order by n") == [(1,), (2,)]


def test_runs_with_tables_of_their_own_create_their_common_schema_at_once(project, start, database_url, query) -> None:
    """They have different locks, so nothing but the server keeps them apart."""
    project.migration("1_a", up="select 1;")
    runs = finish(
        [
            start("up", "--no-dump-schema", "--migrations-table", f"meta.of_{n}", env={"DATABASE_URL": database_url})
            for n in range(4)
        ]
    )

    assert [code for code, _, _ in runs] == [0] * 4, runs
    assert query(database_url, "select count(*) from pg_tables where schemaname = 'meta'") == [(8,)]


def test_create_of_a_database_that_exists_says_so(run, database_url) -> None:
    done = run("create", env={"DATABASE_URL": database_url})

    assert done.exit_code == 4
    assert "already exists" in done.stderr
