"""`up --dry-run --execute`: a run that does not count, on a copy of the schema or in place."""

from __future__ import annotations

import json

import psycopg
import pytest

from dbmigrate import catalog
from tests.support.children import eventually
from tests.support.projects import Project


@pytest.fixture
def env(database_url, cluster_cache) -> dict[str, str]:
    return {"DATABASE_URL": database_url, "XDG_CACHE_HOME": str(cluster_cache)}


@pytest.fixture
def applied(project: Project, run, env, query, database_url) -> Project:
    """A project with one applied migration, and a row."""
    project.migration("1_users", up="create table users (id int primary key, name text);", down="drop table users;")
    assert run("up", env=env).exit_code == 0
    query(database_url, "insert into users values (1, null)")
    return project


@pytest.fixture
def picture(database_url, query):
    """Everything in the database: its schema, its rows, its log."""

    def look():
        with psycopg.connect(database_url, autocommit=True) as conn:
            rows = [
                query(database_url, f"select * from {name} order by 1")
                for name in ("users", "schema_migrations", "schema_migrations_log")
            ]
            return catalog.read(conn), rows

    return look


ON_COPY = ("up", "--dry-run", "--execute")
IN_PLACE = (*ON_COPY, "--in-place")
both = pytest.mark.parametrize("command", [ON_COPY, IN_PLACE], ids=["copy", "in place"])


@both
def test_what_would_be_applied_is_told_and_nothing_changes(applied, run, env, picture, command):
    applied.migration("2_mail", up="alter table users add mail text;", down="alter table users drop column mail;")
    applied.migration("3_more", up="create index on users (mail);", down="")
    before = picture()

    done = run(*command, env=env)

    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split(" (")[0] for line in lines[:2]] == ["Would apply: 2_mail.sql", "Would apply: 3_more.sql"]
    assert "2 migrations rehearsed on " in lines[2]
    assert "What this cannot show:" in lines
    assert picture() == before


@both
def test_a_migration_that_would_fail_is_told_with_its_place(applied, run, env, picture, command):
    applied.migration("2_good", up="alter table users add mail text;")
    applied.write("3_bad.sql", "-- migrate:up\nselect 1;\nalter table users add mail text;\n-- migrate:down\n")
    before = picture()

    done = run(*command, env=env)

    assert done.exit_code == 4
    assert "error[E401]: " in done.stderr
    assert "--> db/migrations/3_bad.sql:3:" in done.stderr
    assert "this was a rehearsal: the database is as it was" in done.stderr
    assert picture() == before


@both
def test_deferred_constraints_fire_before_the_end(applied, run, env, command):
    applied.migration(
        "2_bad",
        up="create table a (id int primary key, b int references a deferrable initially deferred);"
        "insert into a values (1, 2);",
    )

    done = run(*command, env=env)

    assert done.exit_code == 4
    assert "23503" in done.stderr


def test_only_in_place_sees_the_rows(applied, run, env):
    applied.migration("2_bad", up="alter table users alter name set not null;")

    on_copy, in_place = run(*ON_COPY, env=env), run(*IN_PLACE, env=env)

    assert on_copy.exit_code == 0
    assert "rows: " in on_copy.stdout
    assert in_place.exit_code == 4
    assert "23502" in in_place.stderr


def test_a_migration_without_a_transaction_runs_on_the_copy(applied, run, env, picture):
    applied.migration("2_i", up="create index concurrently i on users (name);", up_options="transaction:false")
    before = picture()

    assert run(*ON_COPY, env=env).exit_code == 0
    assert picture() == before


def test_one_that_would_stop_half_way_is_told_so(applied, run, env, picture):
    applied.migration(
        "2_half",
        up="create table half (id int);\ncreate index concurrently i on nowhere (x);",
        up_options="transaction:false",
    )
    before = picture()

    done = run(*ON_COPY, env=env)

    assert done.exit_code == 4
    assert "a real run would have stopped half-way" in done.stderr
    assert "dbmigrate resume" not in done.stderr
    assert picture() == before


