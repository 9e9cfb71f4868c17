"""Commands that try migrations change nothing but their scratch database, whatever a file says; and nothing is left."""

from __future__ import annotations

from pathlib import Path
from secrets import token_hex

import psycopg
import pytest

from dbmigrate.connection import database, dsn, same_server
from dbmigrate.scratch import choose

ROLES = "select rolname::text from pg_roles where rolname like 'dbmigrate\\_reach\\_%'"
LEFT = """
select 'database', datname::text from pg_database where datname like 'dbmigrate\\_scratch%'
union all select 'slot', slot_name::text from pg_replication_slots
union all select 'prepared', gid from pg_prepared_xacts
union all select 'subscription', subname::text from pg_subscription
union all select 'role', rolname::text from pg_roles where rolname like 'dbmigrate%' and rolname not like '%test%'
"""


@pytest.fixture
def role(server):
    """A role that files try to get rid of."""
    name = f"dbmigrate_reach_{token_hex(4)}"
    server.admin.execute(f"create role {name}")
    yield name
    server.admin.execute(f"drop role if exists {name}")


@pytest.fixture
def aimed(run, database_url, server, cluster_cache: Path):
    """Runs a command with the target's own server as the server for scratch databases, reached by another way."""

    def command(*words: str):
        env = {"DATABASE_URL": database_url, "XDG_CACHE_HOME": str(cluster_cache)}
        return run(*words, "--scratch-url", server.tcp_url("postgres"), env=env)

    return command


COMMANDS = [("up", "--dry-run", "--locks"), ("up", "--dry-run", "--execute"), ("check", "--no-lint")]
commands = pytest.mark.parametrize("command", COMMANDS, ids=["dry run", "rehearsal", "check"])


@commands
@pytest.mark.parametrize(
    "statement",
    [
        "drop role {role};",
        "alter role {role} login;",
        "do $$ begin execute 'drop ro' || 'le {role}'; end $$;",
        "create function kill() returns void language plpgsql as $$ begin execute 'drop ' || 'role {role}'; end $$;"
        " select kill();",
        "comment on role {role} is 'changed';",
    ],
    ids=["drop", "alter", "composed", "function", "comment"],
)
def test_a_role_of_the_targets_server_stays_as_it_is(
    aimed, project, query, database_url, role, command, statement, server
):
    project.migration("1_a", up="create table t (id int);\n" + statement.format(role=role), down="drop table t;")
    look = f"select rolcanlogin, shobj_description(oid, 'pg_authid') from pg_roles where rolname = '{role}'"

    done = aimed(*command)

    assert query(database_url, look) == [(False, None)]
    said = done.stdout + done.stderr
    # before 16 a server asks for the right to drop roles before it looks for the role: the rehearsal is refused (E722)
    is_refused = server.version < 160000 and "E722" in said
    assert is_refused or "it was not run on the target's server; a throw-away server is used" in said
    assert query(database_url, LEFT) == [("role", role)]


def test_a_function_of_the_target_that_composes_its_sql_is_not_called_on_the_targets_server(
    aimed, project, query, database_url, role
):
    query(
        database_url,
        "create function run(q text) returns void language plpgsql as $$ begin execute q; end $$; create table t ()",
    )
    project.migration("1_a", up=f"select run('drop ro' || 'le {role}');")

    done = aimed("up", "--dry-run", "--locks")

    assert query(database_url, ROLES) == [(role,)]
    assert "not run on the target's server" in done.stderr


def test_drift_spares_the_roles_of_the_targets_server(aimed, run, project, query, database_url, role):
    project.migration("1_a", up=f"create table t (id int);\ncreate role {role}_new;")
    run("up", "--no-dump-schema", env={"DATABASE_URL": database_url})
    try:
        done = aimed("drift", "--against", "migrations")

        assert done.exit_code == 0, done.stdout + done.stderr
        assert "not run on the target's server" in done.stderr
    finally:
        query(database_url, f"drop role {role}_new")


def test_what_stays_inside_is_tried_on_the_server_that_was_named(aimed, project):
    project.migration("1_a", up="create table t (id int);\ncreate index on t (id);", down="drop table t;")

    done = aimed("check", "--no-lint", "--no-dump-schema")

    assert done.exit_code == 0, done.stdout
    assert "throw-away" not in done.stdout + done.stderr


