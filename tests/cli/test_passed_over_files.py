"""SQL files that are never run are named, with the tool whose format they have, and never taken for "all is well"."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

HOOKS = Path(__file__).parents[2] / ".pre-commit-hooks.yaml"
FLYWAY = {"V001__a.sql": "create table a ();"}
FOREIGN = {
    "Flyway": FLYWAY,
    "Flyway in lower case": {"v2__b.sql": "create table b ();"},
    "golang-migrate": {"a.up.sql": "create table a ();", "a.down.sql": "drop table a;"},
    "Diesel": {"2026-01-01-000000_a/up.sql": "create table a ();", "2026-01-01-000000_a/down.sql": "drop table a;"},
    "Prisma": {"20260101000000_a/migration.sql": "create table a ();", "migration_lock.toml": ""},
    "numbered files": {"v1.sql": "create table a ();", "rollback-005.sql": "drop table a;"},
    "node-pg-migrate": {"first.sql": "-- Up Migration\ncreate table a ();\n-- Down Migration\ndrop table a;"},
    "goose": {"first.sql": "-- +goose Up\ncreate table a ();\n"},
    "Liquibase": {"changelog.sql": "--liquibase formatted sql\n--changeset me:1\ncreate table a ();\n"},
}
STRICT = (("lint",), ("check",), ("verify",), ("status", "--exit-code"), ("status", "--quiet"))


@pytest.fixture
def dbmigrate(run, database_url):
    return lambda *words: run("--no-dump-schema", *words, env={"DATABASE_URL": database_url})


def put(project, files):
    for name, text in files.items():
        path = project.migrations / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize("words", STRICT, ids=" ".join)
@pytest.mark.parametrize("tool", ["Flyway", "Diesel"])
def test_no_migration_at_all_is_an_error(dbmigrate, project, tool, words):
    put(project, FOREIGN[tool])

    done = dbmigrate(*words)

    assert done.exit_code == 2, done.stdout + done.stderr
    error = re.sub(r"\s+", " ", done.stderr)
    assert "error[E230]: no migration files found in" in error
    assert f"db/migrations/{next(iter(FOREIGN[tool]))}" in error
    assert f"like {tool})" in error
    assert f"`dbmigrate import db/migrations --from {tool.lower()}` converts such files" in error


@pytest.mark.parametrize("words", STRICT, ids=" ".join)
def test_an_empty_directory_is_one_too(dbmigrate, project, words):
    done = dbmigrate(*words)

    assert done.exit_code == 2, done.stdout + done.stderr
    assert "error[E230]: no migration files found in" in done.stderr


@pytest.mark.parametrize("tool", FOREIGN)
def test_status_names_what_is_passed_over(dbmigrate, project, tool):
    put(project, FOREIGN[tool])

    done = dbmigrate("status")

    assert done.exit_code == 0, done.stderr
    assert done.stdout == "\nApplied: 0\nPending: 0\n"
    assert "note[W665]" in done.stderr
    assert f"like {tool.removesuffix(' in lower case')}" in done.stderr


@pytest.mark.parametrize("words", [("up",), ("up", "--dry-run"), ("status",), ("verify",)], ids=" ".join)
def test_files_beside_good_ones_are_named_once(dbmigrate, project, words):
    project.migration("20260101000000_a", up="create table a ();")
    put(project, {**FLYWAY, "notes.sql": "select 1;", "20260102000000_B.SQL": "select 1;", ".hidden.sql": "x"})

    done = dbmigrate(*words)

    assert done.exit_code == 0, done.stderr
    assert done.stderr.count("W665") == 1
    assert "db/migrations/V001__a.sql (looks like Flyway)" in done.stderr
    assert "notes.sql" in done.stderr
    assert "20260102000000_B.SQL" in done.stderr
    assert ".hidden" not in done.stderr


def test_lint_tells_them_with_its_findings(dbmigrate, project):
    project.migration("20260101000000_a", up="create table a ();", down="drop table a;")
    put(project, FLYWAY)

    done = dbmigrate("lint", "--format", "json")

    assert done.exit_code == 0, done.stdout
    assert "W665" in [each["code"] for each in json.loads(done.stdout)["findings"]]


def test_check_tells_them_with_its_findings(dbmigrate, project):
    project.migration("20260101000000_a", up="create table a ();", down="drop table a;")
    put(project, FLYWAY)

    done = dbmigrate("check", "--format", "json")

    assert done.exit_code == 0, done.stdout + done.stderr
    assert "W665" in done.stdout


@pytest.mark.parametrize("tool", [tool for tool in FOREIGN if tool != "Prisma"])
def test_the_hook_for_names_fails_on_them(run, project, tool):
    """As pre-commit calls it: with the names of the files that its pattern matches."""
    hook = next(each for each in yaml.safe_load(HOOKS.read_text()) if each["id"] == "dbmigrate-names")
    project.migration("20260101000000_a", up="create table a ();", down="drop table a;")
    put(project, FOREIGN[tool])
    paths = [str(path.relative_to(project.root)) for path in sorted(project.migrations.rglob("*"))]
    meant = [path for path in paths if re.search(hook["files"], path)]

    done = run(*hook["entry"].split()[1:], *(meant if hook.get("pass_filenames", True) else ()))

    assert done.exit_code == 1, done.stdout
    assert f"it looks like {tool.removesuffix(' in lower case')}" in done.stdout
    assert run(*hook["entry"].split()[1:], "db/migrations/20260101000000_a.sql").exit_code == 0


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("001_x.up.sql", "001_x.down.sql"), "are a pair of golang-migrate"),
        (("001_x_up.sql", "001_x_down.sql"), "are a pair of golang-migrate"),
        (("001_x.sql", "001_x_rollback.sql"), "are a pair of numbered files"),
        (("001_x.up.sql", "001_y.down.sql"), "two migrations have version 001"),
        (("001_x.sql", "001_y.sql"), "two migrations have version 001"),
    ],
)
@pytest.mark.parametrize("words", [("up",), ("status",), ("lint",), ("check",)], ids=" ".join)
def test_the_two_directions_of_one_version_are_called_a_pair(dbmigrate, project, names, told, words):
    put(project, dict.fromkeys(names, "select 1;"))

    done = dbmigrate(*words)

    assert done.exit_code in (1, 2)
    assert "E221" in done.stderr + done.stdout
    assert told in done.stderr + done.stdout
    if "pair" in told:
        assert "rename one of them" not in done.stderr + done.stdout
        assert "001_x.sql: `-- migrate:up`" in done.stderr + done.stdout
