"""Schema files that cannot be loaded, because pg_dump empties the search_path; and those that git has converted."""

from __future__ import annotations

import json
from shutil import which
from subprocess import run as run_program

import psycopg
import pytest

PLAIN = "create table users (id int primary key, name text);"
INNER = "create function simple(text) returns text language sql immutable as 'select lower($1)';"
OUTER = "create function {}(text) returns text language sql immutable {} as 'select simple($1)';"
DOWN = "select 1;"


@pytest.fixture
def env(database_url):
    return {"DATABASE_URL": database_url, "DBMIGRATE_SCRATCH_URL": database_url}


@pytest.fixture
def findings(run, env):
    """What `check` finds of the schema file: (code, severity, line, message, hint)."""

    def check():
        done = run("check", "--no-lint", "--json", env=env)
        found = json.loads(done.stdout)["findings"]
        keys = ("code", "severity", "line", "message", "hint")
        return [tuple(item[key] for key in keys) for item in found if item["code"] in ("C105", "C113")]

    return check


def line_of(project, text):
    lines = project.schema_file.read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def migrate(project, run, env, *statements):
    project.migration("1_a", up="\n".join(statements), down=DOWN)
    done = run("up", env=env)
    assert done.exit_code == 0, done.stderr


# Since PostgreSQL 17 an index is made with a search_path of the server's own: there the migration itself fails.
BEFORE_17 = ("INDEX", "ALTER TABLE")


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        (
            "create table t (a text, b text generated always as (plain(a)) stored);",
            "CREATE TABLE public.t",
        ),
        ("create table t (a text); create index t_plain on t (plain(a));", "CREATE INDEX t_plain"),
        ('create table "T x" (a text); create index "i ; x" on "T x" (plain(a));', 'CREATE INDEX "i ; x"'),
        ("create domain d as text check (plain(value) <> ''); create table t (a d default 'x');", None),
        ("create table t (a text) partition by range (plain(a));", "CREATE TABLE public.t"),
        (
            "create table t (a text, exclude using btree (plain(a) with =));",
            "ALTER TABLE ONLY public.t",
        ),
    ],
    ids=["generated column", "index", "quoted index", "domain", "partition key", "exclusion"],
)
def test_check_names_the_object_that_cannot_be_loaded(project, run, env, findings, server, statement, told):
    if server.major >= 17 and told and any(word in told for word in BEFORE_17):
        pytest.skip("needs a PostgreSQL before 17")
    migrate(project, run, env, INNER, OUTER.format("plain", ""), statement)

    found = findings()

    if told is None:  # nothing runs it before there are rows
        assert found == []
        return
    assert [each[:2] for each in found] == [("C105", "error")]
    _, _, line, message, hint = found[0]
    assert message == (f"./db/schema.sql cannot be loaded: function simple(text) does not exist, in {told}")
    assert line == line_of(project, told)
    assert "ALTER FUNCTION plain SET search_path = public, pg_temp" in hint


def test_the_way_out_works(project, run, env, findings):
    qualified = OUTER.format("qualified", "").replace("simple", "public.simple")
    migrate(
        project, run, env, INNER, OUTER.format("plain", ""), qualified,
        "alter function plain set search_path = public, pg_temp;",
        "create table t (a text, b text generated always as (plain(a)) stored); create index on t (qualified(a));",
    )  # fmt: skip

    assert findings() == []


def test_a_function_of_an_extension_is_one_of_them(project, run, env, findings, database_url):
    with psycopg.connect(database_url) as conn:
        if not conn.execute("select 1 from pg_available_extensions where name = 'unaccent'").fetchall():
            pytest.skip("this server has no unaccent")
    body = "create function plain(text) returns text language sql immutable as $$select unaccent('unaccent', $1)$$;"
    table = "create table t (a text, b text generated always as (plain(a)) stored);"
    migrate(project, run, env, "create extension unaccent;", body, table)

    message = findings()[0][3]

    assert message.endswith("function unaccent(unknown, text) does not exist, in CREATE TABLE public.t")


@pytest.mark.parametrize("command", ["drift", "load"])
def test_drift_and_load_name_it_too(project, run, env, command, twin_database_url):
    table = "create table t (a text, b text generated always as (plain(a)) stored);"
    migrate(project, run, env, INNER, OUTER.format("plain", ""), PLAIN, table)
    target = {**env, "DATABASE_URL": twin_database_url} if command == "load" else env

    done = run(command, env=target)

    assert done.exit_code == (4 if command == "load" else 2)
    assert f"error[{'E402' if command == 'load' else 'E260'}]" in done.stderr
    assert "function simple(text) does not exist, in CREATE TABLE public.t" in done.stderr
    assert f"./db/schema.sql:{line_of(project, 'CREATE TABLE public.t ')}:1" in done.stderr
    assert "ALTER FUNCTION plain SET search_path" in done.stderr
    with psycopg.connect(twin_database_url) as conn:
        assert conn.execute("select to_regclass('users')").fetchone() == (None,)


