"""Repeatable migrations on the command line: what each command shows of them, and what it asks for."""

from __future__ import annotations

import json
import re

import pytest

MARK = "-- migrate:repeatable\n"
VIEW = f"{MARK}create or replace view v as select n, 1 as x from a;\n"


@pytest.fixture
def shop(project, run, database_url):
    """A migration and a view, both applied; the schema file has the view."""
    project.migration("001_a", up="create table a (n int);", down="drop view if exists v;\ndrop table a;")
    folder = project.migrations / "repeatable"
    folder.mkdir()
    (folder / "v.sql").write_text(VIEW)
    done = run("up", env={"DATABASE_URL": database_url})
    assert done.exit_code == 0, done.stderr
    return project


@pytest.fixture
def command(run, database_url):
    return lambda *arguments, **env: run(*arguments, env={"DATABASE_URL": database_url, **env})


def change(project, text=None):
    (project.migrations / "repeatable/v.sql").write_text(text or VIEW.replace("1 as x", "2 as x"))


def test_status_lists_them_after_the_lines_of_dbmate_and_counts_them(shop, command):
    assert (
        command("status", "--exit-code").stdout == "[X] 001_a.sql\n\nApplied: 1\nPending: 0\n\n[X] repeatable/v.sql\n"
    )
    change(shop)

    done = command("status", "--exit-code")

    assert done.stdout == "[X] 001_a.sql\n\nApplied: 1\nPending: 1\n\n[ ] repeatable/v.sql\n"
    assert done.exit_code == 1
    shown = json.loads(command("status", "--json").stdout)
    assert (shown["pending"], [row["file"] for row in shown["migrations"]]) == (1, ["001_a.sql"])
    (row,) = shown["repeatables"]
    assert (row["version"], row["file"], row["state"]) == ("v.sql", "repeatable/v.sql", "pending")
    assert row["applied_at"]


def test_up_says_what_it_runs_and_history_shows_it(shop, command):
    change(shop)

    done = command("up")

    assert re.match(r"Applied: repeatable/v\.sql in ", done.stdout)
    assert "· 1 pending" in done.stderr
    assert "1 repeatable run in " in done.stderr
    assert "Writing: ./db/schema.sql" in done.stderr
    assert "2 AS x" in shop.schema_file.read_text()
    assert "repeatable done    repeatable/v.sql in " in command("history").stdout.splitlines()[0]
    assert "Nothing to do: version 001 is current" in command("up").stderr


def test_a_failure_names_the_place_and_what_to_do(shop, command):
    change(shop, f"{MARK}\ncreate or replace view v as\n  select missing from a;\n")

    done = command("up")

    assert done.exit_code == 4
    assert "--> db/migrations/repeatable/v.sql:4:10" in done.stderr
    assert "rolled back; nothing of repeatable/v.sql was applied" in done.stderr
    assert "error: column" in command("history", "--failed").stdout


def test_a_reviewed_plan_counts_them(shop, command):
    change(shop)
    planned = json.loads(command("up", "--dry-run", "--json", "--no-locks").stdout)
    assert [step["file"] for step in planned["steps"]] == ["repeatable/v.sql"]
    change(shop, VIEW.replace("1 as x", "3 as x"))

    refused = command("up", "--expect-plan", planned["plan"])
    change(shop)
    done = command("up", "--expect-plan", planned["plan"])

    assert (refused.exit_code, done.exit_code) == (7, 0)
    assert "error[E712]" in refused.stderr


def test_a_rehearsal_runs_them_and_leaves_nothing(shop, command, database_url, query):
    change(shop)
    for options in ((), ("--in-place",)):
        done = command("up", "--dry-run", "--execute", *options, DBMIGRATE_SCRATCH_URL=database_url)
        assert done.exit_code == 0, done.stderr
        assert "repeatable/v.sql" in done.stdout + done.stderr
    change(shop, f"{MARK}create view v as select 1;")
    for options in ((), ("--in-place",)):
        done = command("up", "--dry-run", "--execute", *options, DBMIGRATE_SCRATCH_URL=database_url)
        assert done.exit_code == 4
        assert "repeatable/v.sql:2" in done.stderr
    assert query(database_url, "select count(*) from schema_migrations_log where direction = 'repeatable'") == [(1,)]


def test_what_a_schema_file_has_is_recorded_as_run(shop, command, run, twin_database_url, query):
    (shop.migrations / "repeatable/w.sql").write_text(f"{MARK}create or replace view w as select 1;")
    env = {"DATABASE_URL": twin_database_url}

    loaded = run("load", env=env)

    assert loaded.exit_code == 0, loaded.stderr
    assert "Recorded: repeatable/v.sql is applied" in loaded.stdout
    assert run("status", "--exit-code", env=env).exit_code == 0
    assert "recorded as run" in run("history", env=env).stdout
    change(shop)
    assert "Applied: repeatable/v.sql" in run("up", env=env).stdout
    assert query(twin_database_url, "select to_regclass('w') is null") == [(True,)]


def test_load_of_a_schema_file_with_a_faulty_repeatable_beside_it_loads_nothing(shop, run, twin_database_url, query):
    change(shop, f"{MARK}commit;\nselect 1;")

    done = run("load", env={"DATABASE_URL": twin_database_url})

    assert (done.exit_code, "error[E219]" in done.stderr) == (2, True)
    assert query(twin_database_url, "select to_regclass('a') is null") == [(True,)]


