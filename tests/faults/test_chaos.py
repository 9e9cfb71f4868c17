"""Runs that signals, kills, cuts, crashes, locks and other runs disturb, at random moments but from a seed.

Whatever happened: `up`, and `resume` where that says so, end with what an undisturbed run leaves, and every entry of
the log is true by the ledger that the migrations themselves write.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.support import chaos
from tests.support.chaos import Book, Round
from tests.support.clusters import another_server
from tests.support.databases import query
from tests.support.projects import Project
from tests.support.proxy import TO_SERVER, Proxy
from tests.support.servers import DatabaseServer


@dataclass(frozen=True)
class Undisturbed:
    """What one run of all migrations leaves, and how many messages it sends."""

    schema: str
    lasting: list
    messages: int


_found: dict[int, Undisturbed] = {}


@pytest.fixture(scope="module")
def victim(server) -> Iterator[DatabaseServer]:
    """A server of the same version that may be harmed."""
    if server.major < 14:
        pytest.skip("partitions are detached concurrently since PostgreSQL 14")
    with another_server(server) as running:
        yield running


@pytest.fixture
def book(project: Project) -> Book:
    return chaos.write(project)


@pytest.fixture
def new_round(victim, runner, project, book):
    """Makes a database with a ledger, and a round on it."""
    names = []

    def make(seed: int, messages: int) -> Round:
        names.append(f"chaos_{seed}_{len(names)}_{time.monotonic_ns()}")
        query(victim.url("postgres"), f"create database {names[-1]} template template0")
        made = Round(victim, names[-1], runner, book, messages, random.Random(seed))
        query(made.url, f"alter database {names[-1]} set synchronous_commit = on")
        query(made.url, "create table ledger (who text)")
        project.schema_file.unlink(missing_ok=True)
        return made

    yield make
    for name in names:
        query(victim.url("postgres"), f"drop database if exists {name} with (force)")


@pytest.fixture
def undisturbed(victim, new_round, project, runner) -> Undisturbed:
    if victim.major not in _found:
        quiet = new_round(0, 0)
        with Proxy(victim) as proxy:
            done = runner.run("up", env={"DATABASE_URL": proxy.url(quiet.name)})
        assert done.exit_code == 0, done.stderr
        _found[victim.major] = Undisturbed(
            project.schema_file.read_text(), query(quiet.url, chaos.LASTING), len(proxy.messages(TO_SERVER))
        )
    return _found[victim.major]


def test_whatever_disturbs_the_runs_they_end_as_if_nothing_had_happened(
    chaos_seed, new_round, undisturbed, project, book
):
    disturbed = new_round(chaos_seed, undisturbed.messages)
    for _ in range(disturbed.rng.randint(1, 4)):
        said = disturbed.disturbed("up")
        if "error[E502]" in said or "dbmigrate resume" in said:
            disturbed.disturbed("resume")
    disturbed.recover()
    goes_back = disturbed.rng.random() < 0.4
    if goes_back:
        disturbed.disturbed("rollback", "-n", str(disturbed.rng.randint(1, 12)))
        disturbed.recover()
    if disturbed.was_lost:
        disturbed.undisturbed("dump")

    assert chaos.untruths(disturbed.url, book.keys) == [], disturbed.story()
    lasting = [
        [row for row in rows if row[0] != "item" or not goes_back]  # whose down sections do not take the sums back
        for rows in (query(disturbed.url, chaos.LASTING), undisturbed.lasting)
    ]
    assert lasting[0] == lasting[1], disturbed.story()
    assert project.schema_file.read_text() == undisturbed.schema, disturbed.story()
