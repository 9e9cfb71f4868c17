"""`dbmigrate check`: wrong down sections, stale schema files, broken migrations; the target is never changed."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from secrets import token_hex

import pytest

from dbmigrate import catalog, check
from dbmigrate.cli import explanations
from tests.support.children import eventually
from tests.support.projects import Project

USERS = "create table users (id int primary key, name text, mail text); comment on table users is 'who';"


@pytest.fixture
def env(database_url: str) -> dict[str, str]:
    """A server for scratch databases: the test's own."""
    return {"DBMIGRATE_SCRATCH_URL": database_url}


@pytest.fixture
def checked(run, project: Project, env):
    """Runs `check --json --no-lint` and returns its exit code and its findings as (code, message) pairs."""

    def run_check(*arguments: str, **more: str):
        done = run("check", "--json", "--no-lint", "--no-dump-schema", *arguments, env={**env, **more})
        assert done.stdout, done.stderr
        found = json.loads(done.stdout)["findings"]
        return done.exit_code, [(item["code"], item["message"]) for item in found]

    return run_check


def first(project: Project) -> None:
    project.migration("1_users", up=USERS, down="drop table users;")


def test_a_good_project_has_no_findings(project, run, env):
    first(project)
    project.migration("2_nick", up="alter table users add nick text;", down="alter table users drop column nick;")

    done = run("check", "--no-dump-schema", env=env)

    assert done.exit_code == 0, done.stdout
    assert done.stdout.splitlines()[-1].startswith("2 migrations applied, 2 rolled back and applied again, on ")


@pytest.mark.parametrize(
    ("up", "down", "told"),
    [
        ("alter table users add nick text;", "select 1;", "column public.users.nick is still there"),
        ("comment on column users.mail is 'hi';", "select 1;", "comment on column public.users.mail is still there"),
        ("grant select on users to public;", "select 1;", "SELECT on table public.users to PUBLIC is still there"),
        ("alter table users alter name set default 'x';", "select 1;", "default of column public.users.name is 'x'"),
        ("create index i on users (mail);", "select 1;", "index public.i is still there"),
        (
            "create function f() returns trigger language plpgsql as 'begin return new; end';"
            "create trigger t before update on users for each row execute function f();",
            "select 1;",
            "trigger public.users.t is still there",
        ),
        ("alter table users alter name set not null;", "select 1;", "column public.users.name is NOT NULL"),
        ("create type mood as enum ('a');", "select 1;", "type public.mood is still there"),
        ("comment on table users is null;", "select 1;", "comment on table public.users is missing"),
        ("alter table users enable row level security;", "select 1;", "row level security of table public.users is on"),
        ("drop table users;", "create table users (id int primary key);", "column public.users.name is missing"),
    ],
    ids=["column", "comment", "grant", "default", "index", "trigger", "not null", "type", "no comment", "rls", "table"],
)
def test_what_a_down_forgot_is_named(project, checked, up, down, told):
    first(project)
    project.migration("2_change", up=up, down=down)

    exit_code, found = checked()

    assert exit_code == 1
    assert [message for code, message in found if code == "C103" and told in message], found


def test_the_place_of_a_forgotten_object_is_the_down_section(project, run, env):
    project.write("1_a.sql", "-- migrate:up\ncreate table a (id int);\n\n\n-- migrate:down\nselect 1;\n")

    found = json.loads(run("check", "--json", "--no-lint", "--no-dump-schema", env=env).stdout)["findings"]

    assert [(item["code"], item["line"]) for item in found] == [("C103", 5), ("C104", 2)]


def test_a_bad_down_does_not_spoil_the_next_migration(project, checked):
    first(project)
    project.migration("2_a", up="alter table users add a text;", down="select 1;")
    project.migration("3_b", up="alter table users add b text;", down="alter table users drop column b;")

    _, found = checked()

    assert {message.split()[5] for code, message in found if code == "C103"} == {"2_a.sql"}


@pytest.mark.parametrize("options", ["", "transaction:false"])
def test_down_sections_that_fail_are_told_with_their_place(project, run, env, options):
    project.write(
        "1_a.sql", f"-- migrate:up\ncreate table a (id int);\n-- migrate:down {options}\ndrop table a;\ndrop table b;\n"
    )
    project.migration("2_b", up="create table c (id int);", down="drop table c;")

    done = run("check", "--json", "--no-lint", "--no-dump-schema", env=env)

    found = json.loads(done.stdout)["findings"]
    assert [(item["code"], item["line"], item["column"]) for item in found] == [("C102", 5, 12)]
    assert "2 migrations" in run("check", "--no-lint", "--no-dump-schema", env=env).stdout


