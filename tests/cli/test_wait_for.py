"""`wait --for VERSION|current`: until another run has applied it."""

from __future__ import annotations

import pytest

from tests.support import faults
from tests.support.proxy import TO_SERVER, Action, Fault, Proxy

QUICK = ("--wait-timeout", "1s", "--wait-interval", "50ms")


@pytest.fixture
def two(project):
    project.migration("1_a", up="create table a (id int primary key);", down="drop table a;")
    project.migration("2_b", up="create table b (id int);", down="drop table b;")


@pytest.mark.parametrize("wanted", ["current", "1", "2"])
def test_what_is_applied_is_not_waited_for(command, two, wanted):
    command("up")

    done = command("wait", "--for", wanted)

    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("wanted", ["current", "2"])
def test_what_another_run_applies_ends_the_wait(command, start, project, database_url, query, wanted):
    project.migration("1_a", up="create table a (id int);")
    project.migration("2_b", up="create table b ();\nlock table gate;")
    query(database_url, "create table gate ()")
    env = {"DATABASE_URL": database_url}
    with faults.transaction(database_url, "lock table gate"):
        waiting = start("wait", "--for", wanted, "--wait-interval", "50ms", env=env)
        told = waiting.stderr.readline()
        running = start("up", "--no-dump-schema", "--lock-timeout", "0", env=env)
        faults.backend(database_url, doing="%lock table gate%")
        assert waiting.poll() is None

    assert waiting.wait(timeout=30) == 0
    assert told.startswith("Waiting for 1_a.sql, 2_b.sql" if wanted == "current" else "Waiting for version 2")
    assert running.wait(timeout=30) == 0
    for process in (waiting, running):
        process.communicate()


def test_the_time_out_names_what_is_pending_and_what_to_do(command, two):
    command("up", "--to", "1")

    done = command("wait", "--for", "current", *QUICK)

    assert (done.exit_code, done.stdout) == (6, "")
    assert "error[E602]: waited 1 s: 2_b.sql is not applied" in done.stderr
    assert "hint: no run is at work: `dbmigrate up` applies it" in done.stderr


def test_the_time_out_names_the_run_that_is_at_work(command, start, project, database_url, query):
    project.migration("1_a", up="lock table gate;")
    query(database_url, "create table gate ()")
    with faults.transaction(database_url, "lock table gate"):
        running = start("up", "--no-dump-schema", "--lock-timeout", "0", env={"DATABASE_URL": database_url})
        pid = faults.backend(database_url, doing="%lock table gate%")
        done = command("wait", "--for", "1", *QUICK)

    assert done.exit_code == 6
    assert f"hint: a run is at work: process {pid} (dbmigrate up" in done.stderr
    running.communicate(timeout=30)


def test_a_database_that_is_ahead_is_current(command, two, project):
    """An older release is restarted beside a newer one."""
    command("up")
    (project.migrations / "2_b.sql").unlink()

    assert command("wait", "--for", "current", *QUICK).exit_code == 0


def test_without_files_a_version_can_be_waited_for_and_current_cannot(command, two, project):
    command("up")
    for path in project.migrations.iterdir():
        path.unlink()

    assert command("wait", "--for", "2", *QUICK).exit_code == 0
    done = command("wait", "--for", "current", *QUICK)
    assert (done.exit_code, "error[E230]" in done.stderr) == (2, True)


def test_a_version_of_no_file_is_told_while_it_is_waited_for(command, two):
    command("up")

    done = command("wait", "--for", "3", *QUICK)

    assert done.exit_code == 6
    assert done.stderr.count("note[W721]: no file of ./db/migrations has version 3") == 1
    assert "hint: no run is at work, and `dbmigrate up` has no file of that version: is it right?" in done.stderr


@pytest.mark.parametrize("wanted", ["latest", "", "1_a.sql", "-1", "١"])
def test_what_is_no_version_is_refused(command, two, wanted):
    done = command("wait", f"--for={wanted}")

    assert (done.exit_code, done.stdout) == (2, "")
    assert "error[E205]" in done.stderr


