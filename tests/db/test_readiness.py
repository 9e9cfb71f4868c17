"""`Migrator.pending()` and `is_current()`: what a health check asks, and what it costs."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbmigrate import Error, Migrator, Options
from dbmigrate.model import Goal
from tests.support import faults
from tests.support.counting import connections, round_trips
from tests.support.proxy import Proxy


@pytest.fixture
def migrator(project, database_url):
    project.migration("1_a", up="create table a (id int primary key, n int);\ninsert into a values (1);")
    project.migration("2_b", up="create table b (id int);", down="drop table b;")

    return Migrator(database_url, Options(directories=(str(project.migrations),)))


def names(migrator):
    return [row.name for row in migrator.pending()]


def test_what_up_would_run_is_pending(migrator):
    assert (names(migrator), migrator.is_current()) == (["1_a.sql", "2_b.sql"], False)

    migrator.up(Goal(steps=1))
    assert (names(migrator), migrator.is_current()) == (["2_b.sql"], False)

    migrator.up()
    assert (names(migrator), migrator.is_current()) == ([], True)


def test_it_agrees_with_status(migrator, project):
    migrator.up()
    project.migration("3_c", up="select 1;\nselect 1/0;", up_options="transaction:false")
    project.migration("4_d", up="update a set n = 1 where :batch;", up_options="backfill:a")

    assert migrator.pending() == migrator.status().pending


def test_an_older_release_is_current_on_a_newer_database(migrator, project):
    migrator.up()
    Path(project.migrations / "2_b.sql").unlink()

    assert migrator.is_current()


def test_without_files_nothing_is_current(migrator, project):
    for path in project.migrations.iterdir():
        path.unlink()

    with pytest.raises(Error) as found:
        migrator.is_current()

    assert (migrator.pending(), found.value.code) == ((), "E230")


def test_a_server_that_is_gone_is_an_error(project, unused_port):
    project.migration("1_a", up="select 1;")

    with pytest.raises(Error) as found:
        Migrator(f"postgres://x@127.0.0.1:{unused_port}/x", Options((str(project.migrations),))).is_current()

    assert found.value.code == "E301"


def test_a_role_that_may_only_read_can_ask(migrator, server, database_url, project, query):
    migrator.up()
    with faults.plain_role(server, database_url) as url:
        reading = Migrator(url, Options(directories=(str(project.migrations),)))
        with pytest.raises(Error) as found:
            reading.is_current()
        role = url.partition("//")[2].partition(":")[0]
        query(database_url, f"grant select on schema_migrations, schema_migrations_log to {role}")
        assert reading.is_current()

    assert found.value.exit_code == 4


def test_it_costs_one_connection_and_few_messages(server, migrator, project, database_url):
    migrator.up()
    name = database_url.partition("?")[0].rpartition("/")[2]
    with Proxy(server) as proxy:
        assert Migrator(proxy.url(name), Options(directories=(str(project.migrations),))).is_current()
        assert connections(proxy.seen) == 1
        assert round_trips(proxy.seen) <= 6