def test_what_runs_without_a_transaction_is_tried_as_well(project, checked):
    first(project)
    project.migration(
        "2_index",
        up="create index concurrently i on users (mail);",
        down="drop index concurrently i;",
        up_options="transaction:false",
        down_options="transaction:false",
    )
    project.migration(
        "3_forgetful",
        up="create index concurrently j on users (mail);",
        down="select 1;",
        up_options="transaction:false",
        down_options="transaction:false",
    )
    project.migration("4_more", up="create table more (id int);", down="drop table more;")

    exit_code, found = checked()

    assert exit_code == 1
    assert [code for code, _ in found] == ["C103", "C104"]
    assert "3_forgetful" in found[0][1]


def test_column_order_is_told_apart_as_a_note(project, checked):
    first(project)
    project.migration("2_drop", up="alter table users drop name;", down="alter table users add name text;")

    exit_code, found = checked()

    assert exit_code == 0
    assert [code for code, _ in found] == ["C106"]
    assert "id, mail, name" in found[0][1]


def test_irreversible_migrations_are_skipped_with_a_note(project, checked):
    first(project)
    project.migration("2_x", up="drop table users;", down="", down_options="irreversible:true")

    assert checked() == (0, [("C107", "2_x.sql is irreversible: its down section was not tried")])


def test_an_empty_down_of_a_change_of_the_schema_is_a_warning(project, checked):
    first(project)
    project.migration("2_x", up="alter table users add x int;")

    exit_code, found = checked()

    assert exit_code == 1
    assert "C108" in [code for code, _ in found]


def test_an_empty_down_of_a_change_of_rows_is_a_note(project, checked):
    first(project)
    project.migration("2_x", up="update users set name = 'y';")

    exit_code, found = checked()

    assert exit_code == 0
    assert "C107" in [code for code, _ in found]


def test_a_migration_that_fails_is_told_with_its_place_and_what_was_not_tried(project, run, env):
    first(project)
    project.write("2_x.sql", "-- migrate:up\nselect 1;\nalter table nowhere add x int;\n-- migrate:down\n")
    project.migration("3_y", up="select 1;", down="select 1;")

    done = run("check", "--json", "--no-lint", "--no-dump-schema", env=env)

    found = json.loads(done.stdout)["findings"]
    assert done.exit_code == 1
    assert [(item["code"], item["line"]) for item in found if item["code"].startswith("C")] == [
        ("C101", 3),
        ("C114", None),
    ]


def test_the_server_decides_what_squawk_cannot_read(project, run, env):
    first(project)
    unread = "create view w as select * from users where id between 1 and 2 or not starts_with('a', 'b');"
    project.migration("2_read", up=unread, down="drop view w;")

    assert json.loads(run("check", "--json", "--no-dump-schema", env=env).stdout)["findings"] == []

    project.migration("3_refused", up="create tabel t (a int, b int);", down_options="irreversible:true")
    found = json.loads(run("check", "--json", "--no-dump-schema", env=env).stdout)["findings"]

    assert [item["code"] for item in found] == ["C101"]


def test_every_fault_of_every_file_is_told(project, checked):
    first(project)
    project.write("2_a.sql", "create table a (id int);\n")
    project.write("3_b.sql", "-- migrate:up\nselect 'open;\n-- migrate:down\n")
    project.write("4_c.sql", b"-- migrate:up\nselect '\xff';\n-- migrate:down\n")

    exit_code, found = checked()

    assert exit_code == 1
    assert [code for code, _ in found] == ["E214", "E217", "E210", "C114"]


def test_two_files_of_one_version_are_a_finding(project, checked):
    first(project)
    project.migration("1_again", up="select 1;", down="select 1;")

    exit_code, found = checked()

    assert (exit_code, [code for code, _ in found]) == (1, ["E221"])


def test_without_files_there_is_nothing_to_check(project, run, env):
    done = run("check", env=env)

    assert done.exit_code == 2
    assert "error[E230]: no migration files found in" in done.stderr


