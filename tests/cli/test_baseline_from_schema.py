"""`baseline --from-schema`: one migration of what is there, recorded and not run; and `baseline --description`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support import importing_states as states

SCHEMA = """
    create extension if not exists citext;
    create schema app;
    create type app.kind as enum ('row', 'sail');
    create table boats (id bigint generated always as identity primary key, name citext not null, kind app.kind);
    create function later() returns bigint language sql as 'select count(*) from app.trips';
"""
MORE = "create table app.trips (id bigserial primary key, boat_id bigint references boats (id));"


@pytest.fixture
def dbmigrate(run, database_url, project):
    project.migrations.rmdir()

    def run_it(*words, url=database_url, **env):
        return run(*words, env={"DATABASE_URL": url, **env})

    return run_it


@pytest.fixture
def filled(database_url, query):
    query(database_url, "set check_function_bodies = off;" + SCHEMA + MORE)
    query(database_url, "insert into boats (name) values ('Möwe')")


def only_file(project) -> Path:
    [path] = project.migrations.iterdir()
    return path


def log(query, url: str) -> list[tuple[object, ...]]:
    return query(url, "select direction, state, file, reason from schema_migrations_log order by event_id")


def test_the_schema_becomes_one_migration_that_is_recorded_and_not_run(dbmigrate, filled, project, database_url, query):
    done = dbmigrate("baseline", "--from-schema", "--description", "Harbour as it was")

    assert done.exit_code == 0, done.stderr
    path = only_file(project)
    assert path.name.endswith("_harbour_as_it_was.sql")
    assert done.stdout.splitlines()[-1].endswith(path.name)
    assert query(database_url, "select version from schema_migrations") == [(path.name.partition("_")[0],)]
    assert log(query, database_url) == [("baseline", "done", path.name, "Harbour as it was")]
    assert query(database_url, "select name from boats") == [("Möwe",)]
    assert dbmigrate("up").exit_code == 0
    assert len(query(database_url, "select version from schema_migrations")) == 1


def test_the_file_makes_the_same_schema_elsewhere(dbmigrate, filled, project, database_url, twin_database_url):
    assert dbmigrate("baseline", "--from-schema").exit_code == 0

    done = dbmigrate("up", url=twin_database_url)

    assert done.exit_code == 0, done.stderr
    assert "warning" not in done.stderr
    ours = ("schema_migrations", "schema_migrations_log")
    live, made = (states.fingerprint(url, tables=ours) for url in (database_url, twin_database_url))
    assert [line for line in live if not line.startswith("rows")] == made
    drift = dbmigrate("drift", "--against", "migrations")
    assert drift.exit_code == 0, drift.stdout + drift.stderr


def test_the_schema_file_is_written_and_holds_the_version(dbmigrate, filled, project):
    assert dbmigrate("baseline", "--from-schema").exit_code == 0

    text = project.schema_file.read_text()
    assert only_file(project).name.partition("_")[0] in text
    assert "CREATE TABLE app.trips" in text


def test_the_schema_of_the_tracking_table_is_made_once(dbmigrate, filled, database_url, twin_database_url, query):
    query(database_url, "create schema ops; create table ops.notes (id int);")
    table = ("--migrations-table", "ops.migrations")
    assert dbmigrate("baseline", "--from-schema", *table).exit_code == 0

    done = dbmigrate("up", *table, url=twin_database_url)

    assert done.exit_code == 0, done.stderr
    assert query(twin_database_url, "select * from ops.notes") == []


def test_later_migrations_apply_on_top(dbmigrate, filled, project, database_url, query):
    dbmigrate("baseline", "--from-schema")
    project.migration("99990101000000_more", up="alter table app.trips add column note text;")

    assert dbmigrate("up").exit_code == 0

    assert query(database_url, "select note from app.trips") == []


def test_it_cannot_be_rolled_back(dbmigrate, filled, database_url, query):
    dbmigrate("baseline", "--from-schema")

    assert dbmigrate("rollback").exit_code != 0

    assert query(database_url, "select count(*) from boats") == [(1,)]


def test_another_environment_records_the_file_that_the_first_one_made(
    dbmigrate, filled, project, twin_database_url, query
):
    query(twin_database_url, "set check_function_bodies = off;" + SCHEMA + MORE)
    dbmigrate("baseline", "--from-schema")
    version = only_file(project).name.partition("_")[0]

    again = dbmigrate("baseline", "--from-schema", url=twin_database_url)
    assert (again.exit_code, "E258" in again.stderr) == (2, True)
    assert "dbmigrate baseline VERSION" in again.stderr

    assert dbmigrate("baseline", version, url=twin_database_url).exit_code == 0
    assert query(twin_database_url, "select version from schema_migrations") == [(version,)]


def test_a_database_with_a_history_is_refused(dbmigrate, filled, project, database_url, query):
    dbmigrate("baseline", "--from-schema")
    only_file(project).unlink()

    again = dbmigrate("baseline", "--from-schema")

    assert (again.exit_code, "E240" in again.stderr) == (2, True)
    assert list(project.migrations.iterdir()) == []


def test_a_file_takes_the_place_of_the_dump(dbmigrate, project, database_url, query):
    (project.root / "db" / "init-db.sql").write_text("create table boats (id int);\ninsert into boats values (1);\n")

    done = dbmigrate("baseline", "--from-schema", "db/init-db.sql")

    assert done.exit_code == 0, done.stderr
    assert "insert into boats values (1);\n" in only_file(project).read_text()
    assert query(database_url, "select to_regclass('boats')") == [(None,)]
    assert dbmigrate("mark", "pending", only_file(project).name.partition("_")[0], "--reason", "x").exit_code == 0
    assert dbmigrate("up").exit_code == 0
    assert query(database_url, "select id from boats") == [(1,)]


def test_a_dump_of_pg_dump_loses_what_it_sets_for_its_session(dbmigrate, project, database_url, twin_database_url):
    text = (states.FIXTURES / "knex" / "database.sql").read_text()
    (project.root / "dump.sql").write_text("--\n" + text.replace("-- PostgreSQL", "-- PostgreSQL", 1))
    text = (project.root / "dump.sql").read_text()
    head = "--\n-- PostgreSQL database dump\n--\n\n"
    (project.root / "dump.sql").write_text(head + text.partition("\n")[2].partition("\n")[2])

    done = dbmigrate("baseline", "--from-schema", "dump.sql")

    assert done.exit_code == 0, done.stderr
    made = only_file(project).read_text()
    assert "set_config" not in made
    assert "SET LOCAL search_path = ''" in made
    up = dbmigrate("up", url=twin_database_url)
    assert up.exit_code == 0, up.stderr
    assert "public.boats" in "\n".join(states.fingerprint(twin_database_url))


@pytest.mark.parametrize(
    ("text", "code"),
    [("create table t ();\n\\i other.sql\n", "E238"), ("create table t (a text default 'open);\n", "E217")],
)
def test_a_file_that_is_no_migration_leaves_nothing(dbmigrate, project, database_url, query, text, code):
    (project.root / "init.sql").write_text(text)

    done = dbmigrate("baseline", "--from-schema", "init.sql")

    assert done.exit_code == 2
    assert code in done.stderr
    assert not project.migrations.exists() or list(project.migrations.iterdir()) == []
    assert query(database_url, "select to_regclass('schema_migrations')") == [(None,)]


def test_a_file_that_is_not_there_is_refused(dbmigrate):
    done = dbmigrate("baseline", "--from-schema", "gone.sql")

    assert (done.exit_code, "gone.sql" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("tool", "last", "tables"),
    [
        ("alembic", "public.alembic_version: a5c0ffee0005", ("alembic_version",)),
        ("django", "public.django_migrations: harbour.0005_crew", ("django_migrations",)),
        ("knex", "public.knex_migrations: 20260305080000_crew.cjs", ("knex_migrations", "knex_migrations_lock")),
        ("typeorm", "public.migrations: Crew1780000005000", ("migrations",)),
        ("sqitch", "sqitch.changes: 44ee8214d1e5e17dad4739c0acad79405af37014", ()),
    ],
)
def test_the_last_id_of_the_old_table_is_kept_and_its_tables_are_left_out(
    dbmigrate, project, database_url, twin_database_url, query, tool, last, tables
):
    states.load(database_url, states.FIXTURES / tool / "database.sql")

    done = dbmigrate("baseline", "--from-schema", "--json")

    assert done.exit_code == 0, done.stderr
    assert last in str(json.loads(done.stdout.splitlines()[-1])["origin"])
    assert last in str(log(query, database_url)[0][3])
    assert last in only_file(project).read_text()
    up = dbmigrate("up", url=twin_database_url)
    assert up.exit_code == 0, up.stderr
    ours = ("schema_migrations", "schema_migrations_log")
    made = states.fingerprint(twin_database_url, tables=ours)
    assert made == [line for line in states.expected(tool).schema if not line.startswith("rows")]


def test_rails_keeps_its_table_and_ours_gets_another_name(dbmigrate, project, database_url, query):
    states.load(database_url, states.FIXTURES / "rails" / "database.sql")

    refused = dbmigrate("baseline", "--from-schema")
    done = dbmigrate("baseline", "--from-schema", "--migrations-table", "dbmigrate_migrations")

    assert refused.exit_code != 0
    assert done.exit_code == 0, done.stderr
    assert query(database_url, "select count(*) from schema_migrations") == [(5,)]
    assert query(database_url, "select count(*) from dbmigrate_migrations") == [(1,)]
    text = only_file(project).read_text()
    assert "20260505080000" in text
    assert "ar_internal_metadata" not in text


def test_a_protected_environment_asks(dbmigrate, filled, project, database_url):
    production = {"PRODUCTION_DATABASE_URL": database_url, "DATABASE_URL": ""}

    refused = dbmigrate("-e", "production", "baseline", "--from-schema", **production)
    assert refused.exit_code == 7
    assert list(project.migrations.iterdir()) == []
    assert dbmigrate("-e", "production", "baseline", "--from-schema", "--yes", **production).exit_code == 0


def test_a_description_is_kept_in_the_log(dbmigrate, project, database_url, query):
    project.migrations.mkdir()
    project.migration("1_x", up="create table t ();")

    done = dbmigrate("baseline", "1", "--description", "made by hand", "--reason", "ticket 7")

    assert done.exit_code == 0, done.stderr
    assert log(query, database_url)[0][3] == "made by hand: ticket 7"


def test_without_version_and_from_schema_the_usage_is_said(dbmigrate):
    done = dbmigrate("baseline")

    assert done.exit_code == 2
    assert "--from-schema" in done.stderr
