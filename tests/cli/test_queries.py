"""`check --queries`: which migration stops which query of the application."""

from __future__ import annotations

import json
import subprocess

import pytest

from dbmigrate.check import queries
from dbmigrate.connection.programs import Search, find_server
from dbmigrate.embedded import Options, throwaway_server
from tests.support.databases import query
from tests.support.projects import Project
from tests.support.servers import make_url


@pytest.fixture
def env(database_url: str) -> dict[str, str]:
    return {"DBMIGRATE_SCRATCH_URL": database_url}


@pytest.fixture
def found(run, project: Project, env):
    """Runs `check --queries`; the findings as (code, path, line, message)."""
    users = "create table users (id int primary key, name text, tags jsonb);"
    project.migration("1_users", up=users, down="drop table users;")
    (project.root / "queries" / "deep").mkdir(parents=True)

    def check(*arguments: str, **files: str):
        for name, text in files.items():
            (project.root / "queries" / f"{name}.sql").write_text(text)
        words = ("check", "--json", "--no-lint", "--no-dump-schema", *arguments)
        done = run(*words, *(() if arguments else ("--queries", "queries/**/*.sql")), env=env)
        assert done.stdout, done.stderr
        items = json.loads(done.stdout)["findings"]
        return [(item["code"], item["path"], item["line"], item["message"]) for item in items]

    return check


def codes(findings) -> list[tuple[str, str | None, int | None]]:
    return [(code, path, line) for code, path, line, _ in findings]


def test_queries_that_work_are_no_findings(found):
    assert found(a="select * from users;\n\ninsert into users (id) values ($1);\n") == []


def test_a_query_that_a_migration_breaks_is_named_with_it(project, found):
    project.migration(
        "2_rename", up="alter table users rename name to nick;", down="alter table users rename nick to name;"
    )

    findings = found(a="select id from users;\n-- the name\nselect name\nfrom users where id = $1;\n", b="select 1")

    assert codes(findings) == [("C110", "queries/a.sql", 3)]
    assert findings[0][3] == '2_rename.sql breaks this query: column "name" does not exist (42703)'


def test_a_query_that_never_works(found):
    assert codes(found(a="select 1;\nselect nothing from nowhere;\n")) == [("C111", "queries/a.sql", 2)]


def test_a_query_that_works_again_in_the_end_is_no_finding(project, found):
    project.migration("2_x", up="alter table users drop name;", down="alter table users add name text;")
    project.migration("3_y", up="alter table users add name text;", down="alter table users drop name;")

    assert [code for code, *_ in found(a="select name from users")] == ["C106"]


@pytest.mark.parametrize(
    "text",
    [
        "select * from users where id = $1 and name = $2",
        "select * from users where id = :id and name = :name and ':no' <> name -- :not\n",
        "select * from users where id = %(id)s and name = %(name)s and name like '%s'",
        "select * from users where id = %s and name = %s",
        "select * from users where id = ? and name = ?",
        "select * from users where tags ? 'x' and id = :id",
        "select * from users where tags ? 'x'",
        "select id::text, (array[1, 2])[1:2] from users where id = :id",
        "-- name: Get :one\nselect * from users where id = $1",
        "with one as (select 1) select * from one",
        "(select 1) union (select 2)",
        "table users",
    ],
)
def test_parameters_in_every_style(found, text):
    assert found(a=text) == []


def test_what_cannot_be_prepared_is_a_note(run, found, project, env):
    findings = found(a="create table x (id int);\nselect $1;\nselect 'open", b="\\set x 1\nselect :x;")

    assert {code for code, *_ in findings} == {"C112"}


def test_a_pattern_that_no_file_fits(run, found, env):
    done = run("check", "--queries", "nothing/*.sql", env=env)

    assert done.exit_code == 2
    assert "error[E249]" in done.stderr


def test_with_since_only_what_changed_can_break_a_query(project, found, tmp_path):
    project.migration("2_old", up="alter table users drop name;", down="alter table users add name text;")
    who = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    for words in (["init"], ["add", "."], [*who, "commit", "-m", "one"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True, capture_output=True)
    project.migration("3_new", up="alter table users drop tags;", down="alter table users add tags jsonb;")
    (project.root / "queries" / "a.sql").write_text("select name from users;\nselect tags from users;")

    findings = found("--since", "HEAD", "--queries", "queries/*.sql")

    assert sorted(codes(findings)) == [("C110", "queries/a.sql", 2), ("C111", "queries/a.sql", 1)]


def test_without_the_extension_its_statements_cannot_be_asked_for(run, found, database_url):
    done = run("check", "--from-pg-stat-statements", env={"DATABASE_URL": database_url})

    assert done.exit_code == 2
    assert "pg_stat_statements is not installed" in done.stderr


def test_what_the_database_has_seen_is_checked_from_what_it_has(project, run, cluster_cache):
    project.migration("1_a", up="create table a (x int, y int);", down="drop table a;")
    settings = Options(settings={"shared_preload_libraries": "pg_stat_statements"})
    with throwaway_server(find_server(Search()), cache=cluster_cache, options=settings) as server:
        env = {"DATABASE_URL": make_url(server.conninfo())}
        assert run("up", env=env).exit_code == 0
        seen = "create extension pg_stat_statements; select x from a where y = 5; create table b ()"
        query(env["DATABASE_URL"], seen)
        query(env["DATABASE_URL"], "select * from b")
        project.migration("2_b", up="alter table a drop y;", down="alter table a add y int;")

        done = run("check", "--json", "--no-lint", "--no-dump-schema", "--from-pg-stat-statements", env=env)

    found = json.loads(done.stdout)["findings"]
    assert [item["code"] for item in found] == ["C110", "C112"]
    assert "2_b.sql breaks the query `select x from a where y = $1`: column" in found[0]["message"]


# ----------------------------------------------------------------------------------------------------------- spellings


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("select :a, :b, :a", "select $1, $2, $1"),
        ("select %s, %s", "select $1, $2"),
        ("select %(x)s, %(y)s, %(x)s", "select $1, $2, $1"),
        ("select ?, ?", "select $1, $2"),
        ("select ':a', \":b\", $$ :c $$, $x$ ? $x$, :e", "select ':a', \":b\", $$ :c $$, $x$ ? $x$, $1"),
        ("select 1 /* :d */ -- ?\n, :e", "select 1 /* :d */ -- ?\n, $1"),
        ("select E'\\' :a', :b", "select E'\\' :a', $1"),
    ],
)
def test_parameters_are_numbered_outside_of_strings(text, expected):
    assert expected in list(queries.spellings(text))


@pytest.mark.parametrize("text", ["select a::int", "select x[1:2]", "select '100%s'", "select d ?| e", "select 5 %% 2"])
def test_what_is_no_parameter_stays(text):
    assert list(queries.spellings(text)) == [text]
