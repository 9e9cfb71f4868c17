"""Every project of another tool under `fixtures`: taken over with its history, and nothing of the old one touched."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from dbmigrate.importing.tools import TOOLS
from tests.support import imports
from tests.support.imports import Fixture
from tests.support.psql import psql

# how the folders are called, where that is not the tool's name
TOOL = {"flyway-odd": "flyway", "flyway-failed": "flyway", "go-engine": "golang-migrate"}
VALUES = ("--placeholder", "home_port=Sula", "--placeholder", "long_from=700")
OPTIONS: dict[str, tuple[str, ...]] = {
    "flyway": VALUES,
    "flyway-failed": VALUES,
    "go-engine": ("--service", "harbour-svc"),
    "graphile-migrate": ("--placeholder", "HOME_PORT=Sula"),
    "node-pg-migrate": ("--sql", "1760000003000_trips-index.cjs={fixture}/given/dry-run.log"),
    "numbered": ("--table", "platform.schema_migrations", "--column", "migration_name"),
}
SOURCES = {"numbered": "migrations"}  # below `files`, where that is not the directory
SERVICES = {"go-engine": "harbour-svc"}
HISTORY = {
    "diesel": "public.__diesel_schema_migrations",
    "flyway": "public.flyway_schema_history",
    "go-engine": "public.migration_records",
    "golang-migrate": "public.schema_migrations",
    "goose": "public.goose_db_version",
    "graphile-migrate": "graphile_migrate.migrations",
    "liquibase": "public.databasechangelog",
    "node-pg-migrate": "public.pgmigrations",
    "numbered": "platform.schema_migrations",
    "prisma": "public._prisma_migrations",
    "sql-migrate": "public.gorp_migrations",
    "sqitch": "sqitch.changes",
    "sqlx": "public._sqlx_migrations",
    "supabase": "supabase_migrations.schema_migrations",
    "tern": "public.schema_version",
}
OTHERS = {"go-engine": "outbox"}  # what another service has made
# their migrations are code: a schema to begin with is made for them, no file is converted
CODE = ("alembic", "django", "knex", "rails", "typeorm")


def tool_of(fixture: Fixture) -> str:
    return TOOL.get(fixture.name, fixture.name)


KNOWN = [fixture for fixture in imports.every() if tool_of(fixture) in TOOLS and fixture.name not in CODE]
GOOD = [each for each in KNOWN if not each.variant and each.name != "flyway-failed"]
by_name = pytest.mark.parametrize("fixture", GOOD, ids=lambda each: each.name)


def _tiers() -> list[object]:
    """The tools that most projects come from; the others wait for the matrix."""
    return [
        pytest.param(each, id=each.name, marks=[] if each.name in imports.FIRST_TIER else [pytest.mark.matrix])
        for each in GOOD
    ]


by_tier = pytest.mark.parametrize("fixture", _tiers())


def arguments(fixture: Fixture) -> tuple[str, ...]:
    source = fixture.files / SOURCES.get(fixture.name, "")
    options = [each.format(fixture=fixture.files.parent) for each in OPTIONS.get(fixture.name, ())]
    return ("import", str(source), "--from", tool_of(fixture), "--history", *options)


def states(stdout: str) -> list[str]:
    """Of the versioned migrations; repeatable ones have their folder in their names."""
    return re.findall(r"(?m)^\[(.)\] [^/\n]*$", stdout)


@by_name
def test_what_was_applied_is_recorded_and_the_rest_is_pending(fixture: Fixture, database_url: str, run) -> None:
    fixture.load(database_url)
    env = imports.env(database_url)

    done = run(*arguments(fixture), env=env)

    assert done.exit_code == 0, done.stderr
    expected = fixture.expected(service=SERVICES.get(fixture.name, ""))
    shown = states(run("status", env=env).stdout)
    assert shown == [" " if state in ("pending", "failed") else "X" for state in expected]
    assert run("verify", env=env).exit_code == 0


@by_tier
def test_the_old_table_is_only_read(fixture: Fixture, database_url: str, run) -> None:
    fixture.load(database_url)
    table = HISTORY.get(fixture.name) or HISTORY.get(tool_of(fixture))
    if table is None:
        pytest.skip("the name of its table is not in the list")
    before = imports.rows_of(database_url, table)

    assert run(*arguments(fixture), env=imports.env(database_url)).exit_code == 0

    assert before
    assert imports.rows_of(database_url, table) == before


@by_name
def test_afterwards_the_database_is_what_its_migrations_make(
    fixture: Fixture, database_url: str, run, tmp_path
) -> None:
    fixture.load(database_url)
    env = imports.env(database_url)
    assert run(*arguments(fixture), env=env).exit_code == 0

    assert run("drift", env=env).exit_code == 0  # the schema file knows nothing of the old tool's tables
    found = run("drift", "--against", "migrations", "--json", env=env)

    names = {each["name"] for each in json.loads(found.stdout)["differences"]}
    others = [OTHERS[fixture.name]] if fixture.name in OTHERS else []
    assert names == {f"public.{name}" for name in others}
    status = json.loads(run("status", "--json", env=env).stdout)
    written = (tmp_path / "db/migrations/repeatable").glob("*.sql")
    assert [row["state"] for row in status["repeatables"]] == ["applied" for _ in written]


@by_name
def test_the_applied_files_make_the_same_on_an_empty_database(
    fixture: Fixture, database_url: str, twin_database_url: str, query, run, tmp_path: Path
) -> None:
    fixture.load(database_url)
    assert run(*arguments(fixture), env=imports.env(database_url)).exit_code == 0
    migrations = tmp_path / "db/migrations"
    expected = fixture.expected(service=SERVICES.get(fixture.name, ""))
    chosen = tmp_path / "applied"
    chosen.mkdir()
    shown = re.findall(r"(?m)^\[.\] ([^/\n]*)$", run("status", env=imports.env(database_url)).stdout)
    for name, state in zip(shown, expected, strict=True):
        if state in ("applied", "baseline"):
            shutil.copy(migrations / name, chosen)

    done = run("-d", str(chosen), "--no-dump-schema", "up", env={"DATABASE_URL": twin_database_url})

    assert done.exit_code == 0, done.stderr
    for path in sorted((migrations / "repeatable").glob("*.sql")):
        assert psql(twin_database_url, path.read_text(encoding="utf-8")).exit_code == 0
    others = OTHERS.get(fixture.name, "(none)")
    assert imports.fingerprint(twin_database_url) == [line for line in fixture.schema if others not in line]
    counts = {name: query(twin_database_url, f"select count(*) from {name}")[0][0] for name in fixture.rows}
    assert counts == fixture.rows


@by_tier
def test_a_second_import_changes_nothing(fixture: Fixture, database_url: str, run, tmp_path: Path) -> None:
    fixture.load(database_url)
    env = imports.env(database_url)
    assert run(*arguments(fixture), env=env).exit_code == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    again = run(*arguments(fixture), "--json", env=env)

    assert again.exit_code == 0, again.stderr
    said = json.loads(again.stdout)
    assert (said["recorded"], any(file["written"] for file in said["files"])) == ([], False)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    "fixture", [each for each in KNOWN if each not in GOOD], ids=lambda each: each.name + each.variant
)
def test_a_failure_or_a_difference_stops_it_and_leaves_everything(
    fixture: Fixture, database_url: str, query, run, tmp_path: Path
) -> None:
    fixture.load(database_url)

    done = run(*arguments(fixture), env=imports.env(database_url))

    assert done.exit_code == 7, done.stderr
    assert "nothing was changed" in done.stderr
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert query(database_url, "select count(*) from pg_class where relname ~ 'migrations_log'") == [(0,)]


# what somebody may have changed by hand, and how the proof calls it
_MUTANTS = {
    "alter table trips alter column hours type numeric(9,2)": "column public.trips.hours",
    "drop index trips_boat_left": "index public.trips_boat_left",
    "drop trigger trips_hours on trips": "trigger public.trips.trips_hours",
    "create or replace function trip_hours() returns trigger language plpgsql as"
    " $$ begin new.hours := 0; return new; end $$": "function public.trip_hours()",
    "create table rafts (id int)": "table public.rafts",
    "alter table boats drop constraint boats_name_key": "constraint public.boats.boats_name_key",
    "drop view crew_by_boat; create view crew_by_boat as select 1 as boat": "view public.crew_by_boat",
    "drop table crew cascade": "table public.crew",
}
_OF_THE_ODD = {
    "alter table lamps alter id type bigint": "column public.lamps.id",
    "drop index lamps_pier": "index public.lamps_pier",
    "drop view lit_piers; create view lit_piers as select 1 as id": "view public.lit_piers",
    "alter table buoys drop constraint buoys_pkey": "constraint public.buoys.buoys_pkey",
}
# with the table goes its view; what another service may have made is not a difference
_APART = ("drop table crew cascade",)
_UNSEEN = {"go-engine": "create table rafts"}


def mutants(fixture: Fixture) -> dict[str, str]:
    found = _OF_THE_ODD if fixture.name == "flyway-odd" else _MUTANTS
    unseen = _UNSEEN.get(fixture.name)
    return {change: named for change, named in found.items() if unseen is None or not change.startswith(unseen)}


@by_tier
def test_changes_of_the_database_stop_the_proof_and_each_is_named(
    fixture: Fixture, database_url: str, query, run, tmp_path: Path
) -> None:
    """All at once: one run of the program says whether each of them is seen."""
    fixture.load(database_url)
    chosen = {change: named for change, named in mutants(fixture).items() if not change.startswith(_APART)}
    for change in chosen:
        query(database_url, change)

    done = run(*arguments(fixture), env=imports.env(database_url))

    assert done.exit_code == 7, done.stdout
    assert "error[E723]" in done.stderr
    assert [named for named in chosen.values() if f"{named} " not in done.stderr] == [], done.stderr
    assert not (tmp_path / "db").exists()
    assert query(database_url, "select count(*) from pg_class where relname ~ 'migrations_log'") == [(0,)]


@pytest.mark.matrix
@pytest.mark.parametrize("fixture", GOOD, ids=lambda each: each.name)
def test_each_change_of_the_database_stops_the_proof_by_itself(
    fixture: Fixture, make_database, query, run, tmp_path: Path
) -> None:
    for change, named in mutants(fixture).items():
        url = make_database()
        fixture.load(url)
        query(url, change)

        done = run(*arguments(fixture), env=imports.env(url))

        assert (done.exit_code, "error[E723]" in done.stderr) == (7, True), f"{change}: {done.stdout}{done.stderr}"
        assert f"{named} " in done.stderr, change
        assert not (tmp_path / "db").exists()
