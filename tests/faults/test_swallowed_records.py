"""A trigger or a rule swallows what is written to our tables: what is not recorded is not called applied."""

from __future__ import annotations

import pytest

from tests.support import faults
from tests.support.psql import psql

SWALLOW = """
create function public.swallow() returns trigger language plpgsql as $$ begin return null; end $$;
create trigger swallow before insert on {} for each row execute function public.swallow();
"""
UNDO_AFTERWARDS = """
create function public.undo() returns trigger language plpgsql as $$
begin delete from public.schema_migrations where version = new.version; return null; end $$;
create constraint trigger undo after insert on schema_migrations deferrable initially deferred
  for each row execute function public.undo();
"""
KEEP = """
create function public.keep() returns trigger language plpgsql as $$
begin insert into public.schema_migrations values (old.version); return null; end $$;
create trigger keep after delete on schema_migrations for each row execute function public.keep();
"""
ON_INSERT = {
    "a trigger on the table": SWALLOW.format("schema_migrations"),
    "a deferred trigger that takes it back": UNDO_AFTERWARDS,
    "a rule on the table": "create rule nothing as on insert to schema_migrations do instead nothing;",
    "a trigger on the log": SWALLOW.format("schema_migrations_log"),
    "a rule on the log": "create rule nothing as on insert to schema_migrations_log do instead nothing;",
}
ON_DELETE = {
    "a trigger": SWALLOW.format("schema_migrations").replace("insert", "delete"),
    "a trigger that writes it again": KEEP,
    "a rule": "create rule nothing as on delete to schema_migrations do instead nothing;",
}


@pytest.fixture
def dbmigrate(run, database_url):
    return lambda *words: run("--no-dump-schema", *words, env={"DATABASE_URL": database_url})


@pytest.mark.parametrize("way", ON_INSERT)
def test_a_version_that_is_not_recorded_is_rolled_back(dbmigrate, project, database_url, query, way):
    project.migration("1_a", up=f"create table a (); {ON_INSERT[way]}")
    project.migration("2_b", up="create table b ();")

    done = dbmigrate("up")

    assert done.exit_code == 4, done.stderr
    assert "error[E401]" in done.stderr
    assert "discards what is written" in done.stderr
    assert "rolled back; nothing of 1_a.sql was applied" in done.stderr
    assert "Applied: 1_a" not in done.stdout
    assert query(database_url, "select to_regclass('a'), to_regclass('b')") == [(None, None)]
    assert faults.versions(database_url) == []


@pytest.mark.parametrize("way", ON_DELETE)
def test_a_version_that_is_not_forgotten_is_not_undone(dbmigrate, project, database_url, query, way):
    project.migration("1_a", up="create table a ();", down=f"drop table a; {ON_DELETE[way]}")
    assert dbmigrate("up").exit_code == 0

    done = dbmigrate("rollback")

    assert done.exit_code == 4, done.stderr
    assert "error[E401]" in done.stderr
    assert query(database_url, "select to_regclass('a')::text") == [("a",)]
    assert faults.versions(database_url) == ["1"]


def test_a_swallowed_record_without_a_transaction_needs_a_person(dbmigrate, project, database_url):
    swallow = SWALLOW.format("schema_migrations")
    project.migration("1_a", up=f"create table a ();\n{swallow}", up_options="transaction:false")

    done = dbmigrate("up")

    assert done.exit_code == 5, done.stderr
    assert "every statement of 1_a.sql is done; it is not recorded as applied" in done.stderr
    assert "[!] 1_a.sql" in dbmigrate("status").stdout


def test_the_script_of_a_dry_run_proves_the_record_too(dbmigrate, project, database_url, query):
    project.migration("1_a", up=f"create table a (); {SWALLOW.format('schema_migrations')}")

    script = dbmigrate("up", "--dry-run").stdout

    assert psql(database_url, script).exit_code != 0
    assert query(database_url, "select to_regclass('a')") == [(None,)]


@pytest.mark.parametrize("words", [("mark", "applied", "1", "--reason", "x"), ("baseline", "1")], ids=lambda w: w[0])
def test_what_is_there_before_stops_the_commands_that_only_record(dbmigrate, project, database_url, query, words):
    project.migration("1_a", up="create table a ();")
    query(database_url, "create table schema_migrations (version varchar primary key)")
    query(database_url, "create rule nothing as on insert to schema_migrations do instead nothing")

    done = dbmigrate(*words)

    assert done.exit_code == 7, done.stderr
    assert "has triggers or rules" in done.stderr


@pytest.mark.parametrize("layout", ["dbmate", "scattered"])
def test_a_schema_file_whose_versions_are_swallowed_is_not_loaded(
    run, dbmigrate, project, database_url, make_database, query, layout
):
    """A dump has the triggers before the rows of the tracking table."""
    env = {"DATABASE_URL": database_url, "DBMIGRATE_SCHEMA_VERSIONS": layout}
    project.migration("1_a", up="create table a ();")
    project.migration("2_b", up="create table b ();")
    assert run("up", env=env).exit_code == 0
    assert run("load", env={"DATABASE_URL": make_database()}).exit_code == 0
    query(database_url, SWALLOW.format("schema_migrations"))
    assert run("dump", env=env).exit_code == 0
    url = make_database()

    done = run("load", env={"DATABASE_URL": url})

    assert done.exit_code == 4, done.stdout + done.stderr
    assert "the versions of ./db/schema.sql were not recorded" in done.stderr
    assert "nothing was loaded" in done.stderr
    assert query(url, "select to_regclass('a')") == [(None,)]
