"""The health checks of `examples/health`, in the frameworks that they are for: real servers, asked over HTTP."""

from __future__ import annotations

import json
import os
import subprocess
import sysconfig
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

import dbmigrate
from tests.support import environment
from tests.support.packages import environment_with
from tests.support.unavailable import UnavailableError

ROOT = Path(dbmigrate.__file__).parent.parent
EXAMPLES = ROOT / "examples" / "health"
PACKAGES = ("fastapi==0.115.12", "uvicorn==0.34.2", "flask==3.1.0", "django==5.2")
SERVERS = {
    "fastapi_app": ["-m", "uvicorn", "fastapi_app:app", "--port", "{port}"],
    "flask_app": ["-m", "flask", "--app", "flask_app", "run", "--port", "{port}"],
    "django_app": [str(EXAMPLES / "django_app.py"), "runserver", "--noreload", "127.0.0.1:{port}"],
}
PATIENCE = 60.0


def ask(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/db", timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as exc:
        return exc.code, json.load(exc)


@pytest.fixture(params=SERVERS)
def application(request, project, database_url, unused_port, tmp_path_factory):
    """The port of a running example, which works on the test's project and database."""
    try:
        python = environment_with("health-frameworks-1", PACKAGES) / "bin" / "python"
    except UnavailableError as exc:
        pytest.skip(str(exc))
    words = [word.format(port=unused_port) for word in SERVERS[request.param]]
    environ = environment.clean(os.environ, home=tmp_path_factory.mktemp("home")) | {
        "PYTHONPATH": os.pathsep.join((str(EXAMPLES), str(ROOT), sysconfig.get_path("purelib"))),
        "DATABASE_URL": database_url,
        "SECRET_KEY": "for tests",
    }
    log = tmp_path_factory.mktemp("log") / "log"
    with (
        open(log, "w") as output,
        subprocess.Popen([python, *words], cwd=project.root, env=environ, stdout=output, stderr=output) as process,
    ):
        try:
            end = time.monotonic() + PATIENCE
            while process.poll() is None and time.monotonic() < end:
                try:
                    ask(unused_port)
                    break
                except (urllib.error.URLError, ConnectionError):
                    time.sleep(0.1)
            assert process.poll() is None, log.read_text()
            yield unused_port
        finally:
            process.kill()


@pytest.mark.matrix
@pytest.mark.slow
def test_an_application_is_healthy_when_its_migrations_are_applied(application, project, run, database_url, query):
    env = {"DATABASE_URL": database_url, "DBMIGRATE_NO_DUMP_SCHEMA": "true"}
    project.migration("1_a", up="create table a (id int);")
    project.migration("2_b", up="create table b (id int);")
    assert ask(application) == (503, {"ok": False, "pending": ["1_a.sql", "2_b.sql"]})

    run("up", "--to", "1", env=env)
    assert ask(application) == (503, {"ok": False, "pending": ["2_b.sql"]})

    run("up", env=env)
    assert ask(application) == (200, {"ok": True, "pending": []})

    (project.migrations / "2_b.sql").unlink()
    assert ask(application) == (200, {"ok": True, "pending": []})  # an older release on a newer database

    query(database_url, "drop table schema_migrations; create view schema_migrations as select 1 / 0 as version")
    code, answer = ask(application)
    assert (code, answer["ok"]) == (503, False)
    assert "error" in answer
