"""Metrics of a run, in a file for Prometheus: what is in it after which end of a run."""

from __future__ import annotations

import os
import re
import signal
import stat
import time

import pytest

from tests.support import faults
from tests.support.moments import closed_window

A = "create table a (id int);"


@pytest.fixture
def path(project):
    return project.root / "dbmigrate.prom"


@pytest.fixture
def watched(run, database_url, path):
    def command(*arguments, env=None):
        values = {
            "PRODUCTION_DATABASE_URL": database_url,
            "DBMIGRATE_NO_DUMP_SCHEMA": "true",
            "DBMIGRATE_METRICS_FILE": str(path),
        }
        return run("-e", "production", *arguments, "--yes", env={**values, **(env or {})})

    return command


@pytest.fixture
def metrics(path):
    """The samples of the file by name, with the labels that not all of them have."""

    def read():
        found = {}
        for line in path.read_text().splitlines():
            if not line.startswith("#"):
                name, labels, value = re.fullmatch(r"(\w+)\{(.*)\} (\S+)", line).groups()
                own = [part for part in labels.split(",") if not part.startswith(("environment=", "database="))]
                found[f"{name.removeprefix('dbmigrate_')}{{{','.join(own)}}}" if own else name[10:]] = float(value)
        return found

    return read


def runs(metrics, command, result):
    return metrics[f'runs_total{{command="{command}",result="{result}"}}']


