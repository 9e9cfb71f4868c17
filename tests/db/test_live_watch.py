"""What is shown while a statement runs: its text, for how long, who stands in its way, how far an index is."""

from __future__ import annotations

import threading

import pytest

from dbmigrate.api.migrator import Migrator, Options
from dbmigrate.events import Progress
from dbmigrate.execution.lock_retries import Pacing
from tests.support import faults
from tests.support.children import eventually

SLOW = """
create function slow(n int) returns int immutable language plpgsql as 'begin perform pg_sleep(0.02); return n; end';
create table t (n int);
insert into t select generate_series(1, 150);
"""


@pytest.fixture
def watching(project, database_url):
    """Applies the project's migrations in a thread; the list that its Progress comes to."""
    threads = []

    def start(**pacing):
        heard: list[Progress] = []
        options = Options(directories=(str(project.migrations),), pacing=Pacing(**pacing))

        def hear(event):
            if isinstance(event, Progress):
                heard.append(event)

        threads.append(threading.Thread(target=Migrator(database_url, options, on_event=hear).up))
        threads[-1].start()
        return heard

    yield start
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


def test_who_stands_in_the_way_is_shown_with_what_it_does(watching, project, database_url, query):
    query(database_url, "create table t (n int)")
    project.migration("1_a", up="alter table t add column m int;")
    with faults.transaction(database_url, "select count(*) from t") as other:
        heard = watching(lock_timeout=30.0)

        def is_shown():
            return any((event.detail or "").startswith("waiting for ") for event in heard)

        assert eventually(is_shown, seconds=30)
        shown = next(event for event in heard if (event.detail or "").startswith("waiting for "))
        pid = other.info.backend_pid

    assert (shown.step.name, shown.number, shown.last) == ("1_a.sql", 1, 1)
    assert shown.sql == "alter table t add column m int;"
    assert shown.seconds >= 1.0
    for part in (str(pid), "somebody else", "idle in transaction", "select count(*) from t"):
        assert part in shown.detail


@pytest.mark.parametrize("options", ["", "transaction:false"], ids=["in a transaction", "without one"])
def test_how_far_an_index_is_is_shown_with_its_statement(watching, project, database_url, query, options):
    query(database_url, SLOW)
    index = "create index concurrently t_n on t (slow(n));" if options else "create index t_n on t (slow(n));"
    project.migration("1_a", up=index, up_options=options)

    heard = watching()

    assert eventually(lambda: any((event.detail or "").startswith("building index") for event in heard), seconds=30)
    shown = [event for event in heard if (event.detail or "").startswith("building index")]
    assert {(event.number, event.last, event.sql) for event in shown} == {(1, 1, index)}
    assert [event.seconds for event in heard] == sorted(event.seconds for event in heard)