def test_deferred_and_paused_backfills_are_not_waited_for(command, project):
    project.migration("1_a", up="create table a (id int primary key, n int);\ninsert into a values (1);")
    project.migration("2_b", up="update a set n = 1 where :batch;", up_options="backfill:a")
    command("up", "--defer-backfills")

    assert command("wait", "--for", "current", *QUICK).exit_code == 0
    assert command("wait", "--for", "2", *QUICK).exit_code == 0


def test_an_unfinished_migration_is_waited_for(command, project):
    project.migration("1_a", up="create table a ();\nselect 1/0;", up_options="transaction:false")
    assert command("up").exit_code == 5

    for wanted in ("current", "1"):
        done = command("wait", "--for", wanted, *QUICK)

        assert done.exit_code == 6
        assert "`dbmigrate resume` continues" in done.stderr


def test_what_is_for_other_environments_is_not_waited_for(command, project):
    project.migration("1_a", up="create table a ();")
    project.write("2_demo.sql", "-- migrate:env dev\n-- migrate:up\nselect 1;\n-- migrate:down\n")
    project.root.joinpath("dbmigrate.toml").write_text('env-default = "production"\n')
    command("up")

    assert command("wait", "--for", "current", *QUICK).exit_code == 0


def test_a_changed_repeatable_is_waited_for(command, two, project):
    (project.migrations / "repeatable").mkdir()
    view = project.migrations / "repeatable" / "v.sql"
    view.write_text("-- migrate:repeatable\ncreate or replace view v as select 1 as n;\n")
    command("up")
    assert command("wait", "--for", "current", *QUICK).exit_code == 0
    view.write_text("-- migrate:repeatable\ncreate or replace view v as select 2 as n;\n")

    done = command("wait", "--for", "current", *QUICK)

    assert (done.exit_code, "v.sql is not applied" in done.stderr) == (6, True)


@pytest.mark.parametrize("switch", ["false", "true"])
def test_a_server_that_never_answers_is_a_time_out(command, two, unused_port, switch):
    nowhere = {"DATABASE_URL": f"postgres://x@127.0.0.1:{unused_port}/x", "DBMIGRATE_WAIT": switch}

    done = command("wait", "--for", "current", *QUICK, env=nowhere)

    assert (done.exit_code, done.stdout) == (6, "")
    assert "error[E603]" in done.stderr


def test_a_database_that_does_not_exist_yet_is_waited_for(command, start, two, server, database_url):
    name = database_url.partition("?")[0].rpartition("/")[2]
    env = {"DATABASE_URL": server.url(f"{name}_later")}
    waiting = start("wait", "--for", "current", "--wait-interval", "50ms", env=env)
    told = waiting.stderr.readline()

    assert command("up", env=env).exit_code == 0

    assert waiting.wait(timeout=30) == 0
    waiting.communicate()
    assert f"{name}_later" in told
    command("drop", env=env)


def test_a_connection_that_is_cut_does_not_end_the_wait(command, two, server, database_url):
    command("up")
    name = database_url.partition("?")[0].rpartition("/")[2]
    with Proxy(server) as proxy:
        fault = proxy.arm(Fault(TO_SERVER, Action.CUT, text=b"order by version"))
        done = command("wait", "--for", "current", "--wait-interval", "50ms", env={"DATABASE_URL": proxy.url(name)})

    assert fault.happened
    assert (done.exit_code, ": the connection was lost" in done.stderr) == (0, True), done.stderr


def test_a_role_without_rights_is_an_error_at_once(command, two, server, database_url):
    command("up")
    with faults.plain_role(server, database_url) as url:
        done = command("wait", "--for", "current", env={"DATABASE_URL": url})

    assert (done.exit_code, "permission denied for table schema_migrations" in done.stderr) == (4, True)


def test_waiting_writes_nothing_and_holds_no_lock(command, two, database_url, query):
    command("wait", "--for", "current", *QUICK)

    assert query(database_url, "select to_regclass('schema_migrations')") == [(None,)]
