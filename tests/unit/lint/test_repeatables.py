"""L148: a repeatable migration has to be able to run twice. No other rule is about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbmigrate.lint import lint, selection
from dbmigrate.lint.config import LintConfig

TWICE = [
    "create or replace view v as select 1;",
    "create or replace function f() returns int language sql as 'select 1';",
    "drop view if exists v; create view v as select 1;",
    'drop view if exists "V"; create view "V" as select 1;',
    "drop trigger if exists t on a; create trigger t before insert on a execute function f();",
    "drop policy if exists p on a; create policy p on a using (true);",
    "drop materialized view if exists m; create materialized view m as select 1 as x; create unique index i on m (x);",
    "create materialized view if not exists m as select 1; refresh materialized view m;",
    "create index if not exists i on a (n);",
    "create extension if not exists pg_trgm;",
    "create temp table x as select 1;",
    "drop table if exists x; create table x (n int);",
    "alter table a drop constraint if exists c, add constraint c check (n > 0);",
    "alter table a add column if not exists b int; alter table a enable row level security;",
    "alter type e add value if not exists 'x';",
    "grant select on a to app; comment on table a is 'x'; revoke all on a from public;",
    "update a set n = 1; delete from a; truncate a;",
    "insert into a values (1) on conflict do nothing;",
    "insert into a select 1 where not exists (select 1 from a);",
    "truncate a; insert into a values (1);",
    "delete from a; insert into a values (1);",
    "do $$ begin create table x (); exception when duplicate_table then null; end $$;",
]
ONCE = [
    ("create view v as select 1;", "CREATE VIEW", 2),
    ("create view w as select 1; drop view if exists w;", "CREATE VIEW", 2),
    ("create table x (n int);", "CREATE TABLE", 2),
    ("create index i on a (n);", "CREATE INDEX", 2),
    ("create trigger t before insert on a execute function f();", "CREATE TRIGGER", 2),
    ("create function f() returns int language sql as 'select 1';", "CREATE FUNCTION", 2),
    ("create type e as enum ('x');", "CREATE TYPE", 2),
    ("drop view v;", "DROP VIEW", 2),
    ("select 1;\ninsert into a values (1);", "INSERT", 3),
    ("copy a from stdin;\n1\n\\.\n", "COPY", 2),
    ("alter table a add column b int;", "ALTER TABLE", 2),
    ("alter table a add constraint c check (n > 0);", "ALTER TABLE ... ADD CONSTRAINT", 2),
    ("alter table a rename to b;", "ALTER TABLE ... RENAME", 2),
    ("alter type e add value 'x';", "ALTER TYPE ... ADD VALUE", 2),
]


def found(tmp_path: Path, sql: str):
    (tmp_path / "repeatable").mkdir(exist_ok=True)
    (tmp_path / "001_a.sql").write_text("-- migrate:up\ncreate table a (n int);\n-- migrate:down\ndrop table a;\n")
    (tmp_path / "repeatable/x.sql").write_text(f"-- migrate:repeatable\n{sql}\n")
    chosen = selection.everything([str(tmp_path)])
    assert chosen.problems == ()
    return [
        each
        for each in lint(chosen.migrations, config=LintConfig(uses_squawk=False))
        if "repeatable" in str(each.place)
    ]


@pytest.mark.parametrize("sql", TWICE)
def test_what_can_run_twice_is_fine(tmp_path, sql):
    assert found(tmp_path, sql) == []


@pytest.mark.parametrize(("sql", "what", "line"), ONCE)
def test_what_can_run_only_once_is_found(tmp_path, sql, what, line):
    (problem,) = found(tmp_path, sql)

    assert (problem.code, problem.place.line) == ("L148", line)
    assert problem.message.startswith(what)


def test_a_comment_ignores_it(tmp_path):
    assert found(tmp_path, "-- dbmigrate:ignore L148: made by hand once\ncreate view v as select 1;") == []


def test_a_named_file_is_linted_beside_the_migrations(tmp_path):
    found(tmp_path, "create view v as select 1;")

    chosen = selection.named([str(tmp_path / "repeatable/x.sql")])

    assert (chosen.only, chosen.problems, chosen.files) == (frozenset({"x.sql"}), (), 1)