def test_a_slow_migration_is_told(project, checked):
    project.migration("1_slow", up="select pg_sleep(0.3);", down="select 1;")

    exit_code, found = checked("--max-duration", "200ms")

    assert exit_code == 1
    assert "C109" in [code for code, _ in found]
    assert "C109" not in [code for code, _ in checked("--max-duration", "1m")[1]]


# ----------------------------------------------------------------------------------------------------- the schema file


@pytest.fixture
def with_schema(run, project, database_url, env):
    """A project whose schema file was written by `up`; returns a function that checks it."""
    first(project)
    assert run("up", env={"DATABASE_URL": database_url}).exit_code == 0

    def run_check():
        done = run("check", "--json", "--no-lint", env=env)
        assert done.stdout, done.stderr
        return done.exit_code, [(item["code"], item["message"]) for item in json.loads(done.stdout)["findings"]]

    return run_check


def test_a_schema_file_that_up_wrote_is_what_the_migrations_make(with_schema):
    assert with_schema() == (0, [])


def test_a_schema_file_that_lacks_something_is_told_object_by_object(project, with_schema):
    project.migration("2_nick", up="alter table users add nick text;", down="alter table users drop column nick;")

    exit_code, found = with_schema()

    assert exit_code == 1
    assert [code for code, _ in found] == ["C105", "C105"]
    assert found[0][1].startswith("column public.users.nick is not in ")
    assert found[1][1].startswith("version 2 is not recorded in ")


def test_a_schema_file_that_was_edited_is_told(project, with_schema):
    text = project.schema_file.read_text()
    project.schema_file.write_text(text.replace("mail text", "mail text,\n    secret text"))

    exit_code, found = with_schema()

    assert exit_code == 1
    assert found[0][1].startswith("column public.users.secret is in ")


def test_a_schema_file_that_cannot_be_loaded_is_told_with_its_place(project, with_schema):
    project.schema_file.write_text("create table x (;\n")

    exit_code, found = with_schema()

    assert exit_code == 1
    assert found[0][0] == "C105"
    assert "cannot be loaded" in found[0][1]


def test_a_schema_file_in_other_words_is_a_note(project, with_schema):
    project.schema_file.write_text(project.schema_file.read_text() + "\n-- a remark\n")

    assert [code for code, _ in with_schema()[1]] == ["C105"]
    assert with_schema()[0] == 0


def test_no_schema_file_is_a_note(run, project, env):
    first(project)

    done = run("check", "--no-lint", env=env)

    assert done.exit_code == 0
    assert "note[C113]" in done.stdout


# ---------------------------------------------------------------------------------------------------------- where it is


def fingerprint(url: str, query):
    import psycopg

    with psycopg.connect(url, autocommit=True) as conn:
        return catalog.read(conn), query(url, "select count(*) from users")


def test_the_target_is_never_touched(project, run, database_url, query, server):
    first(project)
    query(database_url, USERS + "insert into users values (1)")
    project.migration("2_nick", up="alter table users add nick text;", down="alter table users drop column nick;")
    before = fingerprint(database_url, query)
    databases = query(database_url, "select datname from pg_database order by 1")

    done = run("check", "--no-dump-schema", env={"DATABASE_URL": database_url})

    assert done.exit_code == 0, done.stdout
    assert fingerprint(database_url, query) == before
    assert query(database_url, "select datname from pg_database order by 1") == databases


@pytest.mark.parametrize(
    ("up", "down"),
    [("select pg_sleep(60);", "select 1;"), ("create table a ();", "drop table a;\nselect pg_sleep(60);")],
)
def test_ctrl_c_leaves_nothing_on_the_server(project, start, database_url, query, up, down):
    project.migration("1_slow", up=up, down=down)
    sleeping = "select count(*) from pg_stat_activity where query like '%sleep(60)%' and datname like 'dbmigrate_scr%'"
    process = start("check", "--no-lint", env={"DATABASE_URL": database_url})
    assert eventually(lambda: query(database_url, sleeping) == [(1,)], seconds=30)

    process.send_signal(signal.SIGINT)

    _, complaint = process.communicate(timeout=30)
    assert process.returncode == 130, complaint
    assert "Traceback" not in complaint
    assert query(database_url, "select 1 from pg_database where datname like 'dbmigrate_scratch%'") == []


