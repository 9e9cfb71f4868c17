"""The example of a workflow for several services: a job for each of them, whose shell steps run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import dbmigrate
from tests.support import environment, services
from tests.support.linters import UnavailableError, linter
from tests.support.workflows import Runner, load, shell_steps

EXAMPLE = Path(dbmigrate.__file__).parent.parent / "examples" / "github" / "db-services.yml"
NAMES = ("discovery-svc", "ai", "chat")


@pytest.fixture
def job(tmp_path, runner, server, database_url):
    """What a runner is for one service of the matrix."""
    services.three(tmp_path)
    program = tmp_path / "bin" / "dbmigrate"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m dbmigrate "$@"\n')
    program.chmod(0o755)

    def made(name: str) -> Runner:
        temp = tmp_path / "temp" / name
        temp.mkdir(parents=True)
        clean = environment.clean(runner.environ, home=runner.home)
        environ = {
            **clean,
            "PATH": f"{program.parent}:{clean['PATH']}",
            "DBMIGRATE_SERVICE": name,
            "STAGING_DATABASE_URL": database_url,
            "DBMIGRATE_SCRATCH_URL": server.url("postgres"),
        }
        return Runner(tmp_path, temp, environ, {})

    return made


@pytest.mark.matrix
def test_each_service_is_checked_and_shows_what_it_would_run(job, run, database_url):
    document = load(EXAMPLE)
    check = document["jobs"]["check"]
    assert check["env"]["DBMIGRATE_SERVICE"] == "${{ matrix.service }}"
    assert check["strategy"]["matrix"]["service"] == ["discovery-svc", "ai-svc", "chat-svc"]
    done = run("--service", "discovery-svc", "up", "--no-dump-schema", env={"DATABASE_URL": database_url})
    assert done.exit_code == 0, done.stderr

    for name in NAMES:
        works = job(name)
        codes = [works.run(step) for step in shell_steps(check["steps"])]
        assert (works.ran, codes) == (["Check", "Dry run"], [0, 0]), works.log
        assert ("CREATE TABLE" in works.summary.upper()) is (name != "discovery-svc")


@pytest.mark.parametrize("linter_name", ["actionlint", "zizmor"])
def test_the_linters_have_nothing_to_say(linter_name):
    options = {"actionlint": (), "zizmor": ("--offline", "--no-progress")}
    try:
        program = linter(linter_name)
    except UnavailableError as exc:
        pytest.skip(str(exc))
    done = subprocess.run([program, *options[linter_name], EXAMPLE], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
