"""The server's own cleaning in the way of a migration: it gives way to those who wait for a second, not before."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import psycopg
import pytest

from dbmigrate.api.migrator import Migrator, Options
from tests.support.backfills import Told, counters, fill, migrator, project_of
from tests.support.children import eventually
from tests.support.clusters import another_server

AT_WORK = "select query from pg_stat_activity where backend_type = 'autovacuum worker' and query like '%public.a%'"


SAVING = (
    "select query from pg_stat_activity where backend_type = 'autovacuum worker'"
    " and query like '%public.t (to prevent wraparound)%'"
)
AGE = "do $$ begin for i in 1..60000 loop perform txid_current(); commit; end loop; end $$"


@pytest.fixture
def url(server) -> Iterator[str]:
    """A database of a server of its own, where one table is being vacuumed as slowly as can be."""
    cleaning = {"autovacuum": "on", "autovacuum_naptime": "1s"}
    with another_server(server, cleaning) as running:
        running.create("app")
        yield running.url("app")


def test_autovacuum_is_waited_for_long_enough_to_give_way(url, project, query):
    slow = "autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1, autovacuum_vacuum_threshold = 1"
    query(url, f"create table a (n int, t text) with ({slow}, autovacuum_vacuum_scale_factor = 0)")
    query(url, "insert into a select n, repeat('x', 500) from generate_series(1, 20000) n")
    query(url, "delete from a where n % 2 = 0")
    project.migration("1_a", up="alter table a add column m int;")
    assert eventually(lambda: query(url, AT_WORK) != [], seconds=30)
    heard = []
    started = time.monotonic()

    Migrator(url, Options(directories=(str(project.migrations),)), on_event=heard.append).migrate()

    retries = [event for event in heard if type(event).__name__ == "Retrying"]
    assert len(retries) == 1  # half a second is too short for it, two are not; nobody waits for its end
    assert "autovacuum" in retries[0].blockers[0]
    assert time.monotonic() - started < 20
    assert query(url, "select version from schema_migrations") == [("1",)]


@pytest.fixture
def aging(server) -> Iterator[str]:
    """A database of a server of its own that vacuums against wraparound after 100,000 transactions."""
    settings = {"autovacuum": "on", "autovacuum_naptime": "1s", "autovacuum_freeze_max_age": "100000"}
    with another_server(server, settings) as running:
        running.create("app")
        yield running.url("app")


def test_a_backfill_waits_for_a_vacuum_that_prevents_wraparound(aging, project, query):
    """The vacuum has to freeze a row whose page somebody reads: that holds it for as long as the test needs."""
    fill(aging, number=1000)
    query(aging, AGE)
    told = Told()
    with psycopg.connect(aging) as reader:
        reader.execute("declare held cursor for select from t")
        reader.execute("fetch 1 from held")
        query(aging, AGE)
        assert eventually(lambda: query(aging, SAVING) != [], seconds=60)
        project_of(project, options="pause:0")
        backfill = threading.Thread(target=migrator(aging, project, told).up)
        backfill.start()
        assert eventually(lambda: "public.t is being vacuumed to prevent wraparound" in told.waits, seconds=30)
        untouched = counters(aging)
    backfill.join(timeout=60)

    assert untouched == (0, 0, 1000)
    assert counters(aging) == (1, 1, 1000)
    assert not backfill.is_alive()
