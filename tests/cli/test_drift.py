"""`drift` through the real program: against the schema file, the migrations, another environment."""

from __future__ import annotations

import json
import re

import psycopg
import pytest

from tests.support.catalog import fingerprint
from tests.support.faults import plain_role

USERS = "create table users (id bigint primary key, name text not null default 'x');"


@pytest.fixture
def dbmigrate(run, database_url, cluster_cache, tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")
    (cache / "dbmigrate").symlink_to(cluster_cache)

    def run_it(*arguments, env=None):
        return run(*arguments, env={"DATABASE_URL": database_url, "XDG_CACHE_HOME": str(cache), **(env or {})})

    return run_it


@pytest.fixture
def scratch(server):
    """Options that make the scratch databases on the test server: the same version, and nothing to start."""
    return ("--scratch-url", server.url("postgres"))


@pytest.fixture
def migrated(dbmigrate, project):
    project.migration("1_users", up=USERS, down="drop table users;")
    project.migration(
        "2_orders",
        up="create table orders (id int primary key, at date);\ncreate index on orders (at);",
        down="drop table orders;",
    )
    done = dbmigrate("up")
    assert done.exit_code == 0, done.stderr
    return project


def execute(url, statement):
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(statement.encode())


def told(done):
    """The answer without the commands that come next."""
    return [line for line in done.stdout.splitlines() if not line.startswith("next: ")]


def following(done):
    """The commands that come next."""
    return re.findall(r"^next: `(.*?)`", done.stdout, re.MULTILINE)


def headlines(done):
    return [line for line in told(done) if not line.startswith(" ")]


@pytest.mark.parametrize("against", [(), ("--against", "file"), ("--against", "migrations")])
def test_no_drift_after_up(dbmigrate, migrated, scratch, against):
    done = dbmigrate("drift", *against, *scratch)

    assert done.exit_code == 0, done.stderr
    assert re.fullmatch(r"\S+ · no drift from (\./db/schema\.sql|the migrations)\n", done.stdout)
    assert done.stderr == ""


@pytest.mark.parametrize("against", ["file", "migrations"])
def test_what_was_done_by_hand_is_named_with_both_definitions(dbmigrate, migrated, scratch, database_url, against):
    execute(
        database_url,
        "alter table users add phone text, alter name set default 'y'; drop index orders_at_idx;"
        "create function f() returns int language sql as 'select 1'; comment on table orders is 'all of them'",
    )
    before = fingerprint(database_url)

    done = dbmigrate("drift", "--against", against, *scratch)

    assert done.exit_code == 1, done.stderr
    assert told(done)[:-1] == [
        "index public.orders_at_idx is missing",
        "    expected: CREATE INDEX orders_at_idx ON public.orders USING btree (at);",
        "comment on table public.orders is extra",
        "    live:     COMMENT ON TABLE public.orders IS 'all of them';",
        "default of column public.users.name differs",
        "    expected: 'x'::text",
        "    live:     'y'::text",
        "column public.users.phone is extra",
        "    live:     ALTER TABLE public.users ADD COLUMN phone text;",
        "function public.f() is extra",
        "    live:     CREATE OR REPLACE FUNCTION public.f()",
        "               RETURNS integer",
        "               LANGUAGE sql",
        "              AS $function$select 1$function$;",
    ]
    assert " · 5 differences from " in told(done)[-1]
    assert fingerprint(database_url) == before


def test_texts_of_several_lines_are_shown_as_what_changed_in_them(dbmigrate, project, scratch, database_url):
    body = "begin\n  -- one\n  return {};\nend"
    project.migration("1_f", up=f"create function f() returns int language plpgsql as $${body.format(1)}$$;")
    dbmigrate("up")
    execute(database_url, f"create or replace function f() returns int language plpgsql as $${body.format(2)}$$")

    done = dbmigrate("drift", *scratch)

    assert told(done)[:-1] == [
        "definition of function public.f() differs",
        "    --- expected",
        "    +++ live",
        "    @@ -5,3 +5,3 @@",
        "       -- one",
        "    -  return 1;",
        "    +  return 2;",
        "     end$function$",
    ]


def test_json_holds_the_same(dbmigrate, migrated, scratch, database_url):
    execute(database_url, "alter table users alter name drop not null; create schema b create table b.t ()")

    done = dbmigrate("drift", "--json", *scratch)

    answer = json.loads(done.stdout)
    assert done.exit_code == 1
    assert (answer["command"], answer["ok"], answer["drift"]) == ("drift", True, True)
    assert answer["against"] == "./db/schema.sql"
    assert answer["notes"] == []
    assert answer["differences"] == [
        {
            "kind": "schema",
            "name": "b",
            "change": "extra",
            "aspect": None,
            "message": "schema b is extra, with table b.t",
            "expected": None,
            "live": "CREATE SCHEMA b;",
            "inside": ["table b.t"],
        },
        {
            "kind": "column",
            "name": "public.users.name",
            "change": "changed",
            "aspect": "nullability",
            "message": "column public.users.name is nullable, was NOT NULL",
            "expected": "NOT NULL",
            "live": "nullable",
            "inside": [],
        },
    ]


def test_quiet_says_nothing_when_there_is_nothing(dbmigrate, migrated, scratch):
    done = dbmigrate("drift", "--quiet", *scratch)

    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")


def test_the_order_of_columns_is_told(dbmigrate, migrated, scratch, database_url):
    execute(database_url, "alter table users drop id; alter table users add id bigint primary key")

    done = dbmigrate("drift", *scratch)

    assert told(done)[:-1] == [
        "order of the columns of table public.users differs",
        "    expected: id, name",
        "    live:     name, id",
    ]


def test_the_commands_that_come_next_end_the_answer(dbmigrate, migrated, scratch, database_url, twin_database_url):
    twin = {"DATABASE_URL": twin_database_url}
    dbmigrate("up", "--steps", "1", "--no-dump-schema", env=twin)
    staging = {"STAGING_DATABASE_URL": twin_database_url}

    assert following(dbmigrate("drift", *scratch, env=twin)) == ["dbmigrate up"]
    assert following(dbmigrate("drift", "--against", "staging", env=staging)) == ["dbmigrate -e staging up"]
    assert following(dbmigrate("drift", *scratch)) == []

    execute(database_url, "alter table users add phone text")

    done = dbmigrate("drift", *scratch)
    assert following(done) == ["dbmigrate new NAME", "dbmigrate dump"]
    assert done.stdout.splitlines()[-1] == (
        "next: `dbmigrate dump` if the database is right and ./db/schema.sql is not"
    )
    assert following(dbmigrate("drift", "--against", "migrations", *scratch)) == ["dbmigrate new NAME"]
    assert json.loads(dbmigrate("drift", "--json", *scratch).stdout)["next"][0]["command"] == "dbmigrate new NAME"


def test_a_schema_file_that_lacks_an_applied_migration_is_dumped_next(dbmigrate, migrated, scratch):
    migrated.migration("3_more", up="create table more (id int);", down="drop table more;")
    dbmigrate("up", "--no-dump-schema")

    assert following(dbmigrate("drift", *scratch)) == ["dbmigrate dump"]


def test_an_applied_file_that_was_changed_is_verified_and_repaired_next(dbmigrate, migrated, scratch):
    migrated.migration("1_users", up=USERS + "alter table users add age int;", down="drop table users;")

    done = dbmigrate("drift", "--against", "migrations", *scratch)

    assert headlines(done)[0] == "column public.users.age is missing"
    assert following(done) == ["dbmigrate verify", "dbmigrate repair"]
    assert "1_users.sql: changed after being applied" in done.stdout


# ------------------------------------------------------------------------------------------------- file and migrations


def test_a_file_that_is_ahead_is_said_to_be(dbmigrate, migrated, scratch, twin_database_url):
    """The checkout has a migration more than the database: that explains the difference."""
    behind = {"DATABASE_URL": twin_database_url}
    dbmigrate("up", "--steps", "1", "--no-dump-schema", env=behind)

    done = dbmigrate("drift", *scratch, env=behind)

    assert done.exit_code == 1
    assert headlines(done)[:2] == ["table public.orders is missing", "note: only in ./db/schema.sql: 2"]
    assert dbmigrate("drift", "--against", "migrations", *scratch, env=behind).exit_code == 0


def test_grants_count_against_migrations_and_not_against_the_file(dbmigrate, migrated, scratch, database_url):
    execute(database_url, "grant select on users to public")

    assert dbmigrate("drift", *scratch).exit_code == 0
    assert headlines(dbmigrate("drift", "--against", "migrations", *scratch))[0] == (
        "grant of SELECT on table public.users to PUBLIC is extra"
    )
    assert dbmigrate("drift", "--against", "migrations", "--no-grants", *scratch).exit_code == 0


def test_a_missing_schema_file_is_an_error(dbmigrate, migrated, scratch):
    migrated.schema_file.unlink()

    done = dbmigrate("drift", *scratch)

    assert done.exit_code == 2
    assert "error[E207]: cannot read db/schema.sql" in done.stderr


def test_a_schema_file_that_cannot_be_loaded_is_an_error_with_its_place(dbmigrate, migrated, scratch):
    migrated.schema_file.write_text("create table a (id int);\ncreate table b (id nonsense);\n")

    done = dbmigrate("drift", *scratch)

    assert done.exit_code == 2
    assert "error[E260]" in done.stderr
    assert "./db/schema.sql:2:20" in done.stderr


def test_migrations_whose_files_are_gone_cannot_be_compared_with(dbmigrate, migrated, scratch):
    (migrated.migrations / "1_users.sql").unlink()

    done = dbmigrate("drift", "--against", "migrations", *scratch)

    assert done.exit_code == 2
    assert "error[E261]: the files of applied migrations are gone: 1" in done.stderr


def test_migrations_without_a_transaction_are_replayed_too(dbmigrate, migrated, scratch):
    migrated.migration(
        "3_index", up="create index concurrently users_name on users (name);", up_options="transaction:false"
    )
    dbmigrate("up")

    assert dbmigrate("drift", "--against", "migrations", *scratch).exit_code == 0


def test_a_database_without_migrations_is_compared_with_nothing(dbmigrate, project, scratch, database_url):
    project.migration("1_users", up=USERS)
    execute(database_url, "create table stranger ()")

    done = dbmigrate("drift", "--against", "migrations", *scratch)

    assert headlines(done)[0] == "table public.stranger is extra"


def test_the_tracking_table_may_be_anywhere(dbmigrate, project, scratch):
    project.migration("1_users", up=USERS)
    table = ("--migrations-table", "meta.versions")
    dbmigrate("up", *table)

    assert dbmigrate("drift", *table, *scratch).exit_code == 0
    assert dbmigrate("drift", "--against", "migrations", *table, *scratch).exit_code == 0


def test_the_search_path_of_the_url_counts(dbmigrate, project, scratch, database_url):
    env = {"DATABASE_URL": f"{database_url}&search_path=app,public"}
    project.migration("1_schema", up="create schema if not exists app;")
    project.migration("2_users", up=USERS)
    up = dbmigrate("up", env=env)
    assert up.exit_code == 0, up.stderr

    for against in ("file", "migrations"):
        done = dbmigrate("drift", "--against", against, *scratch, env=env)
        assert done.exit_code == 0, done.stdout + done.stderr


def test_without_a_scratch_url_a_server_of_our_own_is_started(dbmigrate, migrated, server, database_url):
    execute(database_url, "alter table users add phone text")

    done = dbmigrate("drift")

    assert done.exit_code == 1, done.stderr
    assert headlines(done)[0] == "column public.users.phone is extra"
    assert len(headlines(done)) == (2 if "scratch server is PostgreSQL" not in done.stderr else 3)


def test_a_role_that_may_only_connect_is_enough(dbmigrate, migrated, server, scratch, database_url):
    with plain_role(server, database_url) as url:
        execute(
            database_url,
            f"grant select on schema_migrations, schema_migrations_log to {url.split('/')[2].split(':')[0]}",
        )
        env = {"DATABASE_URL": f"{url}?default_transaction_read_only=on"}
        before = fingerprint(database_url)

        done = dbmigrate("drift", "--scratch-url", server.url("postgres"), env=env)

        assert done.exit_code == 0, done.stdout + done.stderr
        assert fingerprint(database_url) == before


def test_a_locked_view_is_waited_for_only_so_long(dbmigrate, migrated, scratch, database_url):
    execute(database_url, "create view v as select id from users")
    with psycopg.connect(database_url) as conn:
        conn.execute("lock table users in access exclusive mode")
        done = dbmigrate("drift", *scratch)

    assert done.exit_code == 4
    assert "error[E405]" in done.stderr


# --------------------------------------------------------------------------------------------------------- environments


@pytest.fixture
def staging(dbmigrate, migrated, twin_database_url):
    env = {"STAGING_DATABASE_URL": twin_database_url}
    assert dbmigrate("-e", "staging", "up", "--no-dump-schema", env=env).exit_code == 0
    return env


def test_two_environments_are_the_same(dbmigrate, staging):
    done = dbmigrate("drift", "--against", "staging", env=staging)

    assert done.exit_code == 0, done.stdout + done.stderr
    assert " · no drift from staging · " in done.stdout


def test_two_environments_differ(dbmigrate, migrated, staging, twin_database_url):
    execute(twin_database_url, "alter table users add phone text; grant select on users to public")
    migrated.migration("3_c", up="create table c ();")
    dbmigrate("up")

    done = dbmigrate("drift", "--against", "staging", env=staging)

    assert done.exit_code == 1
    assert headlines(done)[:-2] == [
        "table public.c is extra",
        "column public.users.phone is missing",
        "grant of SELECT on table public.users to PUBLIC is missing",
    ]
    assert headlines(done)[-2] == "note: only applied here: 3"


def test_owners_are_compared_when_asked_for(dbmigrate, staging, server, twin_database_url):
    with plain_role(server, twin_database_url, "users"):
        assert dbmigrate("drift", "--against", "staging", "--no-grants", env=staging).exit_code == 0
        done = dbmigrate("drift", "--against", "staging", "--no-grants", "--owners", env=staging)

    assert headlines(done)[0] == "owner of table public.users differs"
    refused = dbmigrate("drift", "--owners")
    assert (refused.exit_code, "E200" in refused.stderr) == (2, True)


def test_an_unknown_environment_is_an_error(dbmigrate, migrated):
    done = dbmigrate("drift", "--against", "nowhere")

    assert done.exit_code == 2
    assert "NOWHERE_DATABASE_URL is not set" in done.stderr


def test_an_environment_that_does_not_answer_is_an_error(dbmigrate, migrated, unused_port):
    url = f"postgres://nobody@127.0.0.1:{unused_port}/nothing"

    done = dbmigrate("drift", "--against", "staging", env={"STAGING_DATABASE_URL": url})

    assert done.exit_code == 3
