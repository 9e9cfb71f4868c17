"""What a server answers with may be larger than the memory: rows are dropped one by one, texts are cut."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

MEGABYTE = 1_000_000
ROWS = "select repeat('x', 100000) from generate_series(1, 2000);"  # 200 MB
TEXT = "repeat('größer ', 3000000)"  # 27 MB


MEASURE = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[2:])
open(sys.argv[1], "w").write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code)
"""


@pytest.fixture
def peak(runner, database_url):
    """`peak(*arguments) -> (exit code, largest resident size in MB, stdout, stderr)` of one run."""

    def run(*arguments: str) -> tuple[int, float, str, str]:
        out, err, size = runner.home / "out", runner.home / "err", runner.home / "size"
        environ = runner._environment({"DATABASE_URL": database_url})
        with open(out, "w") as stdout, open(err, "w") as stderr:
            # started by a small process: the largest size of a child begins with that of whoever started it
            process = subprocess.Popen(
                [sys.executable, "-S", "-c", MEASURE, str(size), sys.executable, "-m", "dbmigrate", *arguments],
                env=environ,
                cwd=runner.cwd,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )
            process.wait()
        unit = 1 if sys.platform == "darwin" else 1024
        return process.returncode, int(size.read_text()) * unit / MEGABYTE, out.read_text(), err.read_text()

    return run


@pytest.mark.parametrize("options", ["", "transaction:false"])
def test_rows_that_nobody_reads_take_no_memory(peak, project, options):
    project.migration("1_a", up=f"create table a (id int);\n{ROWS}\n{ROWS}", up_options=options)

    code, megabytes, _, stderr = peak("up", "--no-dump-schema")

    assert code == 0, stderr
    assert megabytes < 100


def test_rows_are_counted_though_none_is_kept(peak, project):
    project.migration("1_a", up="select generate_series(1, 12345);")

    code, _, stdout, _ = peak("up", "--no-dump-schema", "--verbose")

    assert code == 0
    assert "Rows affected: 12345" in stdout


def test_a_failure_behind_rows_is_that_of_its_own_statement(peak, project):
    project.migration("1_a", up="select generate_series(1, 1000);\nselect 1;\nselect 1 / (g - 500) from generate_series(1, 1000) g;")

    code, _, _, stderr = peak("up")

    assert code == 4
    assert "--> db/migrations/1_a.sql:4:" in stderr


@pytest.mark.parametrize("where", ["message", "detail", "hint"])
def test_a_text_that_nobody_could_read_is_cut_on_the_screen_and_in_the_log(peak, project, database_url, query, where):
    others = "" if where == "message" else "message = 'short', "
    project.migration("1_a", up=f"do $$ begin raise exception using {others}{where} = {TEXT}; end $$;")

    code, megabytes, stdout, stderr = peak("up", "--json")

    assert code == 4
    assert len(stderr) < 40_000
    assert "größer größer" in stderr
    assert "… (26,987,142 bytes more)" in stderr  # 27,000,000 without the first 10,000 characters
    assert json.loads(stdout)["error"]["code"] == "E401"
    assert len(stdout) < 200_000
    assert query(database_url, "select max(length(error)) < 11000 from schema_migrations_log") == [(True,)]
    assert megabytes < 350


def test_a_notice_that_nobody_could_read_is_cut(peak, project):
    project.migration("1_a", up=f"do $$ begin raise notice using message = {TEXT}, detail = {TEXT}; end $$;")

    code, _, _, stderr = peak("up", "--no-dump-schema")

    assert code == 0
    assert stderr.count("bytes more)") == 2
    assert len(stderr) < 40_000


def test_a_secret_at_the_cut_is_not_shown_by_half(server, project, run, database_url):
    if not server.is_ours:
        pytest.skip("needs a login with a password")
    from tests.support.servers import PASSWORD

    name = database_url.partition("?")[0].rpartition("/")[2]
    text = f"repeat('x', 9995) || '{PASSWORD}' || repeat('y', 9000)"
    project.migration("1_a", up=f"do $$ begin raise exception using message = {text}; end $$;")

    done = run("up", env={"DATABASE_URL": server.tcp_url(name)})

    assert "bytes more)" in done.stderr
    assert "xfor" not in done.stderr
