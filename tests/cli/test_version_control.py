"""What git knows of the files: untracked ones are not for production, and a commit has what was applied, or has not."""

from __future__ import annotations

import os
import subprocess

import pytest

UP = "create table {} ();"


@pytest.fixture
def git(project):
    """Runs git in the project, which is a repository."""

    def run(*arguments):
        identity = ("-c", "user.name=Ann", "-c", "user.email=ann@example.com", "-c", "init.defaultBranch=main")
        command = ["git", "-C", project.root, *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    run("init")
    return run


@pytest.fixture
def production(run, database_url):
    def command(*arguments, env=None):
        values = {"PRODUCTION_DATABASE_URL": database_url, "DBMIGRATE_NO_DUMP_SCHEMA": "true", **(env or {})}
        return run("-e", "production", *arguments, env=values)

    return command


# ----------------------------------------------------------------------------------------------------- untracked files


@pytest.mark.parametrize("command", [("up",), ("migrate",), ("deploy", "--no-backup")], ids=" ".join)
def test_an_untracked_file_is_not_applied_in_production(production, project, git, database_url, query, command):
    project.migration("1_a", up=UP.format("a"))
    git("add", ".")
    project.migration("2_b [x]*", up=UP.format("b"))

    done = production(*command, "--yes")

    assert done.exit_code == 7, done.stderr
    assert "error[E737]: not in version control: db/migrations/2_b [x]*.sql\n" in done.stderr
    assert "state: nothing was changed" in done.stderr
    assert "--allow-untracked REASON" in done.stderr
    assert query(database_url, "select to_regclass('a')") == [(None,)]


def test_it_is_applied_for_a_reason_that_the_log_keeps(production, project, git, database_url, query):
    project.migration("1_a", up=UP.format("a"))

    done = production("up", "--yes", "--reason", "INC-3", "--allow-untracked", "no network here")

    assert done.exit_code == 0, done.stderr
    assert query(database_url, "select reason from schema_migrations_log") == [
        ("INC-3; --allow-untracked: no network here",)
    ]
    assert production("up", "--yes", "--allow-untracked", " ").exit_code == 2


def test_other_environments_do_not_ask(run, project, git, database_url):
    project.migration("1_a", up=UP.format("a"))

    done = run("-e", "staging", "up", "--no-dump-schema", env={"STAGING_DATABASE_URL": database_url})

    assert done.exit_code == 0
    assert "version control" not in done.stderr


def test_a_file_that_git_ignores_is_a_note(production, project, git):
    (project.root / ".gitignore").write_text("db/\n")
    project.migration("1_a", up=UP.format("a"))

    done = production("up", "--yes")

    assert done.exit_code == 0, done.stderr
    assert "note[W712]: git ignores db/migrations/1_a.sql: nobody else may have it" in done.stderr


@pytest.mark.parametrize("path", [None, "/nonexistent"], ids=["no work tree", "no git"])
def test_where_git_knows_nothing_it_is_a_note(production, project, path):
    project.migration("1_a", up=UP.format("a"))

    done = production("up", "--yes", env={"PATH": path} if path else None)

    assert done.exit_code == 0, done.stderr
    assert "note[W713]: the files are in no git work tree" in done.stderr


def test_what_is_rolled_back_or_recorded_need_not_be_tracked(production, project, git):
    project.migration("1_a", up=UP.format("a"), down="drop table a;")
    production("up", "--yes", "--allow-untracked", "x")

    assert production("rollback", "--yes").exit_code == 0
    assert production("mark", "applied", "1", "--reason", "x", "--yes").exit_code == 0


# ------------------------------------------------------------------------------------------- the commit with the bytes


def test_a_changed_file_comes_back_with_the_line_that_is_shown(command, project, git):
    path = project.migration("1 it's", up=UP.format("a"))
    git("add", ".")
    git("commit", "-m", "make a")
    applied = path.read_bytes()
    command("up")
    path.write_text(path.read_text().replace("table a", "table b"))
    git("commit", "-am", "rename it")

    for shown in (command("up").stderr, command("verify").stdout):
        line = shown.partition("git checkout ")[2].partition(", and write")[0]
        git("checkout", "HEAD", "--", ".")
        subprocess.run(f"git checkout {line}", shell=True, cwd=project.root, check=True, capture_output=True)
        assert path.read_bytes() == applied
        git("checkout", "HEAD", "--", ".")
        assert "rename it" in shown


def test_a_file_that_is_gone_comes_back_with_the_line_that_is_shown(command, project, git):
    path = project.migration("1 it's", up=UP.format("a"))
    project.migration("2_b", up=UP.format("b"))
    applied = path.read_bytes()
    git("add", ".")
    git("commit", "-m", "make a and b")
    command("up")
    git("rm", "-q", str(path))
    git("commit", "-m", "take it out")

    line = command("verify").stdout.partition("hint: ")[2].partition(", or run")[0]

    assert line.startswith("git checkout ")
    subprocess.run(line, shell=True, cwd=project.root, check=True, capture_output=True)
    assert path.read_bytes() == applied


def test_of_a_file_that_git_never_had_no_line_is_shown(command, project, git):
    project.migration("1_a", up=UP.format("a"))
    project.migration("2_b", up=UP.format("b"))
    command("up")
    (project.migrations / "1_a.sql").unlink()

    shown = command("verify").stdout

    assert "git checkout" not in shown
    assert "hint: restore it from version control, or run `dbmigrate repair --forget" in shown


def test_it_is_found_in_a_later_commit_than_the_one_that_was_applied_from(command, project, git):
    git("commit", "--allow-empty", "-m", "before the file")
    path = project.migration("1_a", up=UP.format("a"))
    command("up")
    git("add", ".")
    git("commit", "-m", "make a")
    commit = git("rev-parse", "HEAD")
    path.write_text(path.read_text().replace("table a", "table b"))

    assert f"git checkout {commit[:12]} -- db/migrations/1_a.sql, and write" in command("up").stderr


def test_no_line_is_shown_where_git_has_not_what_was_applied(command, project, git):
    path = project.migration("1_a", up=UP.format("a"))
    git("add", ".")
    git("commit", "-m", "make a")
    path.write_text(path.read_text().replace("table a", "table b"))
    command("up")
    path.write_text(path.read_text().replace("table b", "table c"))

    for shown in (command("up").stderr, command("verify").stdout):
        assert "git checkout" not in shown
        assert "restore the file, and write the change as a new migration" in shown


def test_line_ends_that_git_changes_are_those_of_a_checkout(command, project, git):
    (project.root / ".gitattributes").write_text("*.sql text eol=crlf\n")
    path = project.write("1_a.sql", "-- migrate:up\r\ncreate table a ();\r\n-- migrate:down\r\n")
    git("add", ".")
    git("commit", "-m", "make a")
    command("up")
    path.write_text("-- migrate:up\ncreate table b ();\n-- migrate:down\n")

    assert "git checkout " in command("up").stderr


# --------------------------------------------------------------------------------------------------- repair --forget


@pytest.fixture
def gone(production, project, tmp_path):
    """Two applied versions whose files are gone, and one whose file is there."""
    for number in (1, 2, 3):
        project.migration(f"{number}_t", up=UP.format(f"t{number}"))
    assert production("up", "--yes").exit_code == 0
    os.unlink(project.migrations / "1_t.sql")
    os.unlink(project.migrations / "2_t.sql")
    return project


def test_one_missing_version_is_forgotten_in_production(production, gone, database_url, query):
    unconfirmed = production("repair", "--forget", "1", "--reason", "moved to billing")
    assert (unconfirmed.exit_code, "E707" in unconfirmed.stderr) == (7, True)

    done = production("repair", "--forget", "1", "--reason", "moved to billing", "--yes")

    assert done.exit_code == 0, done.stderr
    assert "record 1_t.sql as pending" in done.stderr
    assert query(database_url, "select version from schema_migrations order by 1") == [("2",), ("3",)]
    assert query(
        database_url, "select version, direction, reason from schema_migrations_log order by event_id desc limit 1"
    ) == [("1", "repair", "moved to billing")]


def test_forgetting_one_does_nothing_else(production, gone, database_url, query):
    path = gone.migrations / "3_t.sql"
    path.write_text(path.read_text().replace("t3", "t4"))

    assert production("repair", "--forget", "1", "--reason", "x", "--yes").exit_code == 0

    assert "3_t.sql was changed" in production("verify").stdout


def test_the_sweep_is_refused_in_production(production, gone, database_url, query):
    done = production("repair", "--forget-missing", "--reason", "x", "--yes")

    assert done.exit_code == 7
    assert (
        "error[E736]: --forget-missing is refused on a protected environment\nmissing: 1_t.sql, 2_t.sql" in done.stderr
    )
    assert "`dbmigrate -e production repair --forget 1 --reason TEXT`" in done.stderr
    assert query(database_url, "select count(*) from schema_migrations") == [(3,)]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--forget", "3", "--reason", "x"), "E228"),
        (("--forget", "9", "--reason", "x"), "E232"),
        (("--forget", "views.sql", "--reason", "x"), "E232"),
        (("--forget", "1"), "E200"),
        (("--forget", "1", "--forget-missing", "--reason", "x"), "E200"),
    ],
)
def test_what_cannot_be_forgotten(production, gone, database_url, query, arguments, code):
    done = production("repair", "--yes", *arguments)

    assert done.exit_code == 2
    assert f"error[{code}]" in done.stderr
    assert query(database_url, "select count(*) from schema_migrations") == [(3,)]


def test_a_repeatable_migration_is_forgotten_by_its_name(production, project, database_url, query):
    (project.migrations / "repeatable").mkdir()
    path = project.migrations / "repeatable" / "views.sql"
    (project.migrations / "repeatable" / "others.sql").write_text("-- migrate:repeatable\nselect 1;\n")
    path.write_text("-- migrate:repeatable\ncreate or replace view v as select 1 as n;\n")
    assert production("up", "--yes").exit_code == 0
    path.unlink()
    assert "W337" in production("status").stderr

    assert production("repair", "--forget", "views.sql", "--reason", "x", "--yes").exit_code == 0

    assert "W337" not in production("status").stderr