def test_a_migration_without_a_transaction_is_refused_in_place_by_its_name(applied, run, env, picture):
    applied.migration("2_i", up="create index concurrently i on users (name);", up_options="transaction:false")
    before = picture()

    done = run(*IN_PLACE, env=env)

    assert done.exit_code == 2
    assert "error[E248]: 2_i.sql cannot be rolled back: transaction:false" in done.stderr
    assert picture() == before


def test_what_a_file_does_to_its_session_does_not_reach_the_next_one(applied, run, env):
    applied.migration("2_path", up="create schema other; set search_path = other; create table here (id int);")
    applied.migration("3_next", up="alter table users add x int; create table here (id int);")

    for command in (ON_COPY, IN_PLACE):
        assert run(*command, env=env).exit_code == 0


def test_in_place_waits_for_no_lock_longer_than_it_is_told(applied, run, env, database_url, picture):
    applied.migration("2_mail", up="alter table users add mail text;")
    before = picture()
    with psycopg.connect(database_url) as conn:
        conn.execute("select * from users")

        done = run(*IN_PLACE, "--lock-timeout", "100ms", env=env)

    assert done.exit_code == 4
    assert "error[E405]" in done.stderr
    assert picture() == before


def test_in_place_holds_the_migration_lock(applied, run, start, env, database_url, query):
    applied.migration("2_slow", up="select pg_advisory_xact_lock(4711);")
    waiting = "select 1 from pg_locks where locktype = 'advisory' and objid = 4711 and not granted"
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("select pg_advisory_lock(4711)")
        rehearsal = start(*IN_PLACE, "--lock-timeout", "5min", env=env)
        assert eventually(lambda: query(database_url, waiting) != [], seconds=60)

        done = run("up", "--lock-wait", "0s", env=env)

    assert done.exit_code == 6, done.stderr
    rehearsal.communicate(timeout=60)
    assert rehearsal.returncode == 0


def test_what_stays_is_said(applied, run, env):
    applied.migration("2_x", up="create sequence s; select nextval('s');")

    assert "nextval" in run(*IN_PLACE, env=env).stdout


def test_a_rollback_can_be_rehearsed(applied, run, env, picture):
    before = picture()

    for more in ((), ("--in-place",)):
        done = run("rollback", "--dry-run", "--execute", *more, env=env)
        assert done.exit_code == 0, done.stderr
        assert done.stdout.startswith("Would roll back: 1_users.sql")

    assert picture() == before


def test_a_database_that_does_not_exist_yet_is_taken_for_an_empty_one(project, run, server, cluster_cache):
    project.migration("1_a", up="create table a (id int);")
    url = server.url("dbmigrate_test_not_there")

    done = run(*ON_COPY, env={"DATABASE_URL": url, "XDG_CACHE_HOME": str(cluster_cache)})

    assert done.exit_code == 0, done.stderr
    assert "an empty scratch database" in done.stdout
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(url)


def test_nothing_pending(applied, run, env):
    for command in (ON_COPY, IN_PLACE):
        done = run(*command, env=env)
        assert (done.exit_code, done.stdout) == (0, "Nothing to rehearse\n")


def test_the_answer_as_json(applied, run, env):
    applied.migration("2_a", up="select 1;")

    value = json.loads(run(*ON_COPY, "--json", env=env).stdout)

    assert value["ok"] is True
    assert [(item["version"], item["direction"]) for item in value["migrations"]] == [("2", "up")]
    assert value["cannot_show"]


@pytest.mark.parametrize(
    "words", [("up", "--execute"), ("up", "--in-place"), ("up", "--dry-run", "--in-place")], ids=" ".join
)
def test_options_that_belong_together(run, words):
    assert "error[E200]" in run(*words).stderr


