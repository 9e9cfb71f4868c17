"""Streams that cannot be written, or are not there: the database matters more than the log, an answer must arrive."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time

import pytest

FULL = "/dev/full"
pytestmark = pytest.mark.skipif(not os.path.exists(FULL), reason="this system has no /dev/full")


@pytest.fixture
def shell(runner, database_url):
    """Run a line of bash in which `dbmigrate` is the program, on the test's database."""

    def run(line: str):
        program = f'dbmigrate() {{ "{sys.executable}" -m dbmigrate "$@"; }}\n'
        environ = runner._environment({"DATABASE_URL": database_url, "DBMATE_NO_DUMP_SCHEMA": "true"})
        return subprocess.run(
            ["bash", "-c", program + line],
            env=environ,
            cwd=runner.cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


@pytest.fixture
def three(project):
    for number in "123":
        project.migration(f"{number}_t", up=f"create table t{number} (id int);", down=f"drop table t{number};")


@pytest.fixture
def tables(database_url, query):
    """How many of the three tables are there."""
    return lambda: query(database_url, "select count(*) from pg_tables where tablename in ('t1', 't2', 't3')")[0][0]


@pytest.mark.parametrize("options", ["", "-q", "-v", "--json"])
def test_a_full_disk_below_stdout_stops_no_migration(shell, three, tables, options):
    done = shell(f"dbmigrate up {options} > {FULL}")

    assert (done.returncode, tables()) == (0, 3), done.stderr
    assert done.stderr.count("warning[W685]: stdout cannot be written: No space left on device") == (options != "-q")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("options", "told"), [("", True), ("-q", False)])
def test_a_full_disk_below_stderr_stops_no_migration(shell, three, tables, options, told):
    done = shell(f"dbmigrate up {options} 2> {FULL}")

    assert (done.returncode, tables()) == (0, 3)
    assert [line.split()[0] for line in done.stdout.splitlines()] == (
        [*["Applied:"] * 3, "warning[W686]:"] if told else []
    )


def test_both_streams_full_and_the_run_goes_on(shell, three, tables):
    assert shell(f"dbmigrate up > {FULL} 2>&1").returncode == 0
    assert tables() == 3


def test_an_error_that_stderr_cannot_take_is_told_on_stdout(shell, three, project, tables):
    project.migration("2_t", up="create table t2 (id nonsense);", down="")

    done = shell(f"dbmigrate up 2> {FULL}")

    assert (done.returncode, tables()) == (4, 1)
    assert "error[E401]" in done.stdout


def test_json_stays_json_when_stderr_is_full(shell, three):
    done = shell(f"dbmigrate up --json 2> {FULL}")

    assert done.returncode == 0
    assert json.loads(done.stdout)["ok"]


@pytest.mark.parametrize(
    "command",
    [
        "status",
        "status --json",
        "history",
        "history --json",
        "verify --json",
        "explain E301",
        "lint --format github",
        "lint --format gitlab",
        "status --log-format json",
        "rollback --dry-run",
        "--version",
        "--help",
    ],
)
def test_an_answer_that_did_not_arrive_is_a_failure(shell, three, command):
    shell("dbmigrate up")

    done = shell(f"dbmigrate {command} > {FULL}")

    assert done.returncode == 2
    assert "the output cannot be written: No space left on device" in done.stderr
    assert "E207" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_question_answered_no_stays_no_when_the_answer_is_lost(shell, three):
    assert shell(f"dbmigrate status --exit-code > {FULL}").returncode == 1


def _closed_after(runner, database_url, *arguments: str, lines: int) -> tuple[int, str]:
    """Read some lines of stdout, go away, and see how the program ends."""
    environ = runner._environment({"DATABASE_URL": database_url, "DBMATE_NO_DUMP_SCHEMA": "true"})
    process = subprocess.Popen(
        [sys.executable, "-m", "dbmigrate", *arguments],
        env=environ,
        cwd=runner.cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    )
    for _ in range(lines):
        while process.stdout.read(1) not in (b"\n", b""):
            pass
    process.stdout.close()
    try:
        stderr = process.stderr.read().decode()
        return process.wait(timeout=60), stderr
    finally:
        process.kill()
        process.stderr.close()