@pytest.mark.parametrize("may_ask", [True, False], ids=["by its identifier", "by a lock"])
def test_a_server_is_recognised_by_another_address(server, database_url, may_ask):
    """Also where the role may not ask for the identifier."""
    if not may_ask:
        for name in ("pg_control_system", "pg_postmaster_start_time"):
            server.admin.execute(f"revoke execute on function {name}() from public")
    role = f"dbmigrate_test_{token_hex(4)}"
    server.admin.execute(f"create role {role} login password 'x'")
    login = {**dsn.parse(server.tcp_url("postgres")).conninfo, "user": role, "password": "x"}
    try:
        with (
            database.connect(dsn.from_keywords(login), command="t", on_event=lambda _: None) as one,
            database.connect(dsn.parse(database_url), command="t", on_event=lambda _: None) as two,
        ):
            assert same_server.are_same(one, two)
            assert same_server.are_same(two, one)
    finally:
        server.admin.execute(f"drop role {role}")
        for name in ("pg_control_system", "pg_postmaster_start_time"):
            server.admin.execute(f"grant execute on function {name}() to public")


# ---------------------------------------------------------------------------------------------- a server of our own


@pytest.fixture
def own(run, database_url, cluster_cache: Path):
    """Runs a command that makes a throw-away server for its scratch databases."""

    def command(*words: str, url: str = database_url):
        protected = ("--no-dump-schema",) if words[0] == "check" else ()
        env = {"DATABASE_URL": url, "XDG_CACHE_HOME": str(cluster_cache)}
        return run(*words, *protected, env=env)

    return command


@commands
@pytest.mark.parametrize(
    "statement",
    [
        "copy (select 1) to program 'touch {path}';",
        "do $$ begin execute 'copy (select 1) to pro' || 'gram ''touch {path}'''; end $$;",
        "create function f() returns void language plpgsql as"
        " $$ begin execute 'copy (select 1) to pro' || 'gram ''touch {path}'''; end $$; select f();",
        "do $$ begin execute 'grant pg_execute_server_' || 'program to current_user'; end $$;"
        " do $$ begin execute 'copy (select 1) to pro' || 'gram ''touch {path}'''; end $$;",
        "do $$ begin execute 'alter role current_user super' || 'user'; end $$;"
        " do $$ begin execute 'copy (select 1) to pro' || 'gram ''touch {path}'''; end $$;",
        "copy (select 1) to '{path}';",
    ],
    ids=["plain", "composed", "function", "grant", "superuser", "file"],
)
def test_no_file_runs_a_program_or_writes_one(own, project, open_tmp_path, command, statement):
    open_tmp_path.chmod(0o777)
    path = open_tmp_path / "touched"
    project.migration("1_a", up=statement.format(path=path) + "\ncreate role dbmigrate_reach_x;", down="select 1;")

    done = own(*command)

    assert not path.exists()
    assert "not run on a scratch database: " in done.stdout + done.stderr, done.stdout + done.stderr
    assert "1_a.sql:2:" in done.stdout + done.stderr


def test_dblink_does_not_reach_the_target(own, project, server, query, database_url):
    query(database_url, "create table precious (id int)")
    there = dsn.parse(server.tcp_url(dsn.parse(database_url).database)).conninfo
    place = " ".join(f"{key}={value}" for key, value in there.items() if key != "password")
    up = f"create extension dblink;\nselect dblink_exec('{place}', 'drop table precious');"
    project.migration("1_a", up=up, down="drop extension dblink;")

    for command in COMMANDS:
        own(*command)

    assert query(database_url, "select to_regclass('precious')::text") == [("precious",)]


