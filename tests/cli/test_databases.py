"""`create`, `drop`, `wait`, `dump`, `load`, `new`, `help`: the small commands."""

from __future__ import annotations

import json
import re
import sys

import psycopg
import pytest


@pytest.fixture
def named_url(server, run):
    url = server.url("dbmigrate_small_commands")
    yield url
    run("drop", env={"DATABASE_URL": url})


def test_create_then_drop_then_drop_again(run, named_url):
    env = {"DATABASE_URL": named_url}

    assert run("create", env=env).exit_code == 0
    again = run("create", env=env)
    assert again.exit_code == 4
    assert "already exists" in again.stderr
    assert run("drop", env=env).exit_code == 0
    assert run("drop", env=env).exit_code == 0


@pytest.mark.parametrize("command", ["create", "drop", "wait"])
def test_a_program_reads_one_json_object(run, named_url, command):
    done = run(command, "--json", env={"DATABASE_URL": named_url})

    assert json.loads(done.stdout) == {"format": "dbmigrate/1", "command": command, "ok": True}


def test_wait_takes_a_missing_database_for_an_answer(run, named_url):
    assert run("wait", env={"DATABASE_URL": named_url}).exit_code == 0


def test_wait_gives_up_after_its_time(run, unused_port):
    done = run(
        "wait",
        "--wait-timeout",
        "300ms",
        "--wait-interval",
        "100ms",
        env={"DATABASE_URL": f"postgres://nobody@127.0.0.1:{unused_port}/x"},
    )

    assert done.exit_code == 3
    assert "unable to connect to database" in done.stderr
    assert "E302" in done.stderr


@pytest.mark.parametrize("command", ["up", "migrate", "rollback", "status", "create", "drop", "dump", "load"])
def test_every_command_can_wait_first(run, project, unused_port, command):
    done = run(
        command,
        "--wait",
        "--wait-timeout",
        "100ms",
        "--wait-interval",
        "50ms",
        env={"DATABASE_URL": f"postgres://nobody@127.0.0.1:{unused_port}/x"},
    )

    assert done.exit_code == 3
    assert "unable to connect to database" in done.stderr


def test_new_prints_the_path_alone_and_makes_the_template(run, tmp_path):
    done = run("new", "Create", "users & roles")

    assert done.exit_code == 0
    path = done.stdout.removesuffix("\n")
    assert re.fullmatch(r"db/migrations/\d{14}_create_users_roles\.sql", path)
    assert (tmp_path / path).read_text() == "-- migrate:up\n\n\n-- migrate:down\n\n"


def test_new_stays_inside_its_directory(run, tmp_path):
    assert run("new", "../../x").exit_code == 0

    assert [path.name[14:] for path in tmp_path.rglob("*.sql")] == ["_x.sql"]
    assert not list(tmp_path.parent.glob("*x.sql"))


def test_no_command_is_help(run):
    done = run()

    assert done.exit_code == 0
    assert "Usage: dbmigrate" in done.stdout


@pytest.mark.parametrize("arguments", [["bogus"], ["up", "--bogus"], ["rollback", "--steps", "x"], ["rollback", "3"]])
def test_a_wrong_command_line_is_one_block_and_exit_2(run, arguments):
    done = run(*arguments)

    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error[E200]: ")
    assert "Traceback" not in done.stderr


def test_dump_and_load_make_a_twin(run, project, database_url, twin_database_url):
    project.migration("1_a", up="create table a (id int); comment on table a is 'it''s';")
    run("up", env={"DATABASE_URL": database_url})
    first = project.schema_file.read_bytes()

    assert run("load", env={"DATABASE_URL": twin_database_url}).exit_code == 0
    project.schema_file.unlink()
    assert run("dump", env={"DATABASE_URL": twin_database_url}).exit_code == 0

    assert project.schema_file.read_bytes() == first


