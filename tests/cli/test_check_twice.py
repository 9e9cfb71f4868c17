"""`check --twice`: which up sections are safe to run again."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def twice(run, project, database_url):
    """Runs `check --twice`; its exit code, and the findings as (code, message) pairs."""

    def run_check(*arguments):
        done = run(
            "check",
            "--json",
            "--no-lint",
            "--no-dump-schema",
            "--twice",
            *arguments,
            env={"DBMIGRATE_SCRATCH_URL": database_url},
        )
        assert done.stdout, done.stderr
        return done.exit_code, [(item["code"], item["message"]) for item in json.loads(done.stdout)["findings"]]

    return run_check


SAFE = [
    ("create table if not exists t (id int primary key);", "drop table t;"),
    ("alter table base add column if not exists n int;", "alter table base drop column n;"),
    ("create or replace view v as select 1 as one;", "drop view v;"),
    ("insert into base values (1, 'a') on conflict do nothing;", "delete from base;"),
    ("drop index if exists i; create index i on base (name);", "drop index i;"),
    ("update base set name = 'x' where id = 0;", "update base set name = 'zero' where id = 0;"),
    ("do $$ begin create type e as enum ('a'); exception when duplicate_object then null; end $$;", "drop type e;"),
]
UNSAFE = [
    ("create table t (id int);", "drop table t;", 'relation "t" already exists'),
    ("alter table base add n int;", "alter table base drop n;", 'column "n" of relation "base" already exists'),
    ("insert into logs values ('x');", "delete from logs;", "table public.logs has 2 rows in the place of 1"),
    ("update base set name = name || 'x';", "update base set name = 'zero';", "table public.base has other rows"),
    ("create index on base (name);", "drop index base_name_idx;", "index public.base_name_idx1 is extra"),
]  # fmt: skip


@pytest.fixture
def base(project):
    project.migration(
        "1_base",
        up="create table if not exists base (id int primary key, name text); create table if not exists logs (a text);"
        " insert into base values (0, 'zero') on conflict do nothing;",
        down="drop table logs; drop table base;",
    )


def test_what_can_run_again_is_no_finding(twice, base, project):
    for number, (up, down) in enumerate(SAFE, 2):
        project.migration(f"{number}_safe", up=up, down=down)

    assert twice() == (0, [])


def test_the_files_that_cannot_are_named_each_with_its_reason(twice, base, project):
    for number, (up, down, _) in enumerate(UNSAFE, 2):
        project.migration(f"{number}_unsafe", up=up, down=down)

    code, found = twice()

    assert code == 1
    assert [each for each, _ in found] == ["C119"] * len(UNSAFE)
    for number, ((_, message), (_, _, why)) in enumerate(zip(found, UNSAFE, strict=True), 2):
        assert message.startswith(f"{number}_unsafe.sql is not safe to run again: ")
        assert why in message


def test_without_the_option_nobody_asks(run, base, project, database_url):
    project.migration("2_next", up="create table t (id int);", down="drop table t;")

    done = run("check", "--no-lint", "--no-dump-schema", env={"DBMIGRATE_SCRATCH_URL": database_url})

    assert done.exit_code == 0, done.stdout


def test_statements_outside_a_transaction_are_tried_in_a_database_of_their_own(twice, base, project):
    project.migration(
        "2_safe",
        up="create index concurrently if not exists i on base (name);",
        down="drop index i;",
        up_options="transaction:false",
        down_options="transaction:false",
    )
    project.migration(
        "3_not",
        up="insert into logs values ('x');\ncreate index concurrently j on base (name);",
        down="drop index j; delete from logs;",
        up_options="transaction:false",
        down_options="transaction:false",
    )

    code, found = twice()

    assert code == 1
    assert [each for each, _ in found] == ["C119"]
    assert found[0][1].startswith("3_not.sql is not safe to run again: ")
    assert 'relation "j" already exists' in found[0][1]


def test_the_place_is_that_of_the_statement(run, base, project, database_url):
    project.migration("2_next", up="select 1;\ncreate table t (id int);", down="drop table t;")

    done = run("check", "--no-lint", "--no-dump-schema", "--twice", env={"DBMIGRATE_SCRATCH_URL": database_url})

    assert "db/migrations/2_next.sql:3" in done.stdout
    assert "hint: write IF NOT EXISTS" in done.stdout


def test_with_since_only_changed_files_are_run_twice(twice, base, project):
    import subprocess

    project.migration("2_old", up="create table old (id int);", down="drop table old;")
    git = ["git", "-C", str(project.root), "-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *words], check=True)
    project.migration("3_new", up="create table new (id int);", down="drop table new;")

    _, found = twice("--since", "HEAD")

    assert ["3_new.sql" in message for code, message in found if code == "C119"] == [True]
