"""The commands, their other names, and what they print besides the steps of migrations."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from tests.conformance.programs import said


@pytest.mark.parametrize("arguments", [[], ["help"], ["h"], ["--help"], ["-h"], ["up", "--help"]])
def test_help_is_printed_on_stdout(program, arguments):
    done = program.ok(*arguments)

    assert "usage" in done.stdout.lower()
    assert done.stderr == ""


def test_help_names_every_command_of_dbmate(program):
    text = program.ok("--help").stdout

    commands = ["new", "up", "create", "drop", "migrate", "rollback", "down", "status", "dump", "load", "wait", "help"]
    assert [command for command in commands if not re.search(rf"\b{command}\b", text)] == []


def test_help_names_every_option_of_dbmate(program):
    text = program.ok("--help" if program.name == "dbmate" else "--help-all").stdout  # ours has them in one line

    options = (
        "--url -u --driver --env -e --env-file --migrations-dir -d --migrations-table --schema-file -s"
        " --no-dump-schema --wait --wait-timeout --wait-interval --help -h --version -v"
    )
    assert [option for option in options.split() if not re.search(rf"(?<![\w-]){option}\b", text)] == []


@pytest.mark.parametrize("option", ["--version", "-v"])
def test_version(program, option):
    assert re.fullmatch(rf"{program.name} version \d+\.\d+\.\d+\n", program.ok(option).stdout)


@pytest.mark.parametrize("command", ["new", "n"])
def test_new_makes_a_file_and_needs_no_database(program, project, command):
    project.migrations.rmdir()

    program.ok(command, "create_users")

    [file] = project.migrations.iterdir()
    assert file.read_bytes() == b"-- migrate:up\n\n\n-- migrate:down\n\n"
    stamp, _, name = file.name.partition("_")
    made = datetime.strptime(stamp, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    assert abs(datetime.now(UTC) - made) < timedelta(minutes=5)
    assert name == "create_users.sql"


def test_new_files_can_be_applied_as_they_are(program, project, url):
    program.ok("new", "nothing")

    program.ok("up", url=url)
    program.ok("rollback", url=url)


@pytest.mark.parametrize("arguments", [["new"], ["new", ""]])
def test_new_needs_a_name(program, project, arguments):
    done = program(*arguments)

    assert done.exit_code == 2
    assert "name" in done.stderr.lower()
    assert list(project.migrations.iterdir()) == []


@pytest.mark.parametrize("command", ["up", "migrate", "rollback", "status", "create", "drop", "dump", "load", "wait"])
def test_a_command_that_fails_says_so_on_stderr(program, project, command):
    project.migration("1_a", up="select 1;")
    project.schema_file.write_text("select 1;")

    done = program(command, url="postgres://127.0.0.1:1/nowhere?sslmode=disable", env={"DBMATE_WAIT_TIMEOUT": "1ms"})

    assert done.exit_code != 0
    assert "refused" in done.stderr


def test_up_with_nothing_to_do_succeeds(program, project, url):
    project.migration("1_a", up="select 1;")
    program.ok("up", url=url)

    assert "Appl" not in said(program.ok("up", url=url)).replace("Nothing to do", "")