def test_files_that_can_be_read_get_what_only_a_superuser_may_do(own, project):
    project.migration(
        "1_a",
        up="create extension pg_stat_statements;\ncreate role dbmigrate_reach_y;\ncreate table t (id int);\n"
        "alter table t owner to dbmigrate_reach_y;\ncreate table u (id int);\nalter table u owner to postgres;\n"
        "create function f() returns event_trigger language plpgsql as $$ begin end $$;\n"
        "create event trigger e on ddl_command_end execute function f();",
        down="drop event trigger e;\ndrop function f;\ndrop table t, u;\ndrop role dbmigrate_reach_y;\n"
        "drop extension pg_stat_statements;",
    )
    project.migration("2_b", up="create publication p for all tables;", down="drop publication p;")

    done = own("check", "--no-lint")

    assert done.exit_code == 0, done.stdout + done.stderr


def test_the_role_that_tries_migrations_is_no_superuser(own, project):
    is_super = "(select rolsuper from pg_roles where rolname = current_user)"
    up = f"do $$ begin if {is_super} then raise 'super'; end if; end $$;"
    project.migration("1_a", up=up + "\ncreate role dbmigrate_reach_z;", down="drop role dbmigrate_reach_z;")

    done = own("check", "--no-lint")

    assert done.exit_code == 0, done.stdout + done.stderr


# -------------------------------------------------------------------------------------------------- names of databases


@commands
@pytest.mark.parametrize(
    "statement",
    [
        "alter database {name} set work_mem = '8MB';",
        "comment on database {name} is 'ours';",
        "grant connect on database {name} to public;",
        "do $$ begin execute format('alter database %I set work_mem = %L', current_database(), '8MB'); end $$;",
    ],
)
def test_a_migration_may_name_its_own_database(own, project, query, database_url, command, statement):
    name = dsn.parse(database_url).database
    project.migration("1_a", up=statement.format(name=name), down="select 1;")
    project.migration("2_b", up="create table t (id int);\ninsert into t values (1);", down="drop table t;")
    project.migration("3_c", up=f"create view v as select * from t; {statement.format(name=name)}", down="drop view v;")

    done = own(*command)

    assert done.exit_code == 0, done.stdout + done.stderr
    assert "does not exist" not in done.stdout + done.stderr
    assert (
        query(
            database_url,
            "select setconfig from pg_db_role_setting where setdatabase ="
            " (select oid from pg_database where datname = current_database())",
        )
        == []
    )


def test_a_check_makes_up_the_database_of_another_environment(own, project):
    project.migration("1_a", up="alter database orders_prod set work_mem = '8MB';", down="select 1;")

    done = own("check", "--no-lint")

    assert done.exit_code == 0, done.stdout
    assert "the database orders_prod was made for this run" in done.stderr


# -------------------------------------------------------------------------------------------------- what is left behind

SUBSCRIPTION = "create subscription s connection 'host=/none dbname=x' publication p with (connect = false{more});"


@pytest.mark.parametrize(
    "up",
    [
        SUBSCRIPTION.format(more=""),
        SUBSCRIPTION.format(more=", slot_name = none"),
        "do $$ begin execute format('alter database %I is_template true', current_database()); end $$;",
        "update pg_database set datistemplate = true where datname = current_database();",
        "update pg_database set datallowconn = false where datname = current_database();",
        "do $$ begin execute format('alter database %I connection limit 0', current_database()); end $$;",
        "select pg_create_logical_replication_slot('left', 'pgoutput');",
    ],
)
@pytest.mark.parametrize("where", ["another server", "our own"])
def test_nothing_is_left_of_a_database_that_cannot_be_dropped_as_it_is(
    run, project, query, server, database_url, cluster_cache, up, where
):
    project.migration("1_a", up=up, down="select 1;")
    env = {"DBMIGRATE_SCRATCH_URL": database_url} if where == "another server" else {"DATABASE_URL": database_url}

    done = run("check", "--no-lint", "--no-dump-schema", env={**env, "XDG_CACHE_HOME": str(cluster_cache)})

    assert "Traceback" not in done.stderr
    assert "E402" not in done.stderr + done.stdout, done.stderr
    assert query(database_url, LEFT) == []


def test_a_prepared_transaction_does_not_keep_a_scratch_database(query, database_url):
    named = choose.Choice(explicit=dsn.parse(database_url))

    with choose.open_server(named) as found, found.database() as made, psycopg.connect(**made.conninfo) as conn:
        conn.execute("create table t (id int)")
        conn.execute("prepare transaction 'left over'")

    assert query(database_url, LEFT) == []