@pytest.mark.parametrize("lines", [0, 1])
def test_a_reader_that_goes_away_ends_no_run(runner, three, database_url, tables, lines):
    code, stderr = _closed_after(runner, database_url, "up", lines=lines)

    assert (code, tables()) == (0, 3)
    assert "W685" not in stderr
    assert "3 applied" in stderr


@pytest.mark.parametrize("command", ["explain", "status", "up --dry-run"])
def test_an_answer_whose_reader_went_away_ends_as_sigpipe_does(runner, three, database_url, command):
    code, stderr = _closed_after(runner, database_url, *command.split(), lines=0)

    assert code == 141
    assert "error" not in stderr


def test_a_script_that_was_cut_off_is_not_taken_for_a_whole_one(runner, project, database_url):
    rows = "\n".join(f"insert into t values ({number});" for number in range(20_000))
    project.migration("1_t", up=f"create table t (id int);\n{rows}", down="drop table t;")

    code, _ = _closed_after(runner, database_url, "up", "--dry-run", lines=100)

    assert code == 141


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("command", ["status", "up", "up --dry-run", "history --json"])
def test_a_stream_that_is_closed_is_no_matter(shell, three, tables, command, closed):
    done = shell(f"dbmigrate {command} {closed}")

    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert tables() == (3 if command == "up" else 0)


def test_a_failure_keeps_its_code_when_every_stream_is_closed(shell, project):
    project.migration("1_t", up="create table t (id nonsense);", down="")

    assert shell("dbmigrate up <&- >&- 2>&-").returncode == 4


def test_with_stdin_closed_nobody_can_be_asked(shell, three):
    done = shell("PRODUCTION_DATABASE_URL=$DATABASE_URL dbmigrate -e production up <&-")

    assert (done.returncode, "error[E707]" in done.stderr) == (7, True), done.stderr


def test_a_question_that_nobody_could_read_is_not_answered_yes(runner, three, database_url, tables):
    """stderr is full, and somebody, or a script, types yes all the same."""
    keyboard, terminal = os.openpty()
    os.write(keyboard, b"production\nyes\n")
    environ = runner._environment({"PRODUCTION_DATABASE_URL": database_url, "DBMATE_NO_DUMP_SCHEMA": "true"})
    with open(FULL, "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "dbmigrate", "-e", "production", "up"],
            env=environ,
            cwd=runner.cwd,
            stdin=terminal,
            stdout=subprocess.PIPE,
            stderr=full,
            text=True,
            timeout=60,
        )
    os.close(keyboard)
    os.close(terminal)

    assert (done.returncode, tables()) == (7, 0), done.stdout


def test_a_pipe_that_does_not_wait_is_made_to(runner, project, database_url):
    """An event loop, such as Node's, hands on pipes that fail with EAGAIN when they are full."""
    project.migration("1_t", up="select 1;\n" * 40_000, down="")
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    process = subprocess.Popen(
        [sys.executable, "-m", "dbmigrate", "up", "--dry-run"],
        env=runner._environment({"DATABASE_URL": database_url}),
        cwd=runner.cwd,
        stdout=writing,
        stderr=subprocess.PIPE,
    )
    os.close(writing)
    time.sleep(1.0)  # long enough for the pipe to be full
    with open(reading, encoding="utf-8") as script:
        text = script.read()
    _, stderr = process.communicate(timeout=60)

    assert process.returncode == 0, stderr
    assert text.count("select 1;") >= 40_000  # and once more in the log's row


def test_has_no_reader_is_about_pipes_and_terminals_only():
    from dbmigrate.output.renderer import has_no_reader

    assert [has_no_reader(OSError(number, "")) for number in (errno.EPIPE, errno.EIO, errno.ENOSPC, errno.EBADF)] == [
        True,
        True,
        False,
        False,
    ]
