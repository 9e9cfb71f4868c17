"""Secrets stay secret, other users' code never runs with our rights, and nothing reaches the terminal unseen."""

from __future__ import annotations

import stat
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql

from tests.support.psql import program
from tests.support.servers import PASSWORD

# what libpq or Go's driver would quote in an error; every one holds the same password
MALFORMED = (
    "postgres://me:s3cr%zzt@localhost/app",
    "postgres://me:s3cr t@localhost/app",
    "postgres://me:s3crt@localhost:port/app",
    "postgres://me:s3crt@127.0.0.1@localhost/app",
    "postgres://me:s3crt@[::1/app",
    "postgres://me:s3crt@localhost:99999/app",
    "postgres//me:s3crt@localhost/app",
    "mysql://me:s3crt@localhost/app",
    "postgres://me:s3crt@localhost/app?sslmode",
    "postgres://me:s3crt@localhost/app?password=s3crt&=1",
    "postgres://me:s3crt#x@nowhere.invalid/app",
    "host=localhost password=s3crt dbname",
    "'postgres://me:s3crt@localhost/app'",
    "postgres://me:s3crt@localhost/app?sslmode=never",
)
SPECIAL = ("p@ss:w/rd", "sp ace", "pro%cent", "qu'ote\"s", "käse", "ba\\ck$lash", "ha#sh?a&b=c")


