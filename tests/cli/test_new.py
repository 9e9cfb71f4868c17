"""`new`: templates, numbers, files that take another one back, the editor, names that say nothing."""

from __future__ import annotations

import re

import pytest

TWO_PAIRS = """\
-- Adds a table, and fills it.
-- migrate:breaking the old shop cannot read it
-- migrate:up
-- a table
create table t (a int);
-- migrate:down lock_timeout:5s
drop table t;

-- migrate:up transaction:false
-- migrate:breaking so is this
--   and this
create index concurrently t_a on t (a);
-- migrate:down transaction:false
drop index concurrently t_a;
"""


@pytest.fixture
def new(run, project):
    def it_with(*arguments, **environ):
        done = run("new", *arguments, env=environ)
        made = project.root / done.stdout.strip()
        return done, made.read_text() if done.exit_code == 0 and made.is_file() else ""

    return it_with


def names(project):
    return sorted(path.name for path in project.migrations.iterdir())


def test_a_file_that_takes_another_one_back_does_so(new, run, project, database_url, query):
    project.write("1_add_t.sql", TWO_PAIRS)
    env = {"DATABASE_URL": database_url, "DBMIGRATE_NO_DUMP_SCHEMA": "true"}
    assert run("up", env=env).exit_code == 0

    done, text = new("--revert", "1")

    assert re.fullmatch(r"db/migrations/\d{14}_revert_add_t\.sql\n", done.stdout)
    assert text == (
        "-- migrate:depends 1\n\n"
        "-- migrate:up transaction:false\n-- Reverts 1_add_t.sql.\ndrop index concurrently t_a;\n\n"
        "-- migrate:down transaction:false\ncreate index concurrently t_a on t (a);\n\n"
        "-- migrate:up lock_timeout:5s\ndrop table t;\n\n"
        "-- migrate:down\n-- a table\ncreate table t (a int);\n"
    )
    there = "select to_regclass('t')::text, to_regclass('t_a')::text"
    for command, expected in ((("up",), (None, None)), (("rollback",), ("t", "t_a"))):
        assert run(*command, env=env).exit_code == 0
        assert query(database_url, there) == [expected]


@pytest.mark.parametrize(
    ("down", "options", "code", "words"),
    [
        ("", "", "E233", "has an empty down section"),
        ("drop table t;", "irreversible:true", "E233", "is irreversible"),
        ("drop table 't;", "", "E217", "1_t.sql:5"),
    ],
)
def test_what_cannot_be_taken_back_makes_no_file(new, project, down, options, code, words):
    project.migration("1_t", up="create table t ();", down=down, down_options=options)

    done, _ = new("--revert", "1")

    assert (done.exit_code, done.stdout) == (2, "")
    assert f"error[{code}]" in done.stderr
    assert words in done.stderr
    assert names(project) == ["1_t.sql"]


def test_a_version_that_is_not_there_cannot_be_taken_back(new, project):
    project.migration("001_t", up="select 1")

    done, _ = new("--revert", "1", "name")

    assert done.exit_code == 2
    assert "did you mean 001?" in done.stderr
    assert "exclude each other" in new("--revert", "001", "--template", "header")[0].stderr


def test_numbers_go_on_as_wide_as_they_are(new, project):
    assert new("a", "--sequential")[0].stdout == "db/migrations/0001_a.sql\n"
    project.migration("20260101000000_by_time", up="select 1")
    assert new("create b", "--sequential")[0].stdout == "db/migrations/0002_create_b.sql\n"
    project.migration("09999_c", up="select 1")
    assert new("d", "--sequential")[0].stdout == "db/migrations/10000_d.sql\n"


def test_files_that_are_numbered_by_time_get_no_number(new, project):
    project.migration("20260101000000_by_time", up="select 1")

    done, _ = new("a", "--sequential")

    assert done.exit_code == 2
    assert "error[E237]" in done.stderr
    assert len(names(project)) == 1


def test_a_template_is_a_file_or_the_one_that_is_built_in(new, project):
    text = new("--template", "header", "Add  users", "--sequential")[1]
    assert text.startswith("-- Title: Add users\n-- Version: 0001\n-- Created: 2")
    assert "\n-- Rollback:\n\n-- migrate:up\n" in text

    templates = project.root / "db" / "templates"
    templates.mkdir()
    (templates / "table.sql").write_text("\ufeff-- {{ name }} {{version}} {{other}}\n-- migrate:up\n-- migrate:down\n")
    done, text = new("add users", "--template", "table", "--sequential")
    assert done.stderr.count("\n") == 1
    assert text == "-- add_users 0002 {{other}}\n-- migrate:up\n-- migrate:down\n"

    (project.root / "dbmigrate.toml").write_text('template = "db/templates/table.sql"\n')
    assert new("add users", "--sequential")[1].startswith("-- add_users 0003")

    (templates / "table.sql").write_text("-- migrate:up\n")
    wrong = new("add users")[0]
    assert (wrong.exit_code, "error[E212]" in wrong.stderr, "db/templates/table.sql:1:1" in wrong.stderr) == (
        2,
        True,
        True,
    )
    missing = new("add users", "--template", "tabel")[0]
    assert (missing.exit_code, "the templates are table, header" in missing.stderr) == (2, True)
    assert len(names(project)) == 3


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("various_updates", "`various updates` does not say what the migration changes"),
        ("fix", "`fix` does not say"),
        ("add users and drop orders", "names two changes"),
        ("create users and orders", None),
    ],
)
def test_a_name_that_says_nothing_is_a_warning(new, name, words):
    done, _ = new(name)

    assert done.exit_code == 0
    assert done.stdout.count("\n") == 1
    assert ("warning[W340]: the file name" in done.stderr) is (words is not None)
    assert (words or "") in done.stderr


def test_the_editor_gets_the_file(new, project):
    (project.root / "an editor").write_text('#!/bin/sh\nprintf "%s" "$1" > edited\nprintf -- "-- x\n" >> "$2"\n')
    (project.root / "an editor").chmod(0o755)

    done, text = new("add users", "--edit", VISUAL="./an\\ editor -w", EDITOR="false")

    assert (done.exit_code, text[-5:]) == (0, "-- x\n")
    assert (project.root / "edited").read_text() == "-w"


def test_without_an_editor_no_file_is_made(new, project):
    done, _ = new("add users", "--edit", EDITOR=" ")

    assert (done.exit_code, names(project)) == (2, [])
    assert "set VISUAL or EDITOR" in done.stderr
    for command in ("false", "/nowhere/vi"):
        failed, _ = new("add users", "--edit", EDITOR=command)
        assert failed.exit_code == 2
        assert f"the editor {command}" in failed.stderr
