"""`dbmigrate seed`: which files run, in which order, and that nothing is recorded of them."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def seeds(project, database_url, query):
    query(database_url, "create table a (n int, t text)")

    def write(**files):
        for name, text in files.items():
            path = project.root / "db/seeds" / f"{name.replace('__', '/')}.sql"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())

    return write


@pytest.fixture
def seed(run, database_url):
    env = {"DATABASE_URL": database_url, "DEV_DATABASE_URL": database_url}
    return lambda *arguments, **more: run(*arguments, env={**env, **more})


@pytest.fixture
def production(run, database_url):
    return lambda *arguments: run("-e", "production", *arguments, env={"PRODUCTION_DATABASE_URL": database_url})


def test_the_base_comes_before_the_environment_and_nothing_is_recorded(seeds, seed, query, database_url):
    data = "copy a (n, t) from stdin;\n3\tx;y\n\\.\n"
    seeds(b=f"insert into a values (2);\n{data}", a="begin;\ninsert into a values (1);\ncommit;\n")
    seeds(dev__a="insert into a select max(n) + 1 from a;\r\n", staging__a="insert into a values (99);")

    done = seed("-e", "dev", "seed")

    assert done.exit_code == 0, done.stderr
    assert query(database_url, "select n, t from a") == [(1, None), (2, None), (3, "x;y"), (4, None)]
    assert [line.split(" in ")[0] for line in done.stdout.splitlines()] == [
        "Applied: db/seeds/a.sql",
        "Applied: db/seeds/b.sql",
        "Applied: db/seeds/dev/a.sql",
    ]
    assert "· 3 seeds" in done.stderr
    assert query(database_url, "select to_regclass('schema_migrations') is null, to_regclass('a') is null") == [
        (True, False)
    ]
    assert seed("seed").exit_code == 0
    assert query(database_url, "select count(*) from a") == [(7,)], "without an environment the base alone"


def test_a_failure_undoes_its_own_file_and_names_the_place(seeds, seed, query, database_url):
    seeds(
        a="insert into a values (1);", b="insert into a values (2);\ninsert into a\n  values (missing);", c="select 1;"
    )

    done = seed("seed")

    assert done.exit_code == 4
    assert "--> db/seeds/b.sql:3:11" in done.stderr
    assert "state: rolled back; nothing of db/seeds/b.sql was applied" in done.stderr
    assert query(database_url, "select n from a") == [(1,)]
    assert json.loads(seed("seed", "--json").stdout)["done"][0]["file"] == "db/seeds/a.sql"


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("select 1;\nselect 'open", "E217", "db/seeds/b.sql:2:8"),
        ("\\copy a from 'x'\n", "E218", "db/seeds/b.sql:1:1"),
        ("commit;\nselect 1;", "E219", "db/seeds/b.sql:1:1"),
        ("vacuum a;", "E220", "db/seeds/b.sql:1:1"),
        ("-- a\n-- migrate:up\nselect 1;\n-- migrate:down\n", "E279", "db/seeds/b.sql:2"),
    ],
)
def test_a_faulty_file_stops_before_anything_runs(seeds, seed, query, database_url, text, code, place):
    seeds(a="insert into a values (1);", b=text)

    for options in ((), ("--dry-run",)):
        done = seed("seed", *options)
        assert (done.exit_code, f"error[{code}]" in done.stderr, place in done.stderr) == (2, True, True), done.stderr
    assert query(database_url, "select count(*) from a") == [(0,)]


@pytest.mark.parametrize("directory", ["db/migrations", "db/migrations/repeatable", "db/none"])
def test_a_directory_of_migrations_is_refused(seeds, seed, project, directory):
    (project.migrations / "repeatable").mkdir()
    project.migration("001_a", up="select 1;")

    done = seed("seed", "--seeds-dir", directory)

    assert (done.exit_code, "error[E279]" in done.stderr) == (2, True)


def test_a_folder_of_the_environment_that_has_the_migrations_is_refused(seeds, seed, database_url):
    done = seed("-e", "migrations", "seed", "--seeds-dir", "db", MIGRATIONS_DATABASE_URL=database_url)

    assert (done.exit_code, "db/migrations belongs to the migrations" in done.stderr) == (2, True)


def test_the_directory_is_a_setting_and_a_dry_run_lists(seeds, seed, project, query, database_url):
    (project.root / "rows").mkdir()
    (project.root / "rows/a.sql").write_text("select 1;\ninsert into a values (1);")
    (project.root / "dbmigrate.toml").write_text('seeds-dir = "rows"\n')

    assert seed("seed", "--dry-run").stdout == "rows/a.sql · 2 statements\n"
    assert json.loads(seed("seed", "--dry-run", "--json").stdout)["seeds"] == [{"file": "rows/a.sql", "statements": 2}]
    assert query(database_url, "select count(*) from a") == [(0,)]
    assert seed("seed", DBMIGRATE_SEEDS_DIR="db").stderr == "Nothing to do\n"


def test_a_protected_environment_needs_a_confirmation(seeds, production, query, database_url):
    seeds(a="insert into a values (1);", production__b="insert into a values (2);")

    asked = production("seed")
    done = production("seed", "--yes", "--quiet")

    assert (asked.exit_code, "error[E707]" in asked.stderr) == (7, True)
    assert done.exit_code == 0, done.stderr
    assert query(database_url, "select n from a") == [(1,), (2,)]


def test_a_required_environment_does_not_concern_seeds(seeds, production, project):
    seeds(a="insert into a values (1);")
    (project.root / "dbmigrate.toml").write_text('[environments.production]\nrequire-applied-in = "dev"\n')

    done = production("seed", "--yes")

    assert done.exit_code == 0, done.stderr