def test_after_a_run_the_file_says_what_it_did(watched, metrics, project, path):
    project.migration("1_a", up=A, down="drop table a;")
    project.migration("2_b", up="select pg_sleep(0.3);")
    before = time.time()

    done = watched("up", "--steps", "1")

    assert done.exit_code == 0, done.stderr
    found = metrics()
    assert found["last_run_success"] == 1
    assert before - 1 <= found["last_run_timestamp_seconds"] <= time.time() + 1
    assert found["last_success_timestamp_seconds"] == found["last_run_timestamp_seconds"]
    assert found["pending_migrations"] == 1
    assert found["unfinished_migrations"] == 0
    assert runs(found, "up", "success") == 1
    assert {runs(found, command, "failure") for command in ("up", "rollback", "redo")} == {0}
    assert found["rollbacks_total"] == 0
    assert 0 < found['migration_duration_seconds{version="1"}'] < 60
    assert "last_rollback_timestamp_seconds" not in found
    assert "last_outside_window_timestamp_seconds" not in found
    assert found["blocking_lock_seconds"] == 0
    assert 'environment="production",database="' in path.read_text()
    assert "service=" not in path.read_text()
    assert path.read_text().endswith("\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [item.name for item in project.root.iterdir() if "prom" in item.name] == ["dbmigrate.prom"]

    assert watched("up").exit_code == 0
    found = metrics()
    assert found["pending_migrations"] == 0
    assert runs(found, "up", "success") == 2
    assert found['migration_duration_seconds{version="2"}'] >= 0.3
    assert 'migration_duration_seconds{version="1"}' not in found


def test_a_run_without_anything_to_do_succeeds_and_does_not_count(watched, metrics, project):
    project.migration("1_a", up=A)
    watched("up")

    assert watched("up").exit_code == 0

    assert runs(metrics(), "up", "success") == 1
    assert metrics()["last_run_success"] == 1


def test_a_failure_is_written(watched, metrics, project):
    project.migration("1_a", up=A)
    watched("up")
    project.migration("2_b", up="create table a ();")

    assert watched("up").exit_code == 4

    found = metrics()
    assert found["last_run_success"] == 0
    assert found["last_success_timestamp_seconds"] < found["last_run_timestamp_seconds"]
    assert runs(found, "up", "failure") == 1
    assert runs(found, "up", "success") == 1
    assert found["pending_migrations"] == 1
    assert found['migration_duration_seconds{version="2"}'] >= 0


def test_a_rollback_is_written(watched, metrics, project):
    project.migration("1_a", up=A, down="drop table a;")
    watched("up")
    before = time.time()

    assert watched("rollback").exit_code == 0

    found = metrics()
    assert found["rollbacks_total"] == 1
    assert before - 2 <= found["last_rollback_timestamp_seconds"] <= time.time() + 2
    assert runs(found, "rollback", "success") == 1
    assert watched("up").exit_code == 0
    assert watched("redo").exit_code == 0
    found = metrics()
    assert runs(found, "redo", "success") == 1
    assert found["rollbacks_total"] == 2


def test_a_refusal_counts_and_leaves_the_last_run_as_it_was(watched, metrics, project):
    project.migration("1_a", up=A)
    watched("up")
    project.migration("2_b", up="create table b ();")
    was = metrics()
    (project.root / "dbmigrate.toml").write_text(f'[environments.production]\nwindow = "{closed_window()}"\n')

    assert watched("up").exit_code == 7
    assert watched("up").exit_code == 7

    found = metrics()
    assert runs(found, "up", "refused") == 2
    assert found["pending_migrations"] == 1
    for name in ("last_run_success", "last_run_timestamp_seconds", 'migration_duration_seconds{version="1"}'):
        assert found[name] == was[name]
    assert watched("up", "--outside-window", "urgent").exit_code == 0
    found = metrics()
    assert runs(found, "up", "refused") == 2
    assert abs(found["last_outside_window_timestamp_seconds"] - time.time()) < 60


def test_counters_come_from_the_log_whatever_became_of_the_file(watched, metrics, project, path):
    project.migration("1_a", up=A)
    project.migration("2_b", up="create table b ();")
    watched("up", "--steps", "1")
    path.unlink()

    watched("up")

    assert runs(metrics(), "up", "success") == 2


@pytest.mark.parametrize("content", [b"", b"\xff\x00 nonsense {\n", b'dbmigrate_runs_total{command="up"} NaNx\n'])
def test_an_earlier_file_that_cannot_be_read_is_replaced(watched, metrics, project, path, content):
    project.migration("1_a", up=A)
    path.write_bytes(content)

    assert watched("up").exit_code == 0

    assert metrics()["last_run_success"] == 1


def test_the_refusals_of_another_database_are_not_taken_over(watched, metrics, project, path):
    project.migration("1_a", up=A)
    path.write_text(
        'dbmigrate_runs_total{environment="staging",database="x",command="up",result="refused"} 7\n'
        'dbmigrate_runs_total{command="up",result="refused"} 8\n'
    )

    watched("up")

    assert runs(metrics(), "up", "refused") == 0


def test_without_a_connection_the_run_failed_and_the_counters_stay(watched, metrics, project, unused_port):
    project.migration("1_a", up=A, down="drop table a;")
    watched("up")
    was = metrics()
    name = re.search(r'database="([^"]+)"', (project.root / "dbmigrate.prom").read_text())[1]

    url = f"postgres://nobody@127.0.0.1:{unused_port}/{name}"
    done = watched("up", env={"PRODUCTION_DATABASE_URL": url})

    assert done.exit_code == 3
    found = metrics()
    assert found["last_run_success"] == 0
    assert found["last_success_timestamp_seconds"] == was["last_success_timestamp_seconds"]
    assert runs(found, "up", "success") == 1


def test_what_fails_before_the_server_is_asked_keeps_the_counters(watched, metrics, project):
    project.migration("1_a", up=A)
    watched("up")

    done = watched("up", "--wait", "--wait-timeout", "1s", env={"PGOPTIONS": "-c nonsense=1"})
    assert done.exit_code in (2, 3), done.stderr

    assert metrics()["last_run_success"] == 0
    assert runs(metrics(), "up", "success") == 1


def test_without_a_database_no_file_is_written(run, project, path):
    project.migration("1_a", up=A)

    assert run("up", "--metrics-file", str(path)).exit_code == 2

    assert not path.exists()


def test_a_file_that_cannot_be_written_is_a_warning(watched, project, query, database_url, path):
    project.migration("1_a", up=A)

    done = watched("up", "--metrics-file", "missing/directory/x.prom")

    assert done.exit_code == 0
    assert "W782" in done.stderr
    assert "missing/directory/x.prom" in done.stderr
    assert query(database_url, "select version from schema_migrations") == [("1",)]
    path.mkdir()
    assert "W782" in watched("up").stderr


def test_a_link_is_followed_and_a_pipe_is_written_to_and_stays(watched, project, path):
    project.migration("1_a", up="create table t (id int);", down="drop table t;")
    real, pipe = path.with_name("real.prom"), path.with_name("pipe")
    path.symlink_to(real)
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    try:
        watched("up")
        watched("rollback", "--metrics-file", str(pipe))
        piped = os.read(reader, 1 << 16).decode()
    finally:
        os.close(reader)

    assert path.is_symlink()
    assert "dbmigrate_runs_total" in real.read_text()
    assert pipe.is_fifo()
    assert "dbmigrate_rollbacks_total" in piped


def test_an_empty_option_is_an_error(watched, project):
    project.migration("1_a", up=A)

    done = watched("up", "--metrics-file", "")

    assert done.exit_code == 2
    assert "--metrics-file is empty" in done.stderr


def test_a_dry_run_and_a_reading_command_write_nothing(watched, run, project, path, database_url):
    project.migration("1_a", up=A)

    watched("up", "--dry-run", "--no-locks")
    run("status", env={"DATABASE_URL": database_url, "DBMIGRATE_METRICS_FILE": str(path)})

    assert not path.exists()


def test_a_run_that_a_signal_ends_is_a_failure(start, database_url, project, path, metrics):
    project.migration("1_a", up="select pg_sleep(600);")
    process = start(
        "up", "--metrics-file", str(path), env={"DATABASE_URL": database_url, "DBMIGRATE_NO_DUMP_SCHEMA": "true"}
    )
    faults.backend(database_url, doing="%pg_sleep(600)%", seconds=60)

    process.send_signal(signal.SIGTERM)

    process.communicate(timeout=60)
    assert process.returncode == 143
    assert metrics()["last_run_success"] == 0
    assert runs(metrics(), "up", "failure") == 1
    assert not [item for item in project.root.iterdir() if item.name.endswith(".tmp")]


def test_the_time_of_blocking_locks_is_measured(watched, metrics, project):
    project.migration("1_a", up=A)
    watched("up")
    project.migration("2_b", up="alter table a add column b int; select pg_sleep(1);")
    project.migration("3_c", up="create table fresh (id int); select pg_sleep(1);")

    assert watched("up").exit_code == 0

    assert 0.5 < metrics()["blocking_lock_seconds"] < 1.9


def test_a_role_with_one_connection_is_migrated_all_the_same(run, server, make_database, project, path, metrics):
    from tests.support.databases import query as ask

    url = make_database()
    name = f"one_{os.getpid()}"
    ask(url, f"create role {name} login connection limit 1; grant create, usage on schema public to {name}")
    try:
        project.migration("1_a", up=A)
        role_url = url.replace("postgres://postgres@", f"postgres://{name}@") if server.is_ours else None
        if role_url is None:
            pytest.skip("the server's login is not ours to change")
        environ = {"DATABASE_URL": role_url, "DBMIGRATE_NO_DUMP_SCHEMA": "true"}
        done = run("up", "--metrics-file", str(path), env=environ)
        assert done.exit_code == 0, done.stderr
        assert metrics()["last_run_success"] == 1
        assert "blocking_lock_seconds" not in metrics()
    finally:
        ask(url, f"drop owned by {name} cascade; drop role {name}")


def test_hostile_names_are_escaped(run, make_database, project, path):
    url = make_database('we"ird\\name')
    project.migration("1_a", up=A)

    done = run("up", "--metrics-file", str(path), env={"DATABASE_URL": url, "DBMIGRATE_NO_DUMP_SCHEMA": "true"})

    assert done.exit_code == 0, done.stderr
    assert 'database="we\\"ird\\\\name"' in path.read_text()
