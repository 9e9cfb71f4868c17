"""The example project in ``db/``: applied, undone one by one, applied again; and its schema file."""

from __future__ import annotations

from pathlib import Path
from shutil import copytree

import pytest

from dbmigrate.api.migrator import Migrator, Options
from dbmigrate.model import ALL, Goal
from tests.support.catalog import fingerprint, schema_of
from tests.support.psql import psql

EXAMPLE = Path(__file__).parents[2] / "db"
MADE_ON = 18  # the server of db/schema.sql: some things are written differently by others


@pytest.fixture
def example(project):
    """A copy of the example project, without its schema file."""
    copytree(EXAMPLE / "migrations", project.migrations, dirs_exist_ok=True)
    return project


@pytest.fixture
def migrator(example, database_url):
    return Migrator(database_url, Options(directories=(str(example.migrations),)))


def names() -> list[str]:
    return sorted(path.name for path in (EXAMPLE / "migrations").iterdir())


def test_applied_undone_and_applied_again_it_is_the_same(migrator, database_url, twin_database_url, project):
    migrator.up()
    first = fingerprint(database_url)
    migrator.rollback(ALL)
    undone = fingerprint(database_url)
    migrator.up()
    again = fingerprint(database_url)

    assert len(first.versions) == len(names()) > 15
    assert any(first.rows.values())
    assert (again.schema, again.rows, again.versions) == (first.schema, first.rows, first.versions)
    assert [event[1]["state"] for event in again.log] == ["done"] * len(again.log)
    assert (undone.rows, undone.versions, undone.state) == ({}, (), ())
    assert undone.schema == tracking_tables_alone(twin_database_url, project)


def tracking_tables_alone(url: str, project) -> str:
    """The schema of a database in which nothing but the tracking tables was ever made."""
    empty = project.root / "empty"
    empty.mkdir()
    (empty / "1_a.sql").write_text("-- migrate:up\nselect 1;\n-- migrate:down\n")
    Migrator(url, Options(directories=(str(empty),))).up()
    return fingerprint(url).schema


def test_every_rollback_brings_back_the_schema_before(migrator, database_url):
    schemas = []
    for _ in names():
        migrator.up(Goal(steps=1))
        schemas.append(schema_of(database_url))
    for before in schemas[-2::-1]:
        migrator.rollback()

        assert schema_of(database_url) == before


@pytest.mark.parametrize("goal", [ALL, Goal(steps=4), Goal(version="20260218150000")])
def test_its_dry_run_leaves_what_the_commands_leave(database_url, twin_database_url, example, goal):
    options = Options(directories=(str(example.migrations),))
    migrated, scripted = Migrator(database_url, options), Migrator(twin_database_url, options)

    migrated.up()
    done = psql(twin_database_url, "".join(scripted.script_up()))
    assert done.exit_code == 0, done.stderr
    assert fingerprint(twin_database_url) == fingerprint(database_url)

    migrated.rollback(goal)
    done = psql(twin_database_url, "".join(scripted.script_rollback(goal)))
    assert done.exit_code == 0, done.stderr
    assert fingerprint(twin_database_url) == fingerprint(database_url)


def test_its_schema_file_is_what_up_writes(run, example, server, database_url):
    done = run("up", env={"DATABASE_URL": database_url})

    assert done.exit_code == 0, done.stderr
    if server.major != MADE_ON:
        pytest.skip(f"db/schema.sql was made on PostgreSQL {MADE_ON}, this is {server.major}")
    assert example.schema_file.read_bytes() == (EXAMPLE / "schema.sql").read_bytes()


def test_its_schema_file_loads_and_is_dumped_the_same(run, example, server, database_url, twin_database_url):
    """On the servers that it was not made on, the file is the one that they would have written themselves."""
    run("up", env={"DATABASE_URL": database_url})
    own = example.schema_file.read_bytes()
    example.schema_file.write_bytes((EXAMPLE / "schema.sql").read_bytes())

    loaded = run("load", env={"DATABASE_URL": twin_database_url})
    dumped = run("dump", env={"DATABASE_URL": twin_database_url})

    assert (loaded.exit_code, dumped.exit_code) == (0, 0), loaded.stderr + dumped.stderr
    assert example.schema_file.read_bytes() == own
    assert "Applied: 18\nPending: 0" in run("status", env={"DATABASE_URL": twin_database_url}).stdout
