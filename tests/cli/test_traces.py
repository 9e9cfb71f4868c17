"""Traces of the real program: where they go, and that nothing of OpenTelemetry is loaded unless it is asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

from tests.support import environment, web

A = "create table a (id int);"
needs_extra = pytest.mark.skipif(find_spec("opentelemetry") is None, reason="the extra otel is not installed")


@needs_extra
def test_the_spans_of_a_run_reach_the_collector(command, project):
    project.migration("1_a", up=A)
    with web.site(web.status(200)) as site:
        done = command("up", env={"OTEL_EXPORTER_OTLP_ENDPOINT": site.url.removesuffix("/health")})

    assert done.exit_code == 0, done.stderr
    assert "W785" not in done.stderr
    assert [path for path, _ in site.requests] == ["/v1/traces"]
    for text in (b"dbmigrate up", b"up 1", b"process.exit.code", b"db.system.name", b"postgresql"):
        assert text in site.bodies[0]
    assert b"create table" not in site.bodies[0]


@needs_extra
@pytest.mark.parametrize("answer", [web.status(400), web.dripping(8)], ids=["400", "dripping"])
def test_a_collector_that_fails_is_a_warning(command, project, answer):
    project.migration("1_a", up=A)
    with web.site(answer) as site:
        done = command("up", env={"OTEL_EXPORTER_OTLP_ENDPOINT": site.url.removesuffix("/health")})

    assert done.exit_code == 0
    assert done.stderr.count("W785") == 1
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 6


def loaded(database_url, project, env):
    """The modules of OpenTelemetry, of notices and of metrics that are there after `up`."""
    code = (
        "import sys, atexit, runpy\n"
        "names = ('opentelemetry', 'dbmigrate.notify', 'dbmigrate.metrics', 'dbmigrate.tracing')\n"
        "atexit.register(lambda: print('LOADED', *sorted({n for n in names if n in sys.modules})))\n"
        "sys.argv = ['dbmigrate', 'up']\nrunpy.run_module('dbmigrate', run_name='__main__')"
    )
    values = {"PATH": os.environ["PATH"], "DATABASE_URL": database_url, "DBMIGRATE_NO_DUMP_SCHEMA": "true", **env}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=project.root,
        env=environment.clean({}, home=project.root) | values,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split()[1:])


def test_nothing_is_loaded_for_those_who_do_not_ask(database_url, project):
    project.migration("1_a", up=A)

    assert loaded(database_url, project, {}) == set()
    assert loaded(database_url, project, {"DBMIGRATE_METRICS_FILE": "x.prom"}) == {"dbmigrate.metrics"}


@needs_extra
def test_the_variable_loads_it_unless_it_is_switched_off(database_url, project, unused_port):
    project.migration("1_a", up=A)
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{unused_port}"}

    assert loaded(database_url, project, {**endpoint, "OTEL_SDK_DISABLED": "true"}) == set()
    assert loaded(database_url, project, {**endpoint, "OTEL_TRACES_EXPORTER": "none"}) == set()
    assert {"opentelemetry", "dbmigrate.tracing"} <= loaded(database_url, project, endpoint)
