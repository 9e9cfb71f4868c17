"""Annotations beside each other: contradictions, what lists them, repeatable migrations beside the other kinds."""

from __future__ import annotations

import json

import pytest

from dbmigrate import Migrator, Options
from dbmigrate.errors import Error
from dbmigrate.model import Policy
from tests.support.catalog import fingerprint

UP = "-- migrate:up\ncreate table t{0} ();\n-- migrate:down\ndrop table t{0};\n"
VIEW = "create or replace view {0} as select 1 as n;\n"


def repeatable(project, name, text):
    folder = project.migrations / "repeatable"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.sql").write_text(text)


CONTRADICTIONS = {
    "an environment twice": ({"1_a": "-- migrate:env dev\n-- migrate:env staging"}, "E291", "given twice"),
    "itself": ({"1_a": "-- migrate:depends 1"}, "E293", "depends on itself"),
    "what it replaces": ({"1_a": "-- x", "2_b": "-- migrate:replaces 1\n-- migrate:depends 1"}, "E293", "itself"),
    "each other": ({"1_a": "-- migrate:replaces 2", "2_b": "-- migrate:replaces 1"}, "E262", "replaces itself"),
    "in a circle": (
        {"1_a": "-- migrate:replaces 3", "2_b": "-- migrate:replaces 1", "3_c": "-- migrate:replaces 2"},
        "E262",
        "replaces itself",
    ),
    "one that is for fewer": (
        {"1_a": "-- migrate:env dev", "2_b": "-- migrate:replaces 1"},
        "E262",
        "2_b.sql is for all environments, but replaces 1_a.sql, which is only for dev",
    ),
    "one that is for more": (
        {"1_a": "-- x", "2_b": "-- migrate:replaces 1\n-- migrate:env staging"},
        "E262",
        "2_b.sql is only for staging, but replaces 1_a.sql, which is for all environments",
    ),
}
MARKERS = ("-- migrate:repeatabel", " -- migrate:repeatable", "-- Migrate:repeatable", "-- migrate: repeatable")


def test_contradictions_are_refused_before_anything_runs(project, database_url, query):
    options = Options(directories=(str(project.migrations),), policy=Policy(environment="dev"))
    for what, (files, code, words) in CONTRADICTIONS.items():
        for name, said in files.items():
            project.write(f"{name}.sql", f"{said}\n{UP.format(name[0])}")
        with pytest.raises(Error) as caught:
            Migrator(database_url, options).up()
        assert (caught.value.code, caught.value.exit_code) == (code, 2), what
        assert words in caught.value.message, what
        assert caught.value.place is not None, what
        for name in files:
            (project.migrations / f"{name}.sql").unlink()

    project.write("1_a.sql", UP.format(1))
    for marker in MARKERS:
        repeatable(project, "v", f"{marker}\n{VIEW.format('v')}")
        with pytest.raises(Error) as caught:
            Migrator(database_url, options).up()
        assert (caught.value.code, caught.value.place.line) == ("E290", 1), marker
    assert query(database_url, "select to_regclass('schema_migrations')") == [(None,)]


def test_what_two_files_replace_one_after_the_other_is_not_run_beside_it(project, database_url, query):
    options = Options(directories=(str(project.migrations),))
    project.write("1_a.sql", UP.format(1))
    Migrator(database_url, options).up()
    project.write("2_b.sql", "-- migrate:replaces 1\n" + UP.format(2))
    project.write("3_c.sql", "-- migrate:replaces 2\n" + UP.format(3))

    with pytest.raises(Error) as caught:
        Migrator(database_url, options).up()
    assert caught.value.code == "E744"

    third = (project.migrations / "3_c.sql").read_text()
    (project.migrations / "3_c.sql").unlink()
    Migrator(database_url, options).up()
    project.write("3_c.sql", third)
    Migrator(database_url, options).up()
    assert query(database_url, "select version from schema_migrations") == [("3",)]
    assert query(database_url, "select to_regclass('t3')") == [(None,)]


