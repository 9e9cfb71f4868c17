"""Backfills on a server: pages along a key, each row exactly once, whatever happens to the run."""

from __future__ import annotations

import pytest

from tests.support import backfills
from tests.support.backfills import KEYS, Told, counters, fill, migrator, project_of, versions


@pytest.mark.parametrize("key", KEYS)
def test_each_row_is_changed_once_whatever_the_key(database_url, project, query, key):
    fill(database_url, key, 2500)
    project_of(project, options="batch:300 pause:0")

    report = migrator(database_url, project).up()

    assert [outcome.step.version for outcome in report.done] == ["1"]
    assert counters(database_url) == (1, 1, 2500)
    assert versions(database_url) == ["1"]
    states = query(database_url, "select step, state, details ->> 'rows' from schema_migrations_log order by event_id")
    assert states == [(None, "done", None), (1, "done", "2500")]


@pytest.mark.parametrize("key", KEYS)
def test_killed_again_and_again_each_row_is_changed_once(database_url, project, key):
    fill(database_url, key, 5000)
    project_of(project, options="batch:100 target:4ms pause:2ms")

    assert backfills.killed_until_done(database_url, project, 5, 0.15) == 5

    assert counters(database_url) == (1, 1, 5000)
    assert versions(database_url) == ["1"]