@pytest.mark.parametrize(
    ("change", "added", "removed"),
    [
        ("", 0, 0),
        ("create table c (x int);", 9, 0),
        ("drop table b;", 0, 10),
        ("alter table a rename id to number", 1, 1),
        ("alter table a rename id to number; alter table b rename id to number", 2, 2),
    ],
)
def test_dump_counts_the_lines_that_came_and_went(run, project, database_url, change, added, removed):
    project.migration("1_a", up="create table a (id int); create table b (y int, id int);")
    run("up", env={"DATABASE_URL": database_url})
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute(change)

    dumped = json.loads(run("dump", "--json", env={"DATABASE_URL": database_url}).stdout)

    assert (dumped["added"], dumped["removed"]) == (added, removed)


@pytest.mark.parametrize(
    ("meanwhile", "expected"),
    [
        ("insert into schema_migrations values ('3') on conflict do nothing", ["1", "2", "3"]),
        ("delete from schema_migrations where version = '2'", ["1"]),
    ],
)
def test_what_commits_while_pg_dump_runs_makes_it_run_again(run, project, database_url, tmp_path, meanwhile, expected):
    """Schema and versions are asked for one after the other, and have to be of the same moment."""
    for name in ("1_a", "2_b"):
        project.migration(name, up=f"create table {name[2:]} (id int);")
    run("up", "--no-dump-schema", env={"DATABASE_URL": database_url})
    pg_dump = tmp_path / "pg_dump.py"
    pg_dump.write_text(
        "import psycopg\n"
        f"with psycopg.connect({database_url!r}) as conn:\n"
        "    seen = [version for version, in conn.execute('select version from schema_migrations order by 1')]\n"
        f"    conn.execute({meanwhile!r})\n"
        "print(f'CREATE TABLE public.of_{len(seen)} ();')\n"
    )

    done = run("dump", env={"DATABASE_URL": database_url, "DBMIGRATE_PG_DUMP": f"{sys.executable} {pg_dump}"})

    assert done.exit_code == 0, done.stderr
    assert f"CREATE TABLE public.of_{len(expected)} ();" in project.schema_file.read_text()
    assert re.findall(r"^    \('(.+)'\)", project.schema_file.read_text(), re.MULTILINE) == expected


def test_dump_and_load_say_what_they_did(run, project, database_url, twin_database_url):
    project.migration("1_a", up="create table a (id int);")
    project.migration("2_b", up="create table b (id int);")
    run("up", "--no-dump-schema", env={"DATABASE_URL": database_url})

    dumped = run("dump", "--json", env={"DATABASE_URL": database_url})
    loaded = run("load", "--json", env={"DATABASE_URL": twin_database_url})

    added = len(project.schema_file.read_text().splitlines())
    assert json.loads(dumped.stdout) == {
        "format": "dbmigrate/1",
        "command": "dump",
        "ok": True,
        "path": "./db/schema.sql",
        "added": added,
        "removed": 0,
    }
    assert json.loads(loaded.stdout) == {
        "format": "dbmigrate/1",
        "command": "load",
        "ok": True,
        "path": "./db/schema.sql",
        "recorded": 2,
    }
    assert re.search(r"Loaded: \./db/schema\.sql into \S+ · 2 migrations recorded", loaded.stderr)


def test_loading_a_missing_file_is_one_error(run, database_url):
    done = run("load", env={"DATABASE_URL": database_url})

    assert done.exit_code == 2
    assert "db/schema.sql" in done.stderr


def test_a_failing_load_changes_nothing(run, project, database_url, query):
    project.schema_file.write_text("create table a (id int);\nselect\n  nothing;\n")

    done = run("load", env={"DATABASE_URL": database_url})

    assert done.exit_code == 4
    assert "db/schema.sql:3:3" in done.stderr
    assert "state: nothing was loaded" in done.stderr
    assert query(database_url, "select to_regclass('a')") == [(None,)]


def test_without_a_pg_dump_the_migration_stands_and_dump_fails(run, project, database_url, query):
    project.migration("1_a", up="create table a (id int);")
    env = {"DATABASE_URL": database_url, "DBMIGRATE_PG_DUMP": "/nowhere/pg_dump"}

    done = run("up", env=env)
    assert done.exit_code == 0
    assert "warning[W401]: the schema file was not written" in done.stderr
    assert query(database_url, "select version from schema_migrations") == [("1",)]

    assert run("dump", env=env).exit_code == 2