def test_migrations_that_reach_beyond_their_database_are_not_tried_on_the_targets_server(
    project, run, database_url, query, cluster_cache
):
    project.migration("1_r", up="create role dbmigrate_test_beyond;", down="drop role dbmigrate_test_beyond;")

    done = run("check", env={"DATABASE_URL": database_url, "XDG_CACHE_HOME": str(cluster_cache)})

    assert done.exit_code == 0, done.stdout + done.stderr
    assert "note[W600]: a migration changes, or may change, what belongs to the whole server" in done.stderr
    assert query(database_url, "select 1 from pg_roles where rolname = 'dbmigrate_test_beyond'") == []


SHARED = """
select 'database', datname::text, datacl::text, shobj_description(oid, 'pg_database'), datconnlimit
from pg_database where datname = current_database()
union all select 'role', rolname, rolconfig::text, shobj_description(oid, 'pg_authid'), 0
from pg_roles where rolname like 'dbmigrate\\_test\\_%'
union all select 'member', roleid::regrole::text, member::regrole::text, null, 0
from pg_auth_members where member::regrole::text like 'dbmigrate\\_test\\_%'
union all select 'setting', setconfig::text, null, null, 0
from pg_db_role_setting where setdatabase = (select oid from pg_database where datname = current_database())
order by 1, 2, 3
"""


@pytest.fixture
def role(server, database_url, query):
    """A role that owns nothing."""
    name = f"dbmigrate_test_role_{token_hex(4)}"
    server.admin.execute(f"create role {name}")
    yield name
    query(database_url, f"drop owned by {name}")
    server.admin.execute(f"drop role {name}")
    server.admin.execute("drop role if exists dbmigrate_test_beyond")


@pytest.mark.parametrize(
    "statement",
    [
        "grant create on database {database} to public;",
        "revoke /* from */ temp -- really\n on database {database} from public;",
        "comment on database {database} is 'changed';",
        "drop owned by {role};",
        "grant pg_read_all_stats to {role};",
        "comment on role {role} is 'changed';",
        "create /* a */ role dbmigrate_test_beyond;",
        "do $$ begin execute 'alter database {database} set work_mem = ''5MB'''; end $$;",
        "update pg_catalog.pg_database set datconnlimit = 7 where datname = '{database}';",
        pytest.param("select '" + 1_100_000 * "x" + "';comment on role {role} is 'changed';", id="in a large file"),
    ],
)
def test_nothing_that_belongs_to_the_server_is_changed_by_a_check(
    project, run, database_url, query, cluster_cache, role, statement
):
    name = query(database_url, "select current_database()")[0][0]
    query(database_url, f"grant temp on database {name} to {role}")
    project.migration("1_beyond", up=statement.format(database=name, role=role))
    before = query(database_url, SHARED)

    run("check", "--no-lint", env={"DATABASE_URL": database_url, "XDG_CACHE_HOME": str(cluster_cache)})

    assert query(database_url, SHARED) == before


def test_grants_on_what_is_in_the_database_are_tried_on_the_targets_server(project, run, database_url):
    first(project)
    project.migration(
        "2_g",
        up="grant select on users to public; alter default privileges grant select on tables to public;",
        down="revoke select on users from public; alter default privileges revoke select on tables from public;",
    )

    done = run("check", "--no-dump-schema", "--no-lint", env={"DATABASE_URL": database_url})

    assert done.exit_code == 0, done.stdout
    assert "W600" not in done.stderr


def test_without_a_database_an_embedded_server_is_used(project, run, cluster_cache):
    first(project)

    done = run("check", "--no-dump-schema", env={"XDG_CACHE_HOME": str(cluster_cache)})

    assert done.exit_code == 0, done.stdout + done.stderr


def test_a_protected_environment_is_asked_for_sizes_and_nothing_is_made_on_its_server(
    project, run, database_url, query, cluster_cache
):
    first(project)
    query(database_url, USERS + "insert into users select 1")
    project.migration("2_nick", up="alter table users add nick text;", down="alter table users drop column nick;")

    done = run(
        "check",
        "-e",
        "production",
        "--no-dump-schema",
        env={"PRODUCTION_DATABASE_URL": database_url, "XDG_CACHE_HOME": str(cluster_cache)},
    )

    assert done.exit_code == 0, done.stdout + done.stderr
    assert "ACCESS EXCLUSIVE" in done.stdout