def test_a_protected_environment_has_to_agree_to_locks_in_place(applied, run, env, picture):
    applied.migration("2_a", up="alter table users add a int;")
    before = picture()
    there = {**env, "PRODUCTION_DATABASE_URL": env["DATABASE_URL"]}

    refused = run("-e", "production", *IN_PLACE, env=there)
    agreed = run("-e", "production", *IN_PLACE, "--yes", env=there)
    on_copy = run("-e", "production", *ON_COPY, env=there)

    assert (refused.exit_code, agreed.exit_code, on_copy.exit_code) == (7, 0, 0)
    assert refused.stderr.splitlines()[0].endswith(" · run on the database and roll back")
    assert picture() == before


def test_the_tracking_table_in_another_schema_and_search_path(project, run, env, database_url):
    project.migration("1_a", up="create table a (id int);", down="drop table a;")
    there = {**env, "DATABASE_URL": f"{database_url}&search_path=app%2Cpublic"}
    assert run("up", env=there).exit_code == 0
    project.migration("2_b", up="alter table app.a add x int;")

    done = run(*ON_COPY, env=there)

    assert done.exit_code == 0, done.stderr
    assert next(line for line in done.stdout.splitlines() if "Would" in line).startswith("Would apply: 2_b.sql")


@both
def test_the_first_run_finds_its_own_tables_and_their_schema(project, run, database_url, query, cluster_cache, command):
    project.migration("1_a", up="create table a (id int); grant select on schema_migrations to public;")
    env = {"DATABASE_URL": f"{database_url}&search_path=app", "XDG_CACHE_HOME": str(cluster_cache)}

    done = run(*command, env=env)

    assert done.exit_code == 0, done.stderr
    assert query(database_url, "select 1 from pg_namespace where nspname = 'app'") == []


def test_in_place_no_file_may_ask_for_more_patience(applied, run, env, database_url):
    applied.migration("2_a", up="alter table users add a int;", up_options="lock_timeout:30s")
    with psycopg.connect(database_url) as conn:
        conn.execute("lock table users in access share mode")
        done = run(*IN_PLACE, "--lock-timeout", "200ms", env=env, timeout=20)

    assert done.exit_code == 4, done.stderr
    assert "lock timeout" in done.stderr


def test_in_place_nobody_who_reads_the_log_is_waited_for(applied, run, env, database_url, query):
    query(database_url, "alter table schema_migrations_log drop column reason")  # one that an older version made
    applied.migration("2_a", up="alter table users add a int;")
    with psycopg.connect(database_url) as conn:
        conn.execute("select * from schema_migrations_log")
        done = run(*IN_PLACE, "--lock-timeout", "200ms", env=env, timeout=20)

    assert done.exit_code == 4, done.stderr
    assert "lock timeout" in done.stderr


@both
def test_every_migration_has_the_settings_of_a_run(project, run, env, query, database_url, command):
    query(
        database_url,
        "do $$ begin execute format('alter database %I set statement_timeout = ''200ms''', current_database());"
        " execute format('alter database %I set standard_conforming_strings = off', current_database()); end $$",
    )
    for version in (1, 2):
        project.migration(f"{version}_a", up=f"select pg_sleep(0.3);\ncreate table t{version} as select '\\\\' as x;")

    done = run(*command, env=env)

    assert done.exit_code == 0, done.stderr


def test_migrate_is_not_rehearsed_where_it_would_find_no_database(project, run, env):
    """`up` would make it; `migrate` would not."""
    project.migration("1_users", up="create table users (id int);")
    missing = env | {"DATABASE_URL": env["DATABASE_URL"].replace("?", "_missing?")}

    up = run("up", "--dry-run", "--execute", env=missing)
    migrate = run("migrate", "--dry-run", "--execute", env=missing)

    assert (up.exit_code, migrate.exit_code) == (0, 3)
    assert "error[E303]" in migrate.stderr


def test_the_answer_names_the_command(applied, run, env):
    applied.migration("2_mail", up="alter table users add mail text;")

    done = run("migrate", "--dry-run", "--execute", "--json", env=env)

    assert json.loads(done.stdout)["command"] == "migrate"
