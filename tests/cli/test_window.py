"""Maintenance windows: outside of them nothing runs, unless somebody says why."""

from __future__ import annotations

import json

import pytest

from tests.support.moments import closed_window, open_window


@pytest.fixture
def production(run, database_url, project):
    """`production(...)` runs on an environment that is called so."""
    project.migration("1_a", up="create table a (id int);", down="drop table a;")
    environ = {"PRODUCTION_DATABASE_URL": database_url, "DBMIGRATE_NO_DUMP_SCHEMA": "true"}
    return lambda *arguments, env=None: run("-e", "production", *arguments, env={**environ, **(env or {})})


@pytest.fixture
def window(project):
    def write(*texts, table="environments.production"):
        listed = ", ".join(f'"{text}"' for text in texts)
        (project.root / "dbmigrate.toml").write_text(f"[{table}]\nwindow = [{listed}]\n")

    return write


def tables(query, url):
    return [row[0] for row in query(url, "select relname::text from pg_class where relname in ('a', 'b') order by 1")]


@pytest.mark.parametrize("table", ["environments.production", "env.production", "environments.PRODUCTION"])
def test_outside_the_window_nothing_runs_also_with_yes(production, window, query, database_url, table):
    window(closed_window(), table=table)

    done = production("up", "--yes")

    assert done.exit_code == 7
    assert "E788" in done.stderr
    assert "outside the maintenance window of production" in done.stderr
    assert closed_window() in done.stderr
    assert "it opens " in done.stderr
    assert "--outside-window REASON" in done.stderr
    assert "nothing was changed" in done.stderr
    assert tables(query, database_url) == []


def test_in_one_of_the_windows_it_runs(production, window, query, database_url):
    window(closed_window(), open_window())

    done = production("up", "--yes")

    assert done.exit_code == 0, done.stderr
    assert "window" not in done.stderr
    assert tables(query, database_url) == ["a"]


def test_a_reason_opens_the_window_and_is_logged(production, window, query, database_url):
    window(closed_window())

    done = production("up", "--yes", "--reason", "OPS-7", "--outside-window", "the shop is down")

    assert done.exit_code == 0, done.stderr
    assert "W786" in done.stderr
    assert "the shop is down" in done.stderr
    assert query(database_url, "select distinct reason from schema_migrations_log") == [
        ("OPS-7; --outside-window: the shop is down",)
    ]


def test_doctor_says_whether_it_is_open_and_fails_neither_way(production, window):
    without = production("doctor")
    window(closed_window())
    closed = production("doctor")
    window(closed_window(), open_window())
    now_open = production("doctor")

    assert [done.exit_code for done in (without, closed, now_open)] == [0, 0, 0]
    assert "window:" not in without.stdout
    assert "\nok      window: closed, it opens " in closed.stdout
    assert f" ({closed_window()})" in closed.stdout
    assert f"\nok      window: open ({closed_window()}, {open_window()})" in now_open.stdout


def test_inside_the_window_the_reason_is_not_logged(production, window, query, database_url):
    window(open_window())

    done = production("up", "--yes", "--outside-window", "just in case")

    assert done.exit_code == 0, done.stderr
    assert query(database_url, "select distinct reason from schema_migrations_log") == [(None,)]


def test_an_empty_reason_is_refused_with_and_without_a_window(production, window):
    for texts in ((closed_window(),), ()):
        if texts:
            window(*texts)
        done = production("up", "--yes", "--outside-window", " ")

        assert done.exit_code == 2
        assert "--outside-window needs a reason" in done.stderr


@pytest.mark.parametrize("command", ["rollback", "redo"])
def test_what_changes_the_schema_has_to_wait(production, window, project, query, database_url, command):
    window(open_window())
    assert production("up", "--yes").exit_code == 0
    window(closed_window())

    done = production(command, "--yes")

    assert done.exit_code == 7
    assert "E788" in done.stderr
    assert tables(query, database_url) == ["a"]
    allowed = production(command, "--yes", "--outside-window", "because")
    assert allowed.exit_code == 0, allowed.stderr


def test_what_changes_nothing_works_at_any_time(production, window):
    window(open_window())
    assert production("up", "--yes").exit_code == 0
    window(closed_window())

    for command in (("status",), ("up", "--yes"), ("verify",), ("history",)):
        done = production(*command)
        assert done.exit_code == 0, done.stderr


def test_corrections_of_the_records_work_at_any_time(production, window):
    window(closed_window())

    done = production("mark", "applied", "1", "--reason", "made by hand", "--yes")

    assert done.exit_code == 0, done.stderr


@pytest.mark.parametrize("options", [(), ("--no-locks",), ("--json", "--no-locks")])
def test_a_dry_run_says_that_it_would_be_refused(production, window, options):
    window(closed_window())

    done = production("up", "--dry-run", *options)

    assert done.exit_code == 0, done.stderr
    assert "W783" in done.stderr
    assert "a run would be refused now" in done.stderr
    assert "it opens " in done.stderr


