"""`deploy`: five phases, and back again where one fails: the database is then as before, and the history says why."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.support import faults
from tests.support.catalog import fingerprint
from tests.support.children import eventually
from tests.support.psql import program
from tests.support.web import site, status

USERS = "create table users (id bigint primary key, email text);\ninsert into users values (1, 'ann@example.com');"
QUICK = ("--health-retries", "1", "--health-interval", "10ms")
SICK = ("--health-command", "exit 3", "--health-retries", "0")
AS_BEFORE = "the database is as it was before the deployment"
STORY = "select direction, version, state, reason, error from schema_migrations_log order by event_id"
DBMIGRATE = f"{shlex.quote(sys.executable)} -m dbmigrate"


@pytest.fixture
def dbmigrate(run, database_url):
    def run_it(*arguments, env=None, **more):
        return run(*arguments, env={"DATABASE_URL": database_url, **(env or {})}, **more)

    return run_it


@pytest.fixture
def shop(dbmigrate, project):
    """A project with one migration that is applied, and two that are pending."""
    project.migration("1_users", up=USERS, down="drop table users;")
    done = dbmigrate("up", "--no-dump-schema")
    assert done.exit_code == 0, done.stderr
    project.migration(
        "2_names", up="alter table users add name text default 'x';", down="alter table users drop column name;"
    )
    project.migration("3_orders", up="create table orders (id int);", down="drop table orders;")
    return project


def state_of(url):
    """Everything but the log: that is there to be longer afterwards."""
    found = fingerprint(url)
    return replace(found, log=())


def versions(query, url):
    return [row[0] for row in query(url, "select version from public.schema_migrations order by version")]


def backups(project):
    """Whatever lies in the directory, unfinished files too, but for what keeps them out of the repository."""
    return sorted(path for path in (project.root / "backups").glob("*") if path.name != ".gitignore")


# ----------------------------------------------------------------------------------------------------------- it works


def test_a_deployment_says_a_line_for_each_phase_and_its_result_last(dbmigrate, shop, database_url, query):
    with site(status(503), status(200)) as web:
        done = dbmigrate("deploy", "--health-url", web.url, *QUICK, "--reason", "release 42")

    assert done.exit_code == 0, done.stderr
    lines = re.findall(r"^(verify|plan|backup|up|health) {2,}(.*)$", done.stderr, re.MULTILINE)
    patterns = {
        "verify": r"1 applied agrees with its file",
        "plan": r"2 pending · sha256:[0-9a-f]{64}",
        "backup": r"backups/[\w.-]+-\d{8}-\d{6}\.dump · [\d.]+ kB · [\d.]+ (ms|s)",
        "up": r"2 applied in [\d.]+ (ms|s) · version 3 · wrote \./db/schema\.sql \(\+\d+ -0\)",
        "health": re.escape(f"{web.url}: 200 after 2 tries"),
    }
    assert [name for name, _ in lines] == list(patterns)
    for name, text in lines:
        assert re.fullmatch(patterns[name], text), text
    assert re.fullmatch(r"Deployed: 2 migrations in [\d.]+ (ms|s) · version 3 · healthy", done.stdout.splitlines()[-1])
    assert versions(query, database_url) == ["1", "2", "3"]
    assert query(database_url, STORY)[1:] == [
        ("up", "2", "done", "deploy: release 42", None),
        ("up", "3", "done", "deploy: release 42", None),
    ]


def test_the_result_for_programs_is_one_object(dbmigrate, shop):
    done = dbmigrate("deploy", "--json", "--health-command", "true")

    found = json.loads(done.stdout)
    assert (found["command"], found["ok"]) == ("deploy", True)
    assert [one["version"] for one in found["applied"]] == ["2", "3"]
    assert found["backup"]["bytes"] == backups(shop)[0].stat().st_size
    assert found["health"][0]["check"] == "command true"
    assert re.fullmatch("sha256:[0-9a-f]{64}", found["plan"])


def test_with_nothing_pending_there_is_no_backup_but_the_health_is_asked(dbmigrate, project):
    project.migration("1_users", up=USERS)
    dbmigrate("up")

    well, sick = dbmigrate("deploy", "--health-command", "true"), dbmigrate("deploy", *SICK)

    assert (well.exit_code, sick.exit_code) == (0, 4)
    assert well.stdout == "Nothing to do: version 1 is current\n"
    assert "backup   not needed: nothing is pending" in well.stderr
    assert "state: nothing was migrated by this run" in sick.stderr
    assert backups(project) == []


def test_the_plan_is_the_one_that_a_dry_run_shows_and_another_one_is_refused(dbmigrate, shop, database_url):
    shown = re.search(r"sha256:([0-9a-f]{64})", dbmigrate("up", "--dry-run").stdout)[1]
    before = fingerprint(database_url)

    other = dbmigrate("deploy", "--expect-plan", "0" * 64)

    assert (other.exit_code, fingerprint(database_url), backups(shop)) == (7, before, [])
    assert "error[E712]" in other.stderr
    assert dbmigrate("deploy", "--expect-plan", shown).exit_code == 0


def test_the_project_file_says_how_and_options_win(dbmigrate, shop, query, database_url):
    with site(status(200)) as web:
        (shop.root / "dbmigrate.toml").write_text(
            f'[deploy]\nbackup = false\nhealth-url = ["{web.url}"]\nhealth-header = "X-Key: abc"\n'
            'health-command = "false"\nhealth-retries = 0\non-failure = "keep"\n'
        )

        done = dbmigrate("deploy", "--health-command", "true")

    assert done.exit_code == 0, done.stderr
    assert "backup   none, as asked" in done.stderr
    assert [(path, sent["X-Key"]) for path, sent in web.requests] == [("/health", "abc")]


def test_a_mistake_in_the_project_file_is_told_before_anything_happens(dbmigrate, shop, database_url):
    (shop.root / "dbmigrate.toml").write_text('[deploy]\nhealth-url = "ftp://example.com"\n')
    before = fingerprint(database_url)

    done = dbmigrate("deploy")

    assert done.exit_code == 2
    assert "error[E257]: dbmigrate.toml: deploy: a health URL is not one of http:// or https://" in done.stderr
    assert fingerprint(database_url) == before


# ------------------------------------------------------------------------------------------------- verified beforehand


def test_an_edited_file_stops_it_before_anything_else(dbmigrate, shop, database_url):
    shop.migration("1_users", up="create table people ();")
    before = fingerprint(database_url)

    done = dbmigrate("deploy", *SICK)

    assert done.exit_code == 7
    assert "error[E701]" in done.stderr
    assert (fingerprint(database_url), backups(shop)) == (before, [])


def test_a_checkout_without_an_applied_file_stops_it_too(dbmigrate, shop, database_url):
    (shop.migrations / "1_users.sql").unlink()
    before = fingerprint(database_url)

    done = dbmigrate("deploy")

    assert done.exit_code == 7
    assert "error[E701]: 1_users.sql is applied, but its file is gone" in done.stderr
    assert (fingerprint(database_url), backups(shop)) == (before, [])


def test_a_protected_environment_is_asked_for_and_without_a_terminal_refused(run, shop, database_url):
    env = {"PRODUCTION_DATABASE_URL": database_url}
    before = fingerprint(database_url)

    refused = run("-e", "production", "deploy", env=env)

    assert refused.exit_code == 7
    assert "error[E707]" in refused.stderr
    assert (fingerprint(database_url), backups(shop)) == (before, [])
    assert run("-e", "production", "deploy", "--yes", env=env).exit_code == 0


# ------------------------------------------------------------------------------------------- health, and back again


def test_a_failing_health_check_leaves_the_database_as_before_and_the_history_says_so(
    dbmigrate, shop, database_url, query
):
    before = state_of(database_url)
    with site(status(500, "database: down\x1b[31m")) as web:
        done = dbmigrate("deploy", "--health-url", web.url, *QUICK, "--reason", "release 42")

    assert done.exit_code == 4
    assert state_of(database_url) == before
    cause = f"health check failed: {web.url}: 500 after 2 tries"
    assert f"error[E411]: {cause}" in done.stderr
    assert "  database: down\\x1b[31m" in done.stderr
    assert f"state: 2_names.sql, 3_orders.sql are rolled back; {AS_BEFORE}" in done.stderr
    assert query(database_url, STORY)[1:] == [
        ("up", "2", "done", "deploy: release 42", None),
        ("up", "3", "done", "deploy: release 42", None),
        ("down", "3", "done", f"deploy: {cause} (release 42)", None),
        ("down", "2", "done", f"deploy: {cause} (release 42)", None),
    ]
    assert f"    reason: deploy: {cause} (release 42)" in dbmigrate("history").stdout


def test_what_was_rolled_back_can_be_deployed_again(dbmigrate, shop, database_url, query):
    dbmigrate("deploy", *SICK)

    done = dbmigrate("deploy", "--health-command", "true")

    assert done.exit_code == 0, done.stderr
    assert versions(query, database_url) == ["1", "2", "3"]


def test_an_older_migration_that_came_late_is_undone_and_a_newer_one_that_was_there_stays(
    dbmigrate, project, database_url, query
):
    project.migration("1_a", up="create table a ();", down="drop table a;")
    project.migration("3_c", up="create table c ();", down="drop table c;")
    dbmigrate("up")
    project.migration("2_b", up="create table b ();", down="drop table b;")
    before = state_of(database_url)

    done = dbmigrate("deploy", *SICK)

    assert done.exit_code == 4, done.stderr
    assert state_of(database_url) == before


def test_kept_as_asked_is_a_matter_for_a_person_and_stands_in_the_history(dbmigrate, shop, database_url, query):
    done = dbmigrate("deploy", *SICK, "--on-failure", "keep")

    assert done.exit_code == 5
    assert "error[E508]: health check failed: command exit: exit 3 after 1 try" in done.stderr
    assert "state: 2_names.sql, 3_orders.sql are applied by this run" in done.stderr
    assert re.search("^before the failure: 2 applied in .* · version 3", done.stderr, re.MULTILINE)
    assert versions(query, database_url) == ["1", "2", "3"]
    assert query(database_url, STORY)[-1] == (
        "down",
        "3",
        "failed",
        "deploy: health check failed: command exit: exit 3 after 1 try",
        "not rolled back, as asked (--on-failure keep)",
    )


@pytest.mark.parametrize(
    ("down", "options", "why"),
    [("drop table gone;", "irreversible:true", "is irreversible"), ("", "", "has an empty down section")],
    ids=["irreversible", "empty"],
)
def test_where_one_migration_cannot_be_undone_none_is(dbmigrate, shop, database_url, query, down, options, why):
    shop.migration("2_names", up="create table gone ();", down=down, down_options=options)

    done = dbmigrate("deploy", *SICK)

    assert done.exit_code == 5
    assert f"warning[W630]: 2_names.sql {why}: if the health check fails" in done.stderr
    assert f"it could not be rolled back: 2_names.sql {why}" in done.stderr
    assert "state: 2_names.sql, 3_orders.sql are applied by this run" in done.stderr
    assert f"backup: {backups(shop)[0].relative_to(shop.root)}" in done.stderr
    assert versions(query, database_url) == ["1", "2", "3"]
    assert query(database_url, STORY)[-1][2:] == (
        "failed",
        "deploy: health check failed: command exit: exit 3 after 1 try",
        f"2_names.sql {why}",
    )


def test_a_failing_down_stops_the_way_back_and_says_what_stands(dbmigrate, shop, database_url, query):
    shop.migration("2_names", up="create table names ();", down="drop table nams;")

    done = dbmigrate("deploy", *SICK)

    assert done.exit_code == 5
    assert "error[E507]" in done.stderr
    assert 'table "nams" does not exist' in done.stderr
    assert "2_names.sql:5:1" in done.stderr
    assert "2_names.sql is applied by this run" in done.stderr
    assert versions(query, database_url) == ["1", "2"]
    assert "restore: " in done.stderr


OTHERS = {
    "another migration": (f"cp 4_d.sql db/migrations/ && {DBMIGRATE} up --no-dump-schema", "version 4 is applied"),
    "a rollback": (f"{DBMIGRATE} rollback --no-dump-schema", "version 3 is gone"),
    "a redo": (f"{DBMIGRATE} redo --no-dump-schema", "up of 3_orders.sql, by"),
}


@pytest.mark.parametrize(("command", "what"), OTHERS.values(), ids=OTHERS.keys())
def test_what_another_run_changed_meanwhile_is_not_touched(dbmigrate, shop, database_url, query, command, what):
    (shop.root / "4_d.sql").write_text("-- migrate:up\ncreate table d ();\n-- migrate:down\ndrop table d;\n")
    dbmigrate("deploy", "--no-dump-schema", "--health-command", f"{command} || exit 9")
    dbmigrate("rollback", "--to", "1", "--no-dump-schema")
    (shop.migrations / "4_d.sql").unlink(missing_ok=True)

    done = dbmigrate("deploy", "--no-dump-schema", "--health-retries", "0", "--health-command", f"{command}; exit 3")

    assert done.exit_code == 5, done.stderr
    assert "error[E509]" in done.stderr
    assert what in done.stderr
    expected = {"4": ["1", "2", "3", "4"], "3": ["1", "2"], "o": ["1", "2", "3"]}[what.split()[1][0]]
    assert versions(query, database_url) == expected


def test_another_tool_without_a_log_is_noticed_too(dbmigrate, shop, database_url, query, tmp_path):
    script = tmp_path / "other.py"
    script.write_text(
        "import os, psycopg\nwith psycopg.connect(os.environ['DATABASE_URL']) as conn:\n"
        "    conn.execute(\"insert into schema_migrations values ('9')\")\n"
    )

    done = dbmigrate("deploy", *SICK[2:], "--health-command", f"{sys.executable} {script}; exit 3")

    assert done.exit_code == 5
    assert "something was changed after this deployment: version 9 is applied" in done.stderr
    assert versions(query, database_url) == ["1", "2", "3", "9"]


def test_a_try_of_another_run_that_failed_does_not_keep_it_from_going_back(dbmigrate, shop, database_url):
    (shop.root / "4_d.sql").write_text("-- migrate:up\nselect 1/0;\n-- migrate:down\n")
    before = state_of(database_url)
    other = f"cp 4_d.sql db/migrations/; {DBMIGRATE} up --no-dump-schema; rm db/migrations/4_d.sql; exit 3"

    done = dbmigrate("deploy", *SICK[2:], "--health-command", other)

    assert done.exit_code == 4, done.stderr
    assert "division by zero" in done.stderr
    assert state_of(database_url) == before


# -------------------------------------------------------------------------------------------- a migration that fails


def test_when_the_second_migration_fails_the_first_one_of_this_run_is_undone(dbmigrate, shop, database_url, query):
    shop.migration("3_orders", up="create table orders (id int);\nselect 1/0;", down="drop table orders;")
    before = state_of(database_url)

    done = dbmigrate("deploy", "--health-command", "touch asked")

    assert done.exit_code == 4
    assert state_of(database_url) == before
    assert "error[E401]: division by zero" in done.stderr
    assert "3_orders.sql:3:1" in done.stderr
    assert f"2_names.sql is rolled back as well; {AS_BEFORE}" in done.stderr
    assert not (shop.root / "asked").exists()
    assert [row[:4] for row in query(database_url, STORY)[1:]] == [
        ("up", "2", "done", "deploy"),
        ("up", "3", "failed", "deploy"),
        ("down", "2", "done", "deploy: division by zero (22012)"),
    ]


def test_when_the_first_migration_fails_no_earlier_one_is_undone(dbmigrate, shop, database_url):
    shop.migration("2_names", up="select 1/0;", down="drop table users;")
    before = state_of(database_url)

    done = dbmigrate("deploy")

    assert done.exit_code == 4
    assert state_of(database_url) == before
    assert "rollback " not in done.stderr


def test_when_it_fails_and_is_kept_the_migrations_before_it_stay(dbmigrate, shop, database_url, query):
    shop.migration("3_orders", up="select 1/0;")

    done = dbmigrate("deploy", "--on-failure", "keep")

    assert done.exit_code == 5
    assert "error[E508]: division by zero" in done.stderr
    assert "2_names.sql is applied by this run" in done.stderr
    assert versions(query, database_url) == ["1", "2"]


def test_what_is_half_done_without_a_transaction_is_not_touched(dbmigrate, shop, database_url, query):
    shop.migration("3_orders", up="create table orders ();\nselect 1/0;", down="", up_options="transaction:false")

    done = dbmigrate("deploy", *SICK)

    assert done.exit_code == 5
    assert "error[E501]" in done.stderr
    assert "dbmigrate resume" in done.stderr
    assert "2_names.sql is applied by this run" in done.stderr
    assert "backup: " in done.stderr
    assert versions(query, database_url) == ["1", "2"]
    assert query(database_url, "select to_regclass('orders')::text") == [("orders",)]


def test_when_the_connection_is_lost_the_migrations_before_it_are_undone_on_a_new_one(start, shop, database_url, query):
    shop.migration("3_orders", up="create table orders ();\nselect pg_sleep(60);", down="drop table orders;")
    before = state_of(database_url)
    process = start("deploy", "--no-dump-schema", env={"DATABASE_URL": database_url})
    pid = faults.backend(database_url, doing="%pg_sleep%")

    query(database_url, "select pg_terminate_backend(%s)", (pid,))
    _, errors = process.communicate(timeout=60)

    assert process.returncode in (3, 4), errors
    assert f"2_names.sql is rolled back as well; {AS_BEFORE}" in errors
    assert state_of(database_url) == before


def test_two_deployments_at_once_apply_everything_once_and_make_one_backup(start, shop, database_url, query):
    shop.migration("3_orders", up="create table orders ();\nselect pg_sleep(1);", down="drop table orders;")
    options = ("deploy", "--health-command", "true", "--no-dump-schema")

    processes = [start(*options, env={"DATABASE_URL": database_url}) for _ in range(2)]
    results = [process.communicate(timeout=60) for process in processes]

    assert [process.returncode for process in processes] == [0, 0], results
    assert versions(query, database_url) == ["1", "2", "3"]
    assert len(backups(shop)) == 1


# --------------------------------------------------------------------------------------------------------- the backup


def test_the_backup_holds_the_database_as_it_was_and_the_shown_command_reads_it(
    dbmigrate, shop, database_url, make_database
):
    before = fingerprint(database_url)
    name = database_url.partition("?")[0].rpartition("/")[2]
    found = json.loads(dbmigrate("deploy", "--json").stdout)["backup"]

    restored = make_database(f"{name}_restored")
    subprocess.run(["sh", "-c", found["restore"]], cwd=shop.root, check=True, timeout=60)

    assert fingerprint(restored) == before
    assert fingerprint(database_url) != before
    assert Path(found["path"]).name.startswith(name)


def test_a_backup_is_for_its_owner_alone_and_never_written_over(dbmigrate, shop):
    dbmigrate("deploy", *SICK)
    dbmigrate("deploy", *SICK)

    found = backups(shop)
    assert len(found) == 2
    assert {stat.S_IMODE(path.stat().st_mode) for path in found} == {0o600}
    assert stat.S_IMODE((shop.root / "backups").stat().st_mode) == 0o700


def test_up_makes_a_backup_before_something_runs_and_none_otherwise(dbmigrate, shop):
    first = dbmigrate("up", "--backup", "safe place", "--no-dump-schema")
    second = dbmigrate("up", "--backup", "safe place", "--no-dump-schema")

    assert (first.exit_code, second.exit_code) == (0, 0)
    assert first.stderr.index("backup   safe place/") < first.stderr.index("Applying: 2_names.sql")
    assert "backup" not in second.stderr
    assert len(list((shop.root / "safe place").glob("*.dump"))) == 1
    assert (shop.root / "safe place" / ".gitignore").read_text() == "*\n"


def test_without_a_pg_dump_nothing_runs_unless_no_backup_is_wanted(dbmigrate, shop, database_url):
    env = {"DBMIGRATE_PG_DUMP": str(shop.root / "nowhere")}
    before = fingerprint(database_url)

    refused = dbmigrate("deploy", "--no-dump-schema", env=env)

    assert refused.exit_code == 2
    assert "error[E206]: no backup can be made: cannot run" in refused.stderr
    assert "state: nothing was changed" in refused.stderr
    assert (fingerprint(database_url), backups(shop)) == (before, [])
    assert dbmigrate("deploy", "--no-dump-schema", "--no-backup", env=env).exit_code == 0


def script(project, text):
    path = project.root / "fake_pg_dump"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return {"DBMIGRATE_PG_DUMP": str(path)}


FAILURES = {
    "says its password": ('echo PGDMP; echo "login failed: $PGPASSWORD" >&2; exit 1', "login failed: ********"),
    "writes nothing": ("exit 0", "it ended with status 0 and wrote nothing"),
    "writes something else": ("echo hello", "what pg_dump wrote is not an archive"),
    "is killed": ("echo PGDMP; kill -9 $$", "it ended with status -9"),
}


@pytest.mark.parametrize(("text", "words"), FAILURES.values(), ids=FAILURES.keys())
def test_a_backup_that_fails_changes_nothing_and_leaves_nothing(run, server, shop, database_url, text, words):
    name = database_url.partition("?")[0].rpartition("/")[2]
    url = server.tcp_url(name)
    password = conninfo_to_dict(url).get("password")
    before = fingerprint(database_url)

    done = run("deploy", "--url", url, "--no-dump-schema", env=script(shop, text))

    assert done.exit_code == 4, done.stderr
    assert f"error[E410]: the backup failed: {'' if 'wrote is' in words else 'pg_dump failed: '}{words}" in done.stderr
    assert password is None or password not in done.stderr
    assert (fingerprint(database_url), backups(shop)) == (before, [])


def test_a_directory_that_cannot_be_made_stops_it(dbmigrate, shop, database_url):
    (shop.root / "file").write_text("")
    before = fingerprint(database_url)

    done = dbmigrate("deploy", "--backup", "file/backups")

    assert done.exit_code == 2
    assert "error[E207]: the backup cannot be written to file/backups" in done.stderr
    assert fingerprint(database_url) == before


# ------------------------------------------------------------------------------------------------- hostile surroundings


def test_the_words_of_a_health_command_are_shown_harmlessly_and_not_all_of_them(dbmigrate, shop):
    noise = (
        r"head -c 3000000 /dev/zero | tr '\0' x; printf '\n\033]0;title\007::error::x\r\nerror[E999]: no\377'; exit 1"
    )

    done = dbmigrate("deploy", "--health-command", noise, "--health-retries", "0")

    assert done.exit_code == 4
    assert len(done.stderr) < 10_000
    assert "\x1b" not in done.stderr
    assert "\n    \\x1b]0;title\\x07::error::x\n    error[E999]: no\ufffd\n" in done.stderr


def test_secrets_of_a_health_url_are_shown_nowhere(dbmigrate, shop, database_url, query):
    with site(status(401, "no such user as bob:hunter2, key sesame-open")) as web:
        url = web.url.replace("://", "://bob:hunter2@") + "?key=sesame-open"
        done = dbmigrate("deploy", "--health-url", url, "--health-header", "X-Token: tok-1234567", *QUICK)

    assert done.exit_code == 4
    assert web.requests[0][0] == "/health?key=sesame-open"
    assert web.requests[0][1]["Authorization"] == "Basic Ym9iOmh1bnRlcjI="
    logged = str(query(database_url, STORY))
    for secret in ("hunter2", "sesame-open", "tok-1234567"):
        assert secret not in done.stderr + done.stdout + logged
    assert f"{web.url.replace('://', '://********@')}?********: 401 after 2 tries" in done.stderr


def test_the_health_command_sees_the_environment_of_its_user(dbmigrate, shop):
    done = dbmigrate(
        "deploy", "--health-command", 'test "$RELEASE" = 42 && test -z "$PGPASSWORD"', env={"RELEASE": "42"}
    )

    assert done.exit_code == 0, done.stderr


def test_a_server_that_is_not_there_is_not_healthy(dbmigrate, shop, unused_port, database_url):
    before = state_of(database_url)

    done = dbmigrate("deploy", "--health-url", f"http://127.0.0.1:{unused_port}/", *QUICK)

    assert done.exit_code == 4
    assert f"http://127.0.0.1:{unused_port}/: Connection refused after 2 tries" in done.stderr
    assert state_of(database_url) == before


# -------------------------------------------------------------------------------------------------- signals and kills


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_in_the_health_check_leaves_the_migrations_applied_and_says_so(
    start, shop, database_url, query, number, code
):
    process = start("deploy", "--health-command", "touch asked; exec sleep 60", env={"DATABASE_URL": database_url})
    assert eventually((shop.root / "asked").exists, seconds=30)

    process.send_signal(number)
    _, errors = process.communicate(timeout=20)

    assert process.returncode == code, errors
    assert "interrupted during the health check command touch" in errors
    assert "state: 2_names.sql, 3_orders.sql are applied; nothing was rolled back" in errors
    assert "Traceback" not in errors
    assert versions(query, database_url) == ["1", "2", "3"]


def test_a_signal_in_the_backup_changes_nothing_and_leaves_no_file(start, shop, database_url):
    before = fingerprint(database_url)
    env = script(shop, f"touch {shop.root}/asked; exec sleep 60")
    process = start("deploy", env={"DATABASE_URL": database_url, **env})
    assert eventually((shop.root / "asked").exists, seconds=30)

    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=20)

    assert process.returncode == 143, errors
    assert "state: nothing was changed" in errors
    assert (fingerprint(database_url), backups(shop)) == (before, [])


def test_a_signal_in_a_migration_leaves_the_ones_before_it(start, shop, database_url, query):
    shop.migration("3_orders", up="select pg_sleep(60);")
    process = start("deploy", env={"DATABASE_URL": database_url})
    pid = faults.backend(database_url, doing="%pg_sleep%")

    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)

    assert process.returncode == 130, errors
    assert faults.is_gone(database_url, pid, seconds=10)
    assert "nothing of 3_orders.sql was applied; 2_names.sql is applied by this run" in errors
    assert versions(query, database_url) == ["1", "2"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_when_all_is_rolled_back_says_that_nothing_is_applied(start, shop, database_url, query, number):
    """It comes while pg_dump writes the schema file for the second time."""
    root = shop.root
    env = script(shop, f"if [ -e {root}/once ]; then touch {root}/asked; exec sleep 60; fi; touch {root}/once; exit 1")
    process = start("deploy", "--no-backup", *SICK, env={"DATABASE_URL": database_url, **env})
    assert eventually((root / "asked").exists, seconds=30)

    process.send_signal(number)
    _, errors = process.communicate(timeout=20)

    assert process.returncode == 128 + number, errors
    assert "state: nothing of this run is applied any more" in errors
    assert "it stays" not in errors
    assert versions(query, database_url) == ["1"]


def test_a_signal_half_way_through_the_rollback_names_what_is_still_applied(start, shop, database_url, query):
    shop.migration("2_names", up="alter table users add name text;", down="select pg_sleep(60);")
    process = start("deploy", "--no-backup", *SICK, env={"DATABASE_URL": database_url})
    faults.backend(database_url, doing="%pg_sleep%")

    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=20)

    assert process.returncode == 143, errors
    assert "2_names.sql is applied by this run" in errors
    assert "3_orders.sql" not in errors.partition("state: ")[2]
    assert versions(query, database_url) == ["1", "2"]


def _in_the_backup(project):
    marker = project.root / "asked"
    return script(project, f"touch {marker}; exec sleep 5"), "true", marker.exists


def _in_a_migration(project):
    project.migration("3_orders", up="create table orders ();\nselect pg_sleep(20);", down="drop table orders;")
    return {}, "true", None


def _in_the_health_check(project):
    marker = project.root / "asked"
    return {}, f"touch {marker}; exec sleep 5", marker.exists


def _in_the_rollback(project):
    project.migration("2_names", up="create table n ();", down="drop table n;\nselect pg_sleep(20);")
    return {}, "exit 3", None


@pytest.mark.parametrize(
    ("prepare", "applied", "pending"),
    [(_in_the_backup, 1, 2), (_in_a_migration, 2, 1), (_in_the_health_check, 3, 0), (_in_the_rollback, 2, 1)],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_killed_in_any_phase_status_tells_the_truth_and_up_goes_on(
    start, dbmigrate, shop, database_url, query, prepare, applied, pending
):
    env, command, came = prepare(shop)
    options = ("--no-dump-schema", "--health-retries", "0", "--health-command", command)
    process = start("deploy", *options, env={"DATABASE_URL": database_url, **env})
    pid = None if came else faults.backend(database_url, doing="%pg_sleep%")
    assert came is None or eventually(came, seconds=30)

    os.kill(process.pid, signal.SIGKILL)
    process.wait(timeout=10)
    if pid is not None:
        query(database_url, "select pg_terminate_backend(%s)", (pid,))
        assert faults.is_gone(database_url, pid, seconds=10)

    said = dbmigrate("status").stdout
    assert f"Applied: {applied}\nPending: {pending}\n" in said
    if prepare is _in_a_migration:
        shop.migration("3_orders", up="create table orders ();", down="drop table orders;")
    assert dbmigrate("up", "--no-dump-schema").exit_code == 0
    assert versions(query, database_url) == ["1", "2", "3"]


def test_a_backup_of_an_older_server_can_be_read_by_the_programs_of_that_server(dbmigrate, shop, server):
    """The newest pg_dump writes what an older pg_restore cannot read, and an older server does not understand."""
    done = dbmigrate("deploy")

    assert done.exit_code == 0, done.stderr
    listed = subprocess.run(
        [str(Path(program("pg_dump")).with_name("pg_restore")), "--list", backups(shop)[0]],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    major = int(re.search(r"Dumped by pg_dump version: (\d+)", listed)[1])
    assert major >= server.major