def test_drift_compares_with_what_ran(shop, command, query, database_url):
    env = {"DBMIGRATE_SCRATCH_URL": database_url}
    change(shop)
    assert command("drift", "--against", "migrations", **env).exit_code == 0
    query(database_url, "create or replace view v as select n, 9 as x from a")

    done = command("drift", "--against", "migrations", **env)

    assert done.exit_code == 1
    assert "public.v" in done.stdout


def test_check_runs_them_twice(shop, command, database_url):
    env = {"DBMIGRATE_SCRATCH_URL": database_url}
    (shop.root / "asks.sql").write_text("select x from v;\nselect y from v;\n")
    asked = command("check", "--no-lint", "--queries", "asks.sql", **env).stdout
    assert re.findall(r"C11\d\]: (.*)", asked) == ['this query does not work: column "y" does not exist (42703)'], asked
    assert command("check", "--no-lint", **env).exit_code == 0
    change(shop, f"{MARK}create or replace view v as select n, 1 as x from a;\ncreate view w as select 1;")

    done = command("check", "--no-lint", **env)

    assert done.exit_code == 1
    assert "C119" in done.stdout
    assert 'repeatable/v.sql cannot run twice: relation "w" already exists' in done.stdout
    change(shop, f"{MARK}do $$ begin execute 'create table t' || (select count(*) from pg_class) || ' ()'; end $$;")
    assert re.search(
        "after the repeatable migrations ran a second time .* is extra", command("check", "--no-lint", **env).stdout
    )
    change(shop, f"{MARK}select missing;")
    assert "C118" in command("check", "--no-lint", **env).stdout
    change(shop, f"{MARK}commit;\nselect 1;")
    assert "E219" in command("check", "--no-lint", **env).stdout


def test_lint_shows_only_the_new_ones(shop, command, database_url):
    change(shop, f"{MARK}create view v as select 1;")

    done = command("lint", "--url", database_url)

    assert (done.exit_code, "L148" in done.stdout) == (1, True)
    assert "v.sql:2:1" in done.stdout
    assert "L148" in command("lint", "db/migrations/repeatable/v.sql").stdout


def test_a_deployment_that_is_rolled_back_restores_the_earlier_texts(shop, command, query, database_url):
    shop.migration("002_b", up="alter table a add b int;", down="drop view v;\nalter table a drop b;")
    change(shop, f"{MARK}create or replace view v as select n, 1 as x, b from a;")
    (shop.migrations / "repeatable/w.sql").write_text(f"{MARK}create or replace view w as select 1;")
    sick = ("--no-backup", "--health-command", "exit 3", "--health-retries", "0")

    done = command("deploy", *sick)

    assert done.exit_code == 4, done.stderr
    assert "only repeatable/w.sql stays as it is" in done.stderr
    assert query(database_url, "select count(x) from v") == [(0,)]
    assert json.loads(command("status", "--json").stdout)["pending"] == 3
    (shop.migrations / "002_b.sql").unlink()
    change(shop, VIEW.replace("1 as x", "5 as x"))
    query(database_url, "insert into a values (1)")
    done = command("deploy", *sick)
    assert done.exit_code == 4, done.stderr
    assert query(database_url, "select x from v") == [(1,)], "nothing but repeatables was deployed"


def test_a_protected_environment_asks_and_another_one_proves_them(shop, run, database_url, twin_database_url):
    change(shop)
    environ = {"PRODUCTION_DATABASE_URL": database_url, "STAGING_DATABASE_URL": twin_database_url}

    asked = run("-e", "production", "up", env=environ)
    assert run("-e", "staging", "load", env=environ).exit_code == 0
    change(shop, VIEW.replace("1 as x", "4 as x"))
    unproved = run("-e", "production", "up", "--yes", "--require-applied-in", "staging", env=environ)
    assert run("-e", "staging", "up", env=environ).exit_code == 0
    done = run("-e", "production", "up", "--yes", "--require-applied-in", "staging", env=environ)

    assert (asked.exit_code, "E707" in asked.stderr) == (7, True)
    assert (unproved.exit_code, "another file of that version: repeatable/v.sql" in unproved.stderr) == (7, True)
    assert done.exit_code == 0, done.stderr


def test_environments_side_by_side_show_them(shop, run, database_url, twin_database_url):
    environ = {"PRODUCTION_DATABASE_URL": database_url, "STAGING_DATABASE_URL": twin_database_url}

    done = run("status", "--all", "--exit-code", env=environ)

    assert done.exit_code == 1
    assert re.search(r"(?m)^repeatable/v +· pending +✓ ", done.stdout)
    assert run("-e", "staging", "load", env=environ).exit_code == 0
    assert run("status", "--all", "--exit-code", env=environ).exit_code == 0
    change(shop)
    assert run("status", "--all", "--exit-code", env=environ).exit_code == 1


def test_a_rollback_says_what_runs_again(shop, command):
    shop.migration("002_b", up="select 1;", down="select 1;")
    change(shop)
    assert command("up").exit_code == 0

    done = command("rollback")

    assert "1 to roll back, 1 repeatable" in done.stderr
    assert "1 rolled back, 1 repeatable run in" in done.stderr
    assert done.stdout.splitlines()[1].startswith("Applied: repeatable/v.sql")


def test_a_project_without_a_folder_is_asked_nothing(run, project, database_url, query):
    project.migration("001_a", up="select 1;")
    assert run("up", env={"DATABASE_URL": database_url}).exit_code == 0

    assert run("status", env={"DATABASE_URL": database_url}).stdout == "[X] 001_a.sql\n\nApplied: 1\nPending: 0\n"
    assert json.loads(run("status", "--json", env={"DATABASE_URL": database_url}).stdout)["repeatables"] == []
