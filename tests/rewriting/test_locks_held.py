"""On 200,000 rows: how long a strong lock is held by the file as it was, and by the rewritten one."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from dbmigrate.api.migrator import Migrator
from dbmigrate.model import Goal
from tests.support.databases import MakeDatabase
from tests.support.projects import Project
from tests.support.rehearsals import tell
from tests.support.rewriting import rewritten, write_project

SETUP = """
create table depot (id integer primary key);
insert into depot select n from generate_series(1, 1000) n;
create table parcel (id bigint primary key, depot_id integer, code text, weight integer);
insert into parcel select n, 1 + n % 1000, 'code ' || n, n % 900 from generate_series(1, 200000) n;
"""
CHANGE = """-- migrate:up
alter table parcel
    alter column code set not null,
    add constraint parcel_weight check (weight >= 0),
    add constraint parcel_depot foreign key (depot_id) references depot (id),
    add constraint parcel_code unique (code);
create index parcel_depot_id on parcel (depot_id);

-- migrate:down irreversible:true
"""
# of others' writes at least
_STRONG = """
select 1 from pg_locks where relation = 'parcel'::regclass and granted
  and mode in ('ShareLock', 'ExclusiveLock', 'AccessExclusiveLock')
"""


class Watch:
    """The longest time for which somebody held a strong lock on the table."""

    longest = 0.0

    def __init__(self, url: str) -> None:
        self._url = url
        self._is_done = threading.Event()

    @contextmanager
    def running(self):
        thread = threading.Thread(target=self._look)
        thread.start()
        try:
            yield self
        finally:
            self._is_done.set()
            thread.join()

    def _look(self) -> None:
        since = None
        with psycopg.connect(self._url, autocommit=True) as conn:
            while not self._is_done.is_set():
                is_held = conn.execute(_STRONG).fetchone() is not None
                now = time.monotonic()
                since = (since or now) if is_held else None
                self.longest = max(self.longest, now - since if since else 0.0)
                time.sleep(0.002)


@pytest.mark.matrix
def test_no_strong_lock_is_held_longer_than_a_change_of_the_catalog(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    project = Project(tmp_path)
    project.migrations.mkdir(parents=True)
    path = write_project(project.migrations, SETUP, CHANGE)
    found = rewritten(make_database(), project.migrations)
    assert found is not None
    assert found.is_changed

    held = []
    for text in (CHANGE, found.fixed.text):
        url = make_database()
        path.write_text(text)
        assert tell(url, project, lambda migrator: migrator.migrate(goal=Goal(version="001"))).exit_code == 0
        with Watch(url).running() as watch:
            assert tell(url, project, Migrator.migrate).exit_code == 0
        held.append(watch.longest)

    assert held[1] < held[0] / 3, held
    assert held[1] < 0.25, held
