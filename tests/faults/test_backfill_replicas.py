"""A backfill waits for replicas that are behind, by its own samples of the WAL position."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from dbmigrate.errors import Refused
from tests.support import faults
from tests.support.backfills import Told, counters, fill, migrator, project_of
from tests.support.children import eventually
from tests.support.clusters import replicated
from tests.support.databases import query as ask
from tests.support.psql import ENVIRON
from tests.support.servers import UnavailableError, binaries_of, cache_directory

pytestmark = [pytest.mark.matrix, pytest.mark.slow]


@pytest.fixture(scope="module")
def pair(server):
    try:
        binaries = binaries_of(server.major if server.is_ours else None, environ=ENVIRON)
    except UnavailableError as exc:
        pytest.skip(str(exc))
    with replicated(binaries, cache=cache_directory(ENVIRON)) as servers:
        primary, replica = servers
        state = "select 1 from pg_stat_replication where state = 'streaming'"
        assert eventually(lambda: ask(primary.url("postgres"), state) != [], seconds=30)
        yield primary, replica


@pytest.fixture
def app(pair):
    primary, _ = pair
    primary.admin.execute("drop database if exists app")
    primary.admin.execute("create database app")
    return primary.url("app")


def held(pair, how: str):
    """Stop the replica's replay, or the process that receives; return what lets it go on."""
    _, replica = pair
    url = replica.url("postgres")
    if how == "replay":
        ask(url, "select pg_wal_replay_pause()")
        return lambda: ask(url, "select pg_wal_replay_resume()")
    pid = ask(url, "select pid from pg_stat_wal_receiver")[0][0]
    os.kill(pid, signal.SIGSTOP)
    return lambda: os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("how", ["replay", "receiver"])
def test_it_waits_while_a_replica_is_behind_and_goes_on(pair, app, project, how):
    fill(app, number=4000)
    project_of(project, options="batch:200 max_rate:400/s max_lag:1s")
    told = Told()
    running = threading.Thread(target=lambda: migrator(app, project, told).up())
    running.start()
    assert eventually(lambda: counters(app)[1] > 0)
    go_on = held(pair, how)
    try:
        assert eventually(lambda: bool(told.waits), seconds=20)
        stands = counters(app)
        assert running.is_alive()
    finally:
        go_on()
    running.join(timeout=40)

    assert "replica r1 is " in told.waits[0]
    assert stands[0] == 0
    assert counters(app) == (1, 1, 4000)


def test_a_role_that_may_not_look_is_refused_only_where_the_file_asks_for_a_lag(pair, app, project):
    primary, _ = pair
    fill(app, number=100)
    with faults.plain_role(primary, app, "t") as url:
        project_of(project, options="max_lag:5s")
        with pytest.raises(Refused) as refused:
            migrator(url, project).up()
        assert refused.value.code == "E761"
        assert "grant pg_monitor to plain_" in refused.value.hint
        assert counters(app) == (0, 0, 100)

        project_of(project)
        told = Told()
        migrator(url, project, told).up()
        assert "W353" in told.codes
        assert counters(app) == (1, 1, 100)