def test_other_refusals_name_their_object_as_well(project, run, env):
    migrate(project, run, env, PLAIN)
    text = project.schema_file.read_text()
    project.schema_file.write_text(f"{text}\ninsert into public.users values (1, 'a'), (1, 'b');\n")

    done = run("drift", env=env)

    assert "users_pkey" in done.stderr
    assert ", in insert into public.users values" in done.stderr
    assert f"./db/schema.sql:{line_of(project, 'insert into public.users')}:1" in done.stderr


# ------------------------------------------------------------------------------------------------------------ line ends

BODY = "create function f() returns int language plpgsql as $$\nbegin\n  return 1;\nend$$;"


def convert(path):
    path.write_bytes(path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))


def test_check_tells_line_ends_apart(project, run, env, findings):
    migrate(project, run, env, PLAIN, BODY)
    convert(project.schema_file)

    found = findings()

    assert [each[:2] for each in found] == [("C105", "note")]
    assert found[0][3] == "./db/schema.sql matches the migrations, but its line ends differ"
    assert "*.sql text eol=lf" in found[0][4]
    assert ".gitattributes" in found[0][4]


def test_drift_does_not_compare_the_line_ends_of_a_converted_file(project, run, env):
    migrate(project, run, env, PLAIN, BODY)
    convert(project.schema_file)

    done = run("drift", env=env)

    assert done.exit_code == 0, done.stdout
    note, count = done.stdout.splitlines()
    assert note.startswith("note: every line of ./db/schema.sql ends in CRLF, so line ends were not compared: write")
    assert " · no drift from " in count


def test_what_else_differs_from_a_converted_file_is_told(project, run, env, database_url):
    migrate(project, run, env, PLAIN, BODY)
    convert(project.schema_file)
    with psycopg.connect(database_url) as conn:
        conn.execute("alter table users add age int")

    done = run("drift", env=env)

    assert done.exit_code == 1
    assert done.stdout.splitlines()[0] == "column public.users.age is extra"


def test_a_body_that_differs_in_line_ends_alone_is_said_to(project, run, env):
    """The migration was applied from a checkout with CRLF, and is compared with one without."""
    project.write("1_a.sql", f"-- migrate:up\n{BODY}\n-- migrate:down\ndrop function f();\n")
    convert(project.migrations / "1_a.sql")
    assert run("up", env=env).exit_code == 0
    project.write("1_a.sql", f"-- migrate:up\n{BODY}\n-- migrate:down\ndrop function f();\n")

    done = run("drift", "--against", "migrations", env=env)

    assert done.exit_code == 1
    assert done.stdout.splitlines()[:4] == [
        "definition of function public.f() differs in line ends alone",
        "    expected: LF",
        "    live:     CRLF",
        "note: git may have converted line ends: write `*.sql text eol=lf` into .gitattributes, then run"
        " `git add --renormalize .` and check the files out again",
    ]


def test_a_converted_file_loads_with_the_bodies_that_were_dumped(project, run, env, twin_database_url, query):
    migrate(project, run, env, PLAIN, BODY)
    convert(project.schema_file)

    done = run("load", env={"DATABASE_URL": twin_database_url})

    assert done.exit_code == 0, done.stderr
    assert query(twin_database_url, "select prosrc from pg_proc where proname = 'f'") == [
        ("\nbegin\n  return 1;\nend",)
    ]


@pytest.mark.skipif(which("git") is None, reason="needs git")
def test_the_remedy_gives_lf_in_a_checkout_that_converts(tmp_path):
    def git(*words):
        done = run_program(["git", *words], cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout

    git("init", "--quiet")
    git("config", "core.autocrlf", "true")
    (tmp_path / ".gitattributes").write_text("*.sql text eol=lf\n")
    path = tmp_path / "schema.sql"
    path.write_bytes(b"a\r\nb\r\n")
    git("add", ".")
    git("add", "--renormalize", ".")
    git("-c", "user.name=x", "-c", "user.email=x@y", "commit", "--quiet", "-m", "x")
    path.unlink()
    git("checkout", "--", "schema.sql")

    assert path.read_bytes() == b"a\nb\n"