def test_other_environments_have_no_window(run, database_url, project, window):
    window(closed_window())
    project.migration("1_a", up="create table a (id int);", down="drop table a;")

    for name in ("staging", None):
        chosen = ("-e", name) if name else ()
        done = run(
            *chosen,
            "up",
            env={"STAGING_DATABASE_URL": database_url, "DATABASE_URL": database_url, "DBMIGRATE_NO_DUMP_SCHEMA": "1"},
        )
        assert done.exit_code == 0, done.stderr


def test_another_name_for_the_database_of_production_does_not_help(run, database_url, project, window):
    window(closed_window())
    project.migration("1_a", up="create table a (id int);", down="drop table a;")

    done = run("--url", database_url, "up", "--yes", env={"PRODUCTION_DATABASE_URL": database_url})

    assert done.exit_code == 7
    assert "E788" in done.stderr


def test_a_plan_is_refused_before_somebody_is_asked(runner, database_url, project, window):
    window(closed_window())
    project.migration("1_a", up="create table a (id int);", down="drop table a;")

    done = runner.run_typing(
        "-e", "production", "up", typed="production\n", env={"PRODUCTION_DATABASE_URL": database_url}
    )

    assert done.exit_code == 7
    assert "E788" in done.stderr


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('"Sat 02:00-04:00"', "time zone"),
        ('"Sat 02:00-04:00 Mars/Olympus"', "Mars/Olympus"),
        ('"sometime"', "a window such as"),
        ("7", "a window such as"),
        ("[]", "a window such as"),
        ('["Sat 02:00-04:00 UTC", 7]', "a window such as"),
    ],
)
def test_a_wrong_window_is_an_error_with_its_place(production, project, text, wanted):
    (project.root / "dbmigrate.toml").write_text(f"[environments.production]\nwindow = {text}\n")

    done = production("status")

    assert done.exit_code == 2
    assert "E255" in done.stderr
    assert "dbmigrate.toml:2" in done.stderr
    assert wanted in done.stderr


def test_with_json_the_refusal_is_an_object(production, window):
    window(closed_window())

    done = production("up", "--yes", "--json")

    assert done.exit_code == 7
    assert json.loads(done.stdout)["error"]["code"] == "E788"


def test_a_program_is_not_started_outside_the_window(production, window, query, database_url):
    window(closed_window())

    done = production("run", "--yes", "--", "echo", "started")

    assert (done.exit_code, done.stdout) == (7, "")
    assert "E788" in done.stderr
    assert tables(query, database_url) == []


def test_a_reason_opens_the_window_for_run_too(production, window, query, database_url):
    window(closed_window())

    done = production("run", "--yes", "--outside-window", "outage 17", "--", "echo", "started")

    assert (done.exit_code, done.stdout) == (0, "started\n"), done.stderr
    assert "W786" in done.stderr
    assert tables(query, database_url) == ["a"]


# ----------------------------------------------------------------------------------- what changes a database as a whole


@pytest.fixture
def whole(production, window, project, query, database_url):
    """The options that name the database, a schema file of a table `b`, a backup; the window is closed."""
    (project.root / "db" / "schema.sql").write_text("create table b (id int);\n")
    query(database_url, "create table a (id int)")
    backup = production("backup").stdout.strip()
    window(closed_window())
    (name,) = query(database_url, "select current_database()")[0]
    commands = {"load": ["load"], "drop": ["drop"], "restore": ["restore", backup, "--replace"]}
    return {command: [*words, "--confirm", name] for command, words in commands.items()}


@pytest.mark.parametrize("command", ["load", "drop", "restore"])
def test_a_database_is_replaced_in_its_window_alone(production, whole, query, database_url, command):
    done = production(*whole[command])

    assert done.exit_code == 7
    assert "error[E788]: outside the maintenance window of production" in done.stderr
    assert "state: nothing was changed\n" in done.stderr
    assert done.stderr.endswith("; outside of it: --outside-window REASON\n")
    assert tables(query, database_url) == ["a"]
    like = "select count(*) from pg_database where starts_with(datname, current_database() || '_')"
    assert query(database_url, like) == [(0,)]


@pytest.mark.parametrize("command", ["load", "drop"])
def test_a_reason_opens_the_window_for_a_whole_database_too(production, whole, query, database_url, command):
    assert production(*whole[command], "--outside-window", " ").exit_code == 2
    assert tables(query, database_url) == ["a"]

    done = production(*whole[command], "--outside-window", "INC-1")

    assert done.exit_code == 0, done.stderr
    assert "warning[W786]: this run is outside the maintenance window of production" in done.stderr
    assert "INC-1" in done.stderr


def test_in_the_window_a_schema_file_is_loaded(production, whole, window, query, database_url):
    window(open_window())

    done = production(*whole["load"])

    assert (done.exit_code, tables(query, database_url)) == (0, ["a", "b"]), done.stderr
    assert "window" not in done.stderr