def test_a_role_that_no_migration_makes_is_made_up_on_a_server_of_our_own(project, run, cluster_cache):
    first(project)
    project.migration("2_g", up="grant select on users to app;", down="revoke select on users from app;")

    done = run("check", "--no-dump-schema", "--no-lint", env={"XDG_CACHE_HOME": str(cluster_cache)})

    assert done.exit_code == 0, done.stdout + done.stderr
    assert "the role app was made for this run" in done.stderr


# --------------------------------------------------------------------------------------------------- formats and since


def test_annotations_for_github(project, run, env):
    project.migration("1_a", up="create table a (id int);", down="select 1;")

    done = run("check", "--format", "github", "--no-lint", "--no-dump-schema", env=env)

    assert done.exit_code == 1
    assert done.stdout.startswith("::error file=db/migrations/1_a.sql,line=4,col=1,title=C103::after the down section")


def test_a_report_for_gitlab(project, run, env):
    project.migration("1_a", up="create table a (id int);", down="select 1;")

    done = run("check", "--format", "gitlab", "--no-lint", "--no-dump-schema", env=env)

    assert [entry["check_name"] for entry in json.loads(done.stdout)] == ["C103", "C104"]


def test_a_summary_in_markdown(project, run, env, tmp_path):
    first(project)
    project.migration("2_a", up="alter table users add x int default 1;", down="alter table users drop x;")

    run("check", "--no-lint", "--no-dump-schema", "--summary", "out.md", env=env)

    text = (tmp_path / "out.md").read_text()
    assert "## Check: no findings" in text
    assert "| 2&#95;a.sql |" in text
    assert "ACCESS EXCLUSIVE" in text


def git(cwd: Path, *arguments: str) -> None:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *who, *arguments], cwd=cwd, check=True, capture_output=True)


def test_since_looks_only_at_what_changed(project, checked, tmp_path):
    first(project)
    project.migration("2_old", up="create table old (id int);", down="select 1;")
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "one")
    project.migration("3_committed", up="create table a (id int);", down="select 1;")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "two")
    project.migration("4_new", up="create table b (id int);", down="select 1;")

    _, everything = checked()
    _, since = checked("--since", "HEAD~1")
    _, nothing = checked("--since", "HEAD", "--max-duration", "1h")

    def files(found):
        return sorted({message.split()[5] for code, message in found if code == "C103"})

    assert files(everything) == ["2_old.sql", "3_committed.sql", "4_new.sql"]
    assert files(since) == ["3_committed.sql", "4_new.sql"]
    assert files(nothing) == ["4_new.sql"]


def test_since_a_revision_that_is_not_there(project, run, env, tmp_path):
    first(project)
    git(tmp_path, "init")

    done = run("check", "--since", "nowhere", env=env)

    assert done.exit_code == 2
    assert "error[E247]" in done.stderr


def test_since_without_a_repository(project, run, env):
    first(project)

    done = run("check", "--since", "HEAD", env=env)

    assert done.exit_code == 2
    assert "or ./db/migrations is not in a repository" in done.stderr


def test_since_nothing_that_git_would_take_for_an_option(project, run, env, tmp_path):
    first(project)
    git(tmp_path, "init")

    assert "error[E247]" in run("check", "--since=--output=x", env=env).stderr


def test_every_code_is_explained():
    pages = explanations.pages()

    assert {code: pages[code].title for code in check.CODES} == check.CODES


def test_a_note_on_stderr_leaves_the_json_on_stdout(project, run, database_url, cluster_cache):
    """A role is made on a throw-away server, which a note tells of before the answer is printed."""
    project.migration("1_role", up="create role dbmigrate_noted;", down="drop role dbmigrate_noted;")
    env = {"DATABASE_URL": database_url, "XDG_CACHE_HOME": str(cluster_cache)}

    done = run("check", "--format", "json", "--no-lint", "--no-dump-schema", env=env)

    assert "note[W600]" in done.stderr
    assert json.loads(done.stdout)["command"] == "check"


def test_two_environments_are_refused_before_anything_is_tried(project, run, make_database):
    first(project)
    urls = {"DEV_DATABASE_URL": make_database(), "STAGING_DATABASE_URL": make_database()}

    done = run("check", "-e", "dev", "-e", "staging", env=urls)

    assert (done.exit_code, done.stdout) == (2, "")
    assert "this command works on one environment, not on -e dev, -e staging" in done.stderr