def test_conditions_of_pending_files_are_listed(command, project):
    project.write("1_a.sql", UP.format(1))
    said = "-- migrate:require select true -- it's\n--   and 1 = 1\n"
    project.write("2_b.sql", UP.format(2).replace("up\n", f"up\n{said}-- migrate:check select 2 = 2\n"))
    expected = [
        {"condition": "precondition", "query": "select true -- it's\nand 1 = 1"},
        {"condition": "postcondition", "query": "select 2 = 2"},
    ]

    def listed(*arguments):
        answer = json.loads(command(*arguments).stdout)
        return [each["conditions"] for each in answer.get("migrations") or answer["steps"]]

    assert listed("status", "--json") == [[], expected]
    assert listed("up", "--dry-run", "--json", "--no-locks") == [[], expected]
    assert "    precondition: select true -- it's and 1 = 1\n    postcondition: " in command("status", "-v").stderr
    assert command("up").exit_code == 0
    assert listed("status", "--json") == [[], []]
    assert listed("rollback", "--dry-run", "--json") == [[]]


@pytest.mark.parametrize(
    ("key", "option"),
    [("require", ""), ("check", ""), ("require", " transaction:false")],
    ids=["require", "check", "steps"],
)
def test_a_false_condition_leaves_everything_as_it_was(project, database_url, key, option):
    options = Options(directories=(str(project.migrations),))
    project.write("1_a.sql", "-- migrate:up\ncreate table t (n int);\ninsert into t values (1);\n-- migrate:down\n")
    Migrator(database_url, options).up()
    before = fingerprint(database_url)
    changes = "create index on t (n);\nalter table t add m int;\ninsert into t values (7);\ncomment on table t is 'x';"
    text = f"-- migrate:{key} select bool_and(n > 1) from t\n-- migrate:up{option}\n{changes}\n-- migrate:down\n"
    project.write("2_b.sql", text)

    with pytest.raises(Error) as caught:
        Migrator(database_url, options).up()

    assert caught.value.code == {"require": "E734", "check": "E413"}[key]
    assert fingerprint(database_url) == before


def test_repeatable_migrations_need_no_versioned_one(command, project, query, database_url):
    assert command("up").exit_code == 2
    repeatable(project, "v", f"-- migrate:repeatable\n{VIEW.format('v')}")

    for arguments in (("up", "--dry-run", "--no-locks"), ("up",), ("up",), ("status", "--exit-code"), ("verify",)):
        done = command(*arguments)
        assert done.exit_code == 0, (arguments, done.stderr)
    assert query(database_url, "select n from v") == [(1,)]
    assert command("up", "--to", "5").exit_code == 2


def test_what_a_repeatable_depends_on_may_be_replaced(command, project, query, database_url):
    project.write("3_squashed.sql", "-- migrate:replaces 1, 2\n" + UP.format(3))
    repeatable(project, "base", f"-- migrate:repeatable\n-- migrate:depends 1\n{VIEW.format('base')}")
    repeatable(project, "a", f"-- migrate:repeatable\n-- migrate:depends base, 3\n{VIEW.format('a')}")

    for arguments in (("lint", "--all"), ("up",), ("status", "--exit-code")):
        done = command(*arguments)
        assert done.exit_code == 0, (arguments, done.stdout, done.stderr)
    assert "error" not in command("lint", "--all").stdout
    repeatable(project, "a", f"-- migrate:repeatable\n-- migrate:depends bas\n{VIEW.format('a')}")
    assert "error[E277]" in command("lint", "--all").stdout


def test_lint_names_a_variable_that_nothing_uses(command, project):
    text = "-- migrate:vars used, unused\n-- migrate:up\n-- migrate:require select :'used' = ''\n{0}-- migrate:down\n"
    project.write("1_add_t.sql", text.format("create table t ();\n"))

    done = command("lint", "--all")

    assert "warning[W330]" in done.stdout
    assert "declares the variable unused and" in done.stdout
    assert "variable used and" not in done.stdout
