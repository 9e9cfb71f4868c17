"""A time-out names the limit, its value, and where it was set."""

from __future__ import annotations

import json
import signal

import pytest

from dbmigrate.api.migrator import Migrator, Options
from dbmigrate.errors import MigrationFailed
from dbmigrate.execution.lock_retries import Pacing
from tests.support import faults

SLOW = "select pg_sleep(30);"


def error_of(done):
    return json.loads(done.stdout.splitlines()[-1])["error"]


@pytest.fixture
def failing(command, project):
    """Runs a migration that a limit ends; its error as data."""

    def fail(*arguments, up=SLOW, options="", env=None):
        project.migration("1_slow", up=up, up_options=options)
        return error_of(command("up", "--json", *arguments, env=env))

    return fail


def test_the_option(failing):
    error = failing("--timeout", "200ms")

    assert (error["code"], error["sqlstate"]) == ("E401", "57014")
    assert error["details"]["limit"] == "statement_timeout = 200ms, set by --timeout"
    assert error["hint"] == (
        "raise the limit with --timeout, or with `timeout:` in the header of the file; then run `dbmigrate up` again"
    )


def test_the_variable(failing):
    error = failing(env={"DBMIGRATE_TIMEOUT": "200ms"})

    assert error["details"]["limit"] == "statement_timeout = 200ms, set by DBMIGRATE_TIMEOUT (environment)"


def test_the_env_file_and_the_project_file(failing, project):
    (project.root / ".env").write_text("DBMIGRATE_TIMEOUT=200ms\n")
    assert failing()["details"]["limit"] == "statement_timeout = 200ms, set by .env:1"
    (project.root / ".env").unlink()

    (project.root / "dbmigrate.toml").write_text('timeout = "200ms"\n')
    assert failing()["details"]["limit"] == "statement_timeout = 200ms, set by dbmigrate.toml:1"


def test_the_header(failing):
    error = failing("--timeout", "1h", options="timeout:200ms")

    assert error["details"]["limit"] == "statement_timeout = 200ms, set by timeout:200ms in line 1 of the file"


@pytest.mark.parametrize(
    "statement",
    [
        "set statement_timeout = 200;",
        "set local statement_timeout to '200ms';",
        "select pg_catalog.set_config('statement_timeout', '200ms', true);",
    ],
)
def test_the_file_itself(failing, statement):
    error = failing("--timeout", "1h", up=f"select 1;\n{statement}\n{SLOW}")

    assert error["details"]["limit"] == "statement_timeout = 200ms, set by the file in line 3"


def test_what_the_file_sets_after_the_statement_does_not_count(failing):
    error = failing("--timeout", "200ms", up=f"{SLOW}\nset statement_timeout = '1h';")

    assert error["details"]["limit"] == "statement_timeout = 200ms, set by --timeout"


def test_the_url(run, project, database_url):
    project.migration("1_slow", up=SLOW)
    separator = "&" if "?" in database_url else "?"

    error = error_of(run("up", "--json", env={"DATABASE_URL": f"{database_url}{separator}statement_timeout=200ms"}))

    assert error["details"]["limit"] == "statement_timeout = 200ms, set by the database URL or PGOPTIONS"


def test_the_database(failing, database_url, query):
    (name,) = query(database_url, "select current_database()")[0]
    query(database_url, f"alter database \"{name}\" set statement_timeout = '200ms'")

    error = failing(up=f"reset statement_timeout;\n{SLOW}")

    assert error["details"]["limit"] == f"statement_timeout = 200ms, set by ALTER DATABASE {name}"


def test_without_a_transaction(failing):
    error = failing("--timeout", "300ms", up=f"create table a ();\n{SLOW}", options="transaction:false")

    assert error["code"] == "E501"
    assert error["details"]["limit"] == "statement_timeout = 300ms, set by --timeout"
    assert "`dbmigrate resume`" in error["hint"]


def test_many_rows_belong_in_pages(failing, command, project, database_url, query):
    query(database_url, "create table t (id int); insert into t values (1), (2)")

    error = failing("--timeout", "200ms", up="update t set id = id where pg_sleep(20) is not null;")

    assert error["hint"].startswith("change the rows in pages, with `-- migrate:up backfill:TABLE`; or raise the limit")


@pytest.mark.parametrize(
    ("limit", "told"),
    [
        (0.1, "lock_timeout = 100ms, set by --lock-timeout"),
        (None, "lock_timeout = 2s, set by dbmigrate, which tries again"),
    ],
)
def test_a_lock_timeout(project, database_url, limit, told):
    pacing = Pacing(lock_timeout=limit, budget=0.1, origins={"lock_timeout": "--lock-timeout"})
    project.migration("1_a", up="alter table t add column a int;")
    options = Options(directories=(str(project.migrations),), pacing=pacing)

    with faults.transaction(database_url, "create table t (id int)", "lock table t in access exclusive mode") as held:
        held.commit()
        held.execute("lock table t in access exclusive mode")
        with pytest.raises(MigrationFailed) as caught:
            Migrator(database_url, options).up()

    assert caught.value.code == "E405"
    assert dict(caught.value.details)["limit"] == told
    assert caught.value.hint.startswith("gave up after")
    assert caught.value.hint.endswith("; then run `dbmigrate up` again")


def test_somebody_who_cancels_is_no_limit(start, project, database_url, query):
    project.migration("1_slow", up=SLOW)
    running = start("up", "--json", "--timeout", "1h", env={"DATABASE_URL": database_url})
    pid = faults.backend(database_url, doing="%pg_sleep%")

    query(database_url, f"select pg_cancel_backend({pid})")
    stdout, _ = running.communicate(timeout=60)
    error = json.loads(stdout.splitlines()[-1])["error"]

    assert "limit" not in error["details"]
    assert error["hint"] == "somebody has cancelled the statement: ask who, and why; then run `dbmigrate up` again"


def test_transaction_timeout_of_the_database(failing, database_url, query, server):
    if server.major < 17:
        pytest.skip("transaction_timeout is new in PostgreSQL 17")
    (name,) = query(database_url, "select current_database()")[0]
    query(database_url, f"alter database \"{name}\" set transaction_timeout = '500ms'")

    error = failing()

    assert (error["code"], error["sqlstate"]) == ("E305", "25P04")
    assert error["details"]["limit"] == f"transaction_timeout = 500ms, set by ALTER DATABASE {name}"


def test_a_process_that_sleeps_in_its_transaction(start, project, database_url, query):
    pad = f"-- {'x' * 300_000}\n"  # so that the statement behind it is sent in a message of its own
    project.write("1_a.sql", f"-- migrate:up\nselect pg_sleep(1);\n{pad}select 1;\n{pad}select 2;\n-- migrate:down\n")
    separator = "&" if "?" in database_url else "?"
    url = f"{database_url}{separator}idle_in_transaction_session_timeout=1s"
    running = start("up", "--json", "--no-dump-schema", env={"DATABASE_URL": url})
    pid = faults.backend(database_url, doing="%pg_sleep%")

    running.send_signal(signal.SIGSTOP)
    assert faults.is_gone(database_url, pid, seconds=30)
    running.send_signal(signal.SIGCONT)
    stdout, _ = running.communicate(timeout=60)
    error = json.loads(stdout.splitlines()[-1])["error"]

    assert (error["code"], error["sqlstate"]) == ("E305", "25P03")
    assert error["details"]["limit"] == (
        "idle_in_transaction_session_timeout = 1s, set by the database URL or PGOPTIONS"
    )
    assert "this process did nothing for so long" in error["hint"]
    assert faults.versions(database_url) == []
