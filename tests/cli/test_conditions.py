"""Preconditions and postconditions of migrations: `-- migrate:require SELECT ...` and `-- migrate:check SELECT ...`."""

from __future__ import annotations

import json

import pytest

from tests.support.psql import psql
from tests.support.rehearsals import tell

SUBJECT = {"require": "precondition", "check": "postcondition"}
FAILS = {"require": (7, "E734", "E735"), "check": (4, "E413", "E414")}
keys = pytest.mark.parametrize("key", ["require", "check"])


@pytest.fixture
def command(run, database_url):
    def run_it(*arguments, env=None):
        values = {"DATABASE_URL": database_url, "DBMIGRATE_NO_DUMP_SCHEMA": "true", **(env or {})}
        return run(*arguments, env=values)

    return run_it


@pytest.fixture
def state(query, database_url):
    """Versions, log entries, and the tables of the migrations."""

    def read():
        tables = "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'S')"
        names = sorted(row[0] for row in query(database_url, tables) if not row[0].startswith("schema_migrations"))
        if query(database_url, "select to_regclass('schema_migrations')") == [(None,)]:
            return [], [], names
        versions = query(database_url, "select version from schema_migrations order by 1")
        entries = query(
            database_url, "select version, direction, step, state from schema_migrations_log order by event_id"
        )
        return [row[0] for row in versions], entries, names

    return read


def write(project, name, *, above="", up="", down="", options="", sql=None):
    """A migration that creates table tN; `up` and `down` stand below the headers."""
    number = name.partition("_")[0]
    sql = sql if sql is not None else f"create table t{number} (id int);"
    text = f"{above}-- migrate:up{options}\n{up}{sql}\n-- migrate:down{options}\n{down}drop table t{number};\n"
    return project.write(f"{name}.sql", text)


def said(key, query):
    return f"-- migrate:{key} {query}\n"


# ------------------------------------------------------------------------------------------------------ in a transaction


def test_conditions_see_the_database_where_they_stand(command, project, state):
    write(
        project,
        "1_a",
        up=said("require", "select to_regclass('t1') is null") + said("check", "select to_regclass('t1') is not null"),
    )
    write(
        project,
        "2_b",
        above="-- migrate:require select count(*) = 0\n--   from t1 -- of the file before;\n--   where id > 0; -- none\n",
        sql="create table t2 (id int); insert into t2 values (1);",
        up=said("check", "SELECT count(*) = 1 FROM t2;"),
        down=said("require", "select count(*) = 1 from t2") + said("check", "select to_regclass('t2') is null"),
    )

    done = command("up")

    assert done.exit_code == 0, done.stderr
    assert state()[0] == ["1", "2"]
    assert command("redo").exit_code == 0
    assert command("rollback").exit_code == 0
    assert state()[0] == ["1"]


@keys
def test_a_condition_that_is_not_true_leaves_nothing_of_its_migration(command, project, state, key):
    write(project, "1_a")
    path = write(project, "2_b", above=said(key, "select count(*) = 1 from t1"))
    write(project, "3_c")
    exit_code, code, _ = FAILS[key]

    done = command("up", "--json")

    assert done.exit_code == exit_code, done.stderr
    assert f"error[{code}]: the {SUBJECT[key]} of 2_b.sql is not true: it is false" in done.stderr
    assert f"{path.name}:1:1" in done.stderr
    assert "state: rolled back; nothing of 2_b.sql was applied" in done.stderr
    answer = json.loads(done.stdout)
    assert [each["version"] for each in answer["done"]] == ["1"]
    assert answer["error"]["code"] == code
    assert (answer["error"]["line"], answer["error"]["column"]) == (1, 1)
    assert answer["error"]["details"] == {"condition": SUBJECT[key], "query": "select count(*) = 1 from t1"}
    assert state() == (["1"], [("1", "up", None, "done")], ["t1"])

    again = command("up")
    assert again.exit_code == exit_code
    assert state() == (["1"], [("1", "up", None, "done")], ["t1"])
