"""Command lines of other tools, and what they should have been here."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def dbmigrate(run, database_url):
    def run_it(*arguments, env=None):
        return run(*arguments, env={"DATABASE_URL": database_url, **(env or {})})

    return run_it


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("latest", "did you mean `dbmigrate up`?"),
        ("upgrade", "did you mean `dbmigrate up`?"),
        ("run-pending", "did you mean `dbmigrate up`?"),
        ("upgrade head", "did you mean `dbmigrate up`?"),
        ("migrate:up", "did you mean `dbmigrate up`?"),
        ("migrate:latest", "did you mean `dbmigrate up`?"),
        ("db:migrate", "did you mean `dbmigrate migrate`?"),
        ("db:rollback", "did you mean `dbmigrate rollback`?"),
        ("apply", "did you mean `dbmigrate up`?"),
        ("undo", "did you mean `dbmigrate rollback`?"),
        ("downgrade -1", "did you mean `dbmigrate rollback`?"),
        ("migrate:undo:all", "did you mean `dbmigrate rollback --all`?"),
        ("clean", "did you mean `dbmigrate drop`?"),
        ("stamp head", "did you mean `dbmigrate baseline VERSION`?"),
        ("generate users", "did you mean `dbmigrate new`?"),
        ("showmigrations", "did you mean `dbmigrate status`?"),
        ("statsu", "did you mean `dbmigrate status`?"),
        ("up-to 5", "did you mean `dbmigrate up --to VERSION`?"),
        ("rollback 3", "did you mean `dbmigrate rollback -n 3` (that many)"),
        ("down 3", "did you mean `dbmigrate rollback -n 3` (that many)"),
        ("rollback 20260101000000", "did you mean `dbmigrate rollback --to 20260101000000`?"),
        ("up 005", "did you mean `dbmigrate up --to 005`?"),
        ("rollback all", "did you mean `dbmigrate rollback --all`?"),
        ("status production", "did you mean `dbmigrate status -e production`?"),
        ("drop --yes", "use --confirm DBNAME"),
        ("load --yes", "use --confirm DBNAME"),
        ("deploy --dry-run", "use `dbmigrate up --dry-run`"),
        ("-baselineVersion=1 baseline", "use `dbmigrate baseline VERSION`"),
        ("migrate -outOfOrder=true", "use --no-strict"),
        ("-path db -database postgres://h/d up", "use --migrations-dir DIR"),
        ("up --target 5", "use --to VERSION"),
        ("up --flyway.locations=sql", "use --migrations-dir DIR"),
        ("up --stpes 3", "did you mean --steps?"),
        ("up --force", "use --yes"),
        ("--steps 3 up", "it stands behind the command: `dbmigrate up --steps`; see `dbmigrate up --help`"),
        ("-n 1 rollback", "it stands behind the command: `dbmigrate rollback -n`; see `dbmigrate rollback --help`"),
        ("--dry-run rollback", "it stands behind the command: `dbmigrate rollback --dry-run`;"),
        (
            "history --targets all.txt",
            "history works on one database: --url URL; `dbmigrate status --targets FILE` shows",
        ),
    ],
)
def test_what_was_meant_is_said(run, written, meant):
    done = run(*written.split())

    assert done.exit_code == 2
    assert f"hint: {meant}" in done.stderr
    assert done.stderr.count("error[E200]") == 1


@pytest.mark.parametrize(
    ("written", "command"),
    [
        ("up --nope", "up "),
        ("--nope up", "up "),
        ("up --to", "up "),
        ("-e up status --nope", "status "),
        ("mark applied", "mark "),
        ("rollback -n x", "rollback "),
        ("backup list --nope", "backup "),
        ("frobnicate", ""),
        ("frobnicate up", ""),
        ("--nope", ""),
    ],
)
def test_the_help_of_the_command_is_named(run, written, command):
    done = run(*written.split())

    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1].endswith(f"see `dbmigrate {command}--help`")


def test_a_wrong_command_line_is_an_error_in_the_form_that_it_asks_for(run):
    as_object = run("up", "--nope", "--json")
    as_line = run("--nope", "up", "--log-format=json")
    of_a_program = run("run", "--nope", "--", "tool", "--json")

    assert json.loads(as_object.stdout)["error"]["code"] == "E200"
    assert json.loads(as_line.stderr)["code"] == "E200"
    assert of_a_program.stdout == ""


def test_a_long_option_with_one_dash_is_named_as_a_whole(run):
    assert "No such option: -b (in -baselineVersion)" in run("-baselineVersion=1", "baseline").stderr


@pytest.mark.parametrize("written", ["xyzzy", "up --xyzzy", "up x"])
def test_nothing_is_made_up(run, written):
    done = run(*written.split())

    assert done.exit_code == 2
    assert "did you mean" not in done.stderr
    assert "--help" in done.stderr


@pytest.mark.parametrize(
    ("command", "meant"),
    [
        (("baseline", "1"), "001"),
        (("up", "--to", "2"), "002"),
        (("up", "--to", "0002"), "002"),
        (("up", "--to", "002_b.sql"), "002"),
        (("mark", "applied", "1", "--reason", "x"), "001"),
        (("up", "--to", "2026"), "20260101000000"),
    ],
)
def test_a_version_without_its_zeros_or_its_end_is_guessed(dbmigrate, project, command, meant):
    for name in ("001_a", "002_b", "20260101000000_c"):
        project.migration(name, up="select 1;")
    dbmigrate("create")

    done = dbmigrate(*command)

    assert done.exit_code == 2
    assert "error[E232]" in done.stderr
    assert f"hint: did you mean {meant}?" in done.stderr


def test_a_rollback_goal_is_guessed_among_what_is_applied(dbmigrate, project):
    for name in ("001_a", "002_b"):
        project.migration(name, up="select 1;")
    dbmigrate("up", "--to", "001")

    assert "did you mean 001?" in dbmigrate("rollback", "--to", "1").stderr
    assert "did you mean" not in dbmigrate("rollback", "--to", "2").stderr
    assert "did you mean" not in dbmigrate("up", "--to", "").stderr


def test_without_an_environment_those_that_are_there_are_named(run, project):
    (project.root / ".env.dbmate").write_text(
        "DEV_DATABASE_URL=postgres://h/d\nSTAGING_DATABASE_URL=postgres://h/s\nPRODUCTION_DATABASE_URL=postgres://h/p\n"
    )

    done = run("status")

    assert done.exit_code == 2
    assert "error[E201]" in done.stderr
    assert "hint: name an environment: -e dev or -e production or -e staging" in done.stderr


def test_the_help_has_examples_and_the_addresses_of_the_package(run, tmp_path):
    metadata = tmp_path / "dbmigrate-9.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(
        "Metadata-Version: 2.1\nName: dbmigrate\nVersion: 9\n"
        "Project-URL: Documentation, https://docs.example.com/\nProject-URL: Issues, https://example.com/issues\n"
    )

    shown = run("-h", env={"PYTHONPATH": str(tmp_path)}).stdout

    assert "Example: dbmigrate -e staging up" in shown
    assert "dbmigrate explain CODE" in shown
    assert shown.endswith("Documentation: https://docs.example.com/\nIssues: https://example.com/issues\n")
    assert "Example: dbmigrate rollback -n 2 --dry-run" in run("rollback", "-h").stdout