def name_of(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


@pytest.fixture
def attacker(server, database_url, query):
    """A role that may log in and, as on PostgreSQL 14 and older, make objects in ``public``."""
    name = f"attacker_{name_of(database_url)}"
    query(database_url, f"create role {name} login; grant create, usage on schema public to {name}")
    yield name
    query(database_url, f"drop owned by {name} cascade; drop role {name}")


def as_role(url: str, role: str, script: str) -> None:
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(sql.SQL("set session authorization {}").format(sql.Identifier(role)))
        conn.execute(script.encode())


# -------------------------------------------------------------------------------------------------------------- secrets


@pytest.mark.parametrize("url", MALFORMED)
def test_a_malformed_url_is_not_echoed(run, url) -> None:
    done = run("status", env={"DATABASE_URL": url, "PGCONNECT_TIMEOUT": "2"})

    assert done.exit_code in (2, 3)
    assert "s3cr" not in done.stdout + done.stderr


@pytest.mark.parametrize("password", SPECIAL)
def test_a_password_is_shown_nowhere(server, project, run, database_url, query, password) -> None:
    if not server.is_ours:
        pytest.skip("makes a role with a password")
    role = f"keeper_{name_of(database_url)}"
    project.migration("1_a", up="create table a (id int);")
    project.migration("2_b", up="select nonsense;")
    literal = sql.Literal(password).as_string(server.admin)
    query(database_url, f"create role {role} login superuser password {literal}")
    host, port = "127.0.0.1", server.conninfo["port"]
    url = f"postgres://{role}:{quote(password, safe='')}@{host}:{port}/{name_of(database_url)}"
    try:
        runs = [
            run("up", env={"DATABASE_URL": url}),
            run("up", "--json", env={"DATABASE_URL": url}),
            run("status", "--debug", env={"DATABASE_URL": url.replace(role, "nobody_here")}),
        ]
        log = query(database_url, "select l::text from schema_migrations_log l")
    finally:
        query(database_url, f"reassign owned by {role} to current_user; drop role {role}")

    assert [done.exit_code for done in runs] == [4, 4, 3]
    seen = "".join(done.stdout + done.stderr for done in runs) + repr(log) + project.schema_file.read_text()
    for spelling in (password, quote(password, safe=""), quote(password)):
        assert spelling not in seen


def test_a_password_in_a_server_message_is_hidden(server, project, run, database_url) -> None:
    """A migration that names the URL, in an error of the server's."""
    if not server.is_ours:
        pytest.skip("needs a login with a password")
    url = server.tcp_url(name_of(database_url))
    project.migration("1_a", up=f"do $$ begin raise 'cannot reach {url.replace('%', '%%')}'; end $$;")

    done = run("up", "--no-dump-schema", env={"DATABASE_URL": url})

    assert done.exit_code == 4
    assert "cannot reach postgres://postgres:********@" in done.stderr


# where a migration, or what is said of it, may quote the password of the very connection
QUOTING = {
    "the statement fails": "create user app password '{}' bad;",
    "in a line before it": "-- the password is {}\nselect nonsense;",
    "behind the place, in the same line": "select nonsense, '{}';",
    "before the place, in the same line": "select '{}', nonsense;",
    "in a connection string": "select nonsense, 'host=db password={}';",
    "in a notice": "do $$ begin raise notice '%', 'it is {}'; end $$;\nselect nonsense;",
    "in detail and hint": "do $$ begin raise 'x' using detail = 'it is {}', hint = 'it is {}'; end $$;",
    "the file cannot be read": "select '{}' 'not closed;",
    "a psql command": "\\c {}",
}


@pytest.mark.parametrize("body", QUOTING.values(), ids=QUOTING.keys())
@pytest.mark.parametrize("spelling", [PASSWORD, quote(PASSWORD, safe="")], ids=["plain", "encoded"])
def test_a_password_that_a_migration_quotes_is_masked(server, project, run, database_url, body, spelling) -> None:
    if not server.is_ours:
        pytest.skip("needs a login with a password")
    project.migration("1_a", up=body.replace("{}", spelling))
    environ = {"DATABASE_URL": server.tcp_url(name_of(database_url))}

    for command in (("up", "--json"), ("history",), ("lint",)):  # --json is both: JSON, and text on stderr
        done = run(*command, env=environ)

        assert done.exit_code != 0 or command[0] == "history"
        assert spelling not in done.stdout + done.stderr


def test_the_caret_stands_below_its_word_when_a_password_before_it_is_masked(
    server, project, run, database_url
) -> None:
    if not server.is_ours:
        pytest.skip("needs a login with a password")
    project.migration("1_a", up=f"select '{PASSWORD}', nonsense;")

    done = run("up", env={"DATABASE_URL": server.tcp_url(name_of(database_url))})

    lines = done.stderr.splitlines()
    number = next(number for number, line in enumerate(lines) if line.endswith("^^^^^^^^"))
    assert lines[number - 1].index("nonsense") == lines[number].index("^")


def test_a_password_in_an_unfinished_migration_is_masked(server, project, run, database_url) -> None:
    if not server.is_ours:
        pytest.skip("needs a login with a password")
    project.migration("1_a", up=f"create table a ();\nselect '{PASSWORD}', nonsense;", up_options="transaction:false")
    environ = {"DATABASE_URL": server.tcp_url(name_of(database_url))}
    run("up", env=environ)

    shown = [run(*command, env=environ) for command in (("status",), ("status", "--json"), ("verify",))]

    assert "nonsense" in shown[0].stdout + shown[0].stderr
    assert PASSWORD not in "".join(done.stdout + done.stderr for done in shown)


def test_no_password_stands_on_the_command_line_of_pg_dump(server, project, run, database_url, tmp_path) -> None:
    if not server.is_ours:
        pytest.skip("needs a login with a password")
    project.migration("1_a", up="create table a (id int);")
    spy = tmp_path / "pg_dump"
    spy.write_text(
        f'#!/bin/sh\ntr "\\0" " " </proc/$$/cmdline >>{tmp_path}/seen\n'
        f'tr "\\0" " " </proc/$PPID/cmdline >>{tmp_path}/seen\nexec {program("pg_dump")} "$@"\n'
    )
    spy.chmod(spy.stat().st_mode | stat.S_IXUSR)

    done = run("up", env={"DATABASE_URL": server.tcp_url(name_of(database_url)), "DBMIGRATE_PG_DUMP": str(spy)})

    assert done.exit_code == 0, done.stderr
    assert project.schema_file.exists()
    seen = Path(tmp_path, "seen").read_text()
    assert "--schema-only" in seen
    assert "for tests" not in seen
    assert "for%20tests" not in seen


def test_no_password_is_in_the_name_that_others_see_of_a_session(server, project, start, database_url, query) -> None:
    if not server.is_ours:
        pytest.skip("needs a login with a password")
    project.migration("1_a", up="select pg_sleep(30);")
    process = start("up", env={"DATABASE_URL": server.tcp_url(name_of(database_url))})
    question = "select application_name, query from pg_stat_activity where application_name like 'dbmigrate up%'"
    while not (seen := query(database_url, question)):
        assert process.poll() is None

    assert "for tests" not in repr(seen)
    assert "for%20tests" not in repr(seen)


# ---------------------------------------------------------------------------------------------------- other users' code


RUNS_CODE_WHEN_READ = ("a view", "a policy")


@pytest.mark.parametrize(
    "trap",
    {
        "a trigger": "create table public.schema_migrations (version varchar primary key);"
        " create function public.trap() returns trigger language plpgsql as"
        " $$ begin alter role {role} superuser; return new; end $$;"
        " create trigger trap before insert on public.schema_migrations execute function public.trap();",
        "a rule": "create table public.schema_migrations (version varchar primary key);"
        " create rule trap as on insert to public.schema_migrations do also select 1;",
        "a view": "create view public.schema_migrations as select ''::varchar as version;",
        "a table": "create table public.schema_migrations (version varchar primary key);",
        "a policy": "create table public.schema_migrations (version varchar primary key);"
        " alter table public.schema_migrations enable row level security;",
        "a default": "create function public.trap() returns varchar language plpgsql as"
        " $$ begin alter role {role} superuser; return 'x'; end $$;"
        " create table public.schema_migrations"
        " (version varchar primary key, extra varchar default public.trap());",
        "a log": "create table public.schema_migrations_log (event_id bigint);",
    }.items(),
    ids=lambda item: item[0],
)
def test_a_look_alike_of_the_tracking_table_is_refused(project, run, database_url, query, attacker, trap) -> None:
    """A superuser would run the attacker's code with his own rights (dbmate did)."""
    project.migration("1_a", up="create table a (id int);")
    as_role(database_url, attacker, trap[1].format(role=attacker))

    done = run("up", "--no-dump-schema", env={"DATABASE_URL": database_url})
    asked = run("status", env={"DATABASE_URL": database_url})

    assert done.exit_code == 7
    assert "error[E705]" in done.stderr
    assert asked.exit_code == (7 if trap[0] in RUNS_CODE_WHEN_READ or trap[0] == "a log" else 0)
    assert query(database_url, f"select rolsuper from pg_roles where rolname = '{attacker}'") == [(False,)]
    assert query(database_url, "select to_regclass('a')") == [(None,)]


def test_tables_of_the_database_owner_and_of_superusers_are_trusted(
    project, run, server, database_url, query, attacker
) -> None:
    """`attacker` is the honest one here: he migrates with tables that an administrator made for him."""
    project.migration("1_a", up="create table a (id int);")
    query(database_url, "create table public.schema_migrations (version varchar primary key)")
    query(database_url, f"grant select, insert, delete on public.schema_migrations to {attacker}")

    done = run("up", "--no-dump-schema", env={"DATABASE_URL": f"{database_url}&options=-crole%3D{attacker}"})

    assert done.exit_code == 0, done.stderr


# --------------------------------------------------------------------------------------------------------- least rights


def as_user(url: str, role: str) -> str:
    """The same URL for another role, which needs no password on our own servers' socket."""
    return url.replace("postgres://postgres@", f"postgres://{role}@")


@pytest.fixture
def role(server, database_url, query):
    """A role without any right in the database but to connect."""
    if not server.is_ours:
        pytest.skip("needs a server that any role may log in to")
    name = f"role_{name_of(database_url)}"
    query(database_url, f"revoke create on schema public from public; create role {name} login")
    yield name
    query(database_url, f"drop owned by {name} cascade; drop role {name}")


def test_a_role_with_the_documented_rights_can_migrate(project, run, database_url, query, role) -> None:
    query(database_url, f"grant usage, create on schema public to {role}")
    project.migration("1_a", up="create table a (id int);", down="drop table a;")
    project.migration("2_b", up="create index concurrently i on a (id);", up_options="transaction:false", down="")
    project.migration("3_c", up="select 1 / 0;", down="")
    env = {"DATABASE_URL": as_user(database_url, role)}

    up = run("up", "--to", "2", "--no-dump-schema", env=env)
    failed = run("up", "--no-dump-schema", env=env)
    down = run("rollback", "--steps", "2", "--no-dump-schema", env=env)

    assert [up.exit_code, failed.exit_code, down.exit_code] == [0, 4, 0], up.stderr + failed.stderr + down.stderr
    assert query(database_url, "select distinct db_role from schema_migrations_log") == [(role,)]


def test_a_role_needs_no_right_to_create_where_the_tables_are_there(project, run, database_url, query, role) -> None:
    project.migration("1_a", up="select 1;", down="select 1;")
    run("up", "--no-dump-schema", env={"DATABASE_URL": database_url})
    run("rollback", "--no-dump-schema", env={"DATABASE_URL": database_url})
    query(
        database_url,
        f"grant usage on schema public to {role}; grant select, insert, delete on schema_migrations to {role};"
        f" grant select, insert, update on schema_migrations_log to {role}",
    )
    env = {"DATABASE_URL": as_user(database_url, role)}

    up = run("up", "--no-dump-schema", env=env)
    down = run("rollback", "--no-dump-schema", env=env)

    assert (up.exit_code, down.exit_code) == (0, 0), up.stderr + down.stderr


def test_a_role_that_may_only_read_can_ask(project, run, database_url, query, role) -> None:
    project.migration("1_a", up="create table a (id int);", down="drop table a;")
    run("up", "--no-dump-schema", env={"DATABASE_URL": database_url})
    project.migration("2_b", up="create table b (id int);")
    query(
        database_url,
        f"grant usage on schema public to {role}; grant select on schema_migrations, schema_migrations_log to {role}",
    )
    env = {"DATABASE_URL": as_user(database_url, role)}

    asked = [run(*words, env=env) for words in (["status"], ["verify"], ["history"], ["up", "--dry-run"])]
    refused = run("up", "--no-dump-schema", env=env)

    assert [done.exit_code for done in asked] == [0] * 4, [done.stderr for done in asked]
    assert refused.exit_code == 4
    assert "permission denied" in refused.stderr
    assert query(database_url, "select to_regclass('b')") == [(None,)]


OVERLOADS = """
create table public.trapped (what text);
grant all on public.trapped to public;
do $$
declare
  op text; l text; r text; result text; number int := 0;
  types text[] := '{varchar,bpchar,text,int2,int4,int8,numeric,float8,name,oid,xid,xid8,timestamptz,interval,uuid}';
begin
  foreach op in array '{=,<>,<,>,+,-,*,/,||,&}'::text[] loop
    result := case op when '||' then 'text' when '&' then 'int8' when '+' then 'int8' when '-' then 'int8'
                      when '*' then 'numeric' when '/' then 'float8' else 'boolean' end;
    foreach l in array types loop
      foreach r in array types loop
        continue when exists (select from pg_operator where oprname = op and oprnamespace = 'pg_catalog'::regnamespace
                              and oprleft = l::regtype and oprright = r::regtype);
        number := number + 1;
        execute format('create function public.trap_%s(%s, %s) returns %s language plpgsql as $f$ begin
          insert into public.trapped values (%L); return null; end $f$', number, l, r, result, concat(l, op, r));
        execute format('create operator public.%s (leftarg = %s, rightarg = %s, function = public.trap_%s)',
                       op, l, r, number);
      end loop;
    end loop;
  end loop;
end $$;
"""
FUNCTIONS = """
create function public.pg_try_advisory_lock(integer, integer) returns boolean language plpgsql as
  $$ begin insert into public.trapped values ('pg_try_advisory_lock'); return true; end $$;
create function public.count(bigint) returns bigint language plpgsql as
  $$ begin insert into public.trapped values ('count'); return 1; end $$;
create function public.max(integer) returns bigint language plpgsql as
  $$ begin insert into public.trapped values ('max'); return 1; end $$;
create function public.set_config(varchar, varchar, boolean) returns text language plpgsql as
  $$ begin insert into public.trapped values ('set_config'); return 1; end $$;
"""


def test_operators_and_functions_of_others_are_never_called(project, run, database_url, query, attacker) -> None:
    """An operator in ``public`` whose types fit better than those of pg_catalog is chosen before them."""
    as_role(database_url, attacker, OVERLOADS + FUNCTIONS)
    project.migration("1_a", up="create table a (id int);", down="drop table a;")
    project.migration("2_b", up="create table b (id int);", up_options="transaction:false", down="drop table b;")
    commands = (
        ["up"],
        ["status"],
        ["verify"],
        ["history"],
        ["rollback"],
        ["up", "--dry-run"],
        ["mark", "applied", "2", "--reason", "x"],
        ["mark", "pending", "2", "--reason", "x"],
        ["up"],
    )

    codes = [run(*words, "--no-dump-schema", env={"DATABASE_URL": database_url}).exit_code for words in commands]
    project.migration("3_c", up="select 1 / 0;")
    failed = run("up", "--no-dump-schema", env={"DATABASE_URL": database_url})
    project.migration("4_d", up="create index concurrently i on a (id);\nselect 1 / 0;", up_options="transaction:false")
    project.migration("3_c", up="select 1;")
    half_done = run("up", "--no-dump-schema", env={"DATABASE_URL": database_url})
    repaired = run("repair", "--yes", "--no-dump-schema", env={"DATABASE_URL": database_url})

    assert codes == [0] * len(commands)
    assert (failed.exit_code, half_done.exit_code, repaired.exit_code) == (4, 5, 0)
    assert query(database_url, "select distinct what from trapped") == []


# -------------------------------------------------------------------------------------------------- files and terminals


@pytest.mark.parametrize("name", ["../../x", "/etc/x", "..", "a\0b", "a\nb", "-- x", "~/x", "a;rm -rf b", "$(x)"])
def test_new_cannot_leave_its_directory(project, run, name) -> None:
    arguments = ("new", "--", name) if "\0" not in name else ("new", "--", name.replace("\0", "\x01"))

    done = run(*arguments)

    made = [path for path in project.root.rglob("*") if path.is_file()]
    assert done.exit_code in (0, 2)
    assert [path.parent for path in made] == [project.migrations] * len(made)
    assert all(path.name.replace("_", "").removesuffix(".sql").isalnum() for path in made)


def test_control_characters_of_a_server_message_do_not_reach_the_terminal(project, run, database_url) -> None:
    text = "E'x\\x1b[2J\\x1b]0;owned\\x07\\x08\\r y'"
    project.migration("1_a", up=f"do $$ begin raise notice '%', {text}; raise '%', {text}; end $$;")

    done = run("up", "--no-dump-schema", env={"DATABASE_URL": database_url})

    assert done.exit_code == 4
    assert not set("\x1b\x07\x08\r") & set(done.stdout + done.stderr)


def test_control_characters_of_a_file_name_do_not_reach_the_terminal(project, run, database_url) -> None:
    project.migration("1_\x1b[2Ja\x07", up="create table a (id int);", down="drop table a;")
    outputs = []
    for words in (["status"], ["up"], ["history"], ["verify"], ["rollback"]):
        done = run(*words, "--no-dump-schema", env={"DATABASE_URL": database_url})
        assert done.exit_code == 0, done.stderr
        outputs.append(done.stdout + done.stderr)

    assert not set("\x1b\x07") & set("".join(outputs))


def test_control_characters_in_the_log_do_not_reach_the_terminal(project, run, database_url, query) -> None:
    """Whoever may write the log could have put them there."""
    project.migration("1_a", up="create table a (id int);")
    run("up", "--no-dump-schema", env={"DATABASE_URL": database_url})
    assignments = "file = E'1_\\x1b[2J', os_user = E'\\x1b[2J', reason = E'\\x07'"
    query(database_url, f"update schema_migrations_log set {assignments}")

    outputs = [run(*words, env={"DATABASE_URL": database_url}) for words in (["history"], ["status"], ["verify"])]

    assert not set("\x1b\x07") & set("".join(done.stdout + done.stderr for done in outputs))
