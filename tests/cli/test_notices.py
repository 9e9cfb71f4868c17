"""Notices, sent to a real HTTP server: when, what, and that a receiver never holds a run up."""

from __future__ import annotations

import json
import re
import signal
import socket
import time

import pytest

from tests.support import faults, web
from tests.support.children import eventually
from tests.support.moments import closed_window

A = "create table a (id int);"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
LIMIT = 6.0


@pytest.fixture
def hooked(run, database_url, project):
    """`hooked(site, ...)` runs with notices to this server; `settings` are further lines of [notify]."""

    def command(site, *arguments, settings="", more="", env=None):
        text = f'{more}\n[notify]\nurl-env = "HOOK_URL"\n{settings}\n'
        (project.root / "dbmigrate.toml").write_text(text)
        url = site if isinstance(site, str) else site.url.replace("/health", "/hooks/T0KEN")
        environ = {"DATABASE_URL": database_url, "DBMIGRATE_NO_DUMP_SCHEMA": "true", "HOOK_URL": url}
        return run(*arguments, env={**environ, **(env or {})})

    return command


def types(site):
    return [json.loads(body)["type"].removeprefix("dbmigrate.run.") for body in site.bodies]


def test_a_run_is_told_before_and_after(hooked, project):
    project.migration("1_a", up=A)
    with web.site(web.status(204)) as site:
        done = hooked(site, "up", settings='secret-env = "HOOK_SECRET"', env={"HOOK_SECRET": SECRET})

    assert done.exit_code == 0, done.stderr
    assert "W78" not in done.stderr
    assert types(site) == ["started", "succeeded"]
    path, headers = site.requests[1]
    assert path == "/hooks/T0KEN"
    headers = {name.lower(): value for name, value in headers.items()}
    assert headers["content-type"] == "application/json"
    assert headers["webhook-signature"].startswith("v1,")
    data = json.loads(site.bodies[1])["data"]
    assert [step["file"] for step in data["applied"]] == ["1_a.sql"]
    assert (data["exit_code"], data["command"]) == (0, "up")
    assert data["run_id"] == json.loads(site.bodies[0])["data"]["run_id"] is not None


def test_the_run_id_is_that_of_the_log(hooked, project, query, database_url):
    project.migration("1_a", up=A)
    with web.site(web.status(204)) as site:
        hooked(site, "up")

    assert query(database_url, "select run_id::text from schema_migrations_log") == [
        (json.loads(site.bodies[1])["data"]["run_id"],)
    ]


def test_a_failure_is_told_with_its_place_and_without_sql(hooked, project):
    project.migration("1_a", up=A)
    project.migration("2_b", up="create table b (id int primary key);\ninsert into b values (4711), (4711);")
    with web.site(web.status(200)) as site:
        done = hooked(site, "up")

    assert done.exit_code == 4
    assert types(site) == ["started", "failed"]
    data = json.loads(site.bodies[1])["data"]
    assert data["failed"]["file"] == "2_b.sql"
    assert data["failed"]["sqlstate"] == "23505"
    assert data["failed"]["line"] == 3
    assert [step["file"] for step in data["applied"]] == ["1_a.sql"]
    assert data["exit_code"] == 4
    assert b"4711" not in b"".join(site.bodies)
    assert b"insert" not in b"".join(site.bodies)


def test_a_rollback_is_told_as_such(hooked, project):
    project.migration("1_a", up=A, down="drop table a;")
    with web.site(web.status(200)) as site:
        hooked(site, "up", settings='on = ["rolled-back", "failed"]')
        hooked(site, "rollback", settings='on = ["rolled_back", "failed"]')

    assert types(site) == ["rolled_back"]
    data = json.loads(site.bodies[0])["data"]
    assert [step["file"] for step in data["rolled_back"]] == ["1_a.sql"]
    assert data["level"] == "critical"


def test_a_run_with_nothing_to_do_a_dry_run_and_a_refusal_are_told_to_nobody(hooked, project):
    project.migration("1_a", up=A)
    with web.site(web.status(200)) as site:
        hooked(site, "up", "--dry-run", "--no-locks")
        assert hooked(site, "up").exit_code == 0
        site.bodies.clear()
        assert hooked(site, "up").exit_code == 0
        window = f'[environments.production]\nwindow = "{closed_window()}"'
        project.migration("2_b", up="create table b ();")
        assert hooked(site, "up", more=f'env-default = "production"\n{window}').exit_code == 7
        assert hooked(site, "status").exit_code == 0

    assert site.bodies == []


def test_a_run_outside_the_window_and_a_slow_migration_are_told(hooked, project):
    project.migration("1_a", up="select pg_sleep(0.5);")
    more = f'env-default = "production"\n[environments.production]\nwindow = "{closed_window()}"\nslow-after = "100ms"'
    with web.site(web.status(200)) as site:
        done = hooked(site, "up", "--outside-window", "urgent", more=more)

    assert done.exit_code == 0, done.stderr
    assert "W780" in done.stderr
    assert types(site) == ["outside_window", "started", "slow", "succeeded"]
    assert json.loads(site.bodies[2])["data"]["slow"] == "1_a.sql"


def test_a_run_that_cannot_connect_has_failed(hooked, project, unused_port):
    project.migration("1_a", up=A)
    with web.site(web.status(200)) as site:
        done = hooked(site, "up", env={"DATABASE_URL": f"postgres://u:s3cr3t@127.0.0.1:{unused_port}/x"})

    assert done.exit_code == 3
    assert types(site) == ["failed"]
    assert b"s3cr3t" not in site.bodies[0]
    assert b"127.0.0.1" not in site.bodies[0]


def test_a_run_that_a_signal_ends_is_told(start, database_url, project):
    project.migration("1_a", up="select pg_sleep(600);")
    (project.root / "dbmigrate.toml").write_text('[notify]\nurl-env = "HOOK_URL"\n')
    environ = {"DATABASE_URL": database_url, "DBMIGRATE_NO_DUMP_SCHEMA": "true"}
    with web.site(web.status(200)) as site:
        process = start("up", env={**environ, "HOOK_URL": site.url})
        eventually(lambda: "started" in types(site))
        faults.backend(database_url, doing="%pg_sleep(600)%", seconds=60)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)

    assert process.returncode == 143
    assert types(site) == ["started", "failed"]
    assert json.loads(site.bodies[1])["data"]["exit_code"] == 143


def test_a_deployment_that_is_rolled_back_has_failed_and_is_told_as_both(hooked, project, database_url):
    project.migration("1_a", up=A, down="drop table a;")
    path = project.root / "m.prom"
    with web.site(web.status(200)) as site:
        done = hooked(
            site,
            *("deploy", "--no-backup", "--health-command", "false", "--health-retries", "0"),
            *("--metrics-file", str(path)),
        )

    assert done.exit_code == 4, done.stderr
    assert types(site) == ["started", "rolled_back", "failed"]
    data = json.loads(site.bodies[2])["data"]
    assert [step["file"] for step in data["rolled_back"]] == ["1_a.sql"]
    metrics = path.read_text()
    assert re.search(r"dbmigrate_last_run_success\{[^}]*\} 0\n", metrics)
    assert re.search(r"dbmigrate_rollbacks_total\{[^}]*\} 1\n", metrics)


@pytest.mark.parametrize("command", ["migrate", "seed", "backfill"])
def test_other_commands_that_run_files_are_watched(hooked, project, command):
    project.migration("1_a", up=A)
    seeds = project.root / "db" / "seeds"
    seeds.mkdir()
    (seeds / "1_rows.sql").write_text("select 1;")
    with web.site(web.status(200)) as site:
        done = hooked(site, command, "--metrics-file", "m.prom")

    assert done.exit_code == 0, done.stderr
    assert "last_run_success" in (project.root / "m.prom").read_text()
    assert (types(site) == []) is (command == "backfill")


# ------------------------------------------------------------------------------------------- receivers that misbehave


@pytest.mark.parametrize(
    ("answer", "reason", "tries"),
    [
        (web.status(500), "HTTP status 500", 2),
        (web.status(429), "HTTP status 429", 2),
        (web.status(404), "HTTP status 404", 1),
        (web.status(302, Location="/elsewhere"), "HTTP status 302", 1),
        (web.status(307, Location="/elsewhere"), "HTTP status 307", 1),
        (web.hanging_up, "RemoteDisconnected", 2),
    ],
    ids=["500", "429", "404", "302", "307", "hanging up"],
)
def test_a_receiver_that_refuses_is_one_warning(hooked, project, answer, reason, tries):
    project.migration("1_a", up=A)
    with web.site(answer) as site:
        done = hooked(site, "up", settings='on = ["succeeded"]')

    assert done.exit_code == 0
    assert done.stderr.count("W781") == 1
    assert f"a notice could not be sent to http://127.0.0.1: {reason}" in done.stderr
    assert "T0KEN" not in done.stderr + done.stdout
    assert site.methods == ["POST"] * tries
    assert len(set(site.bodies)) == 1
    assert len({headers.get("Webhook-Id") or headers["webhook-id"] for _, headers in site.requests}) == 1


def test_a_second_try_that_arrives_is_enough(hooked, project):
    project.migration("1_a", up=A)
    with web.site(web.status(503), web.status(200)) as site:
        done = hooked(site, "up", settings='on = ["succeeded"]')

    assert "W781" not in done.stderr
    assert site.methods == ["POST", "POST"]


def test_a_receiver_that_drips_holds_nothing_up(hooked, project):
    project.migration("1_a", up=A)
    with web.site(web.status(200)) as good:
        began = time.monotonic()
        hooked(good, "up")
        usual = time.monotonic() - began
    project.migration("2_b", up="create table b ();")
    with web.site(web.dripping(12)) as site:
        began = time.monotonic()
        done = hooked(site, "up")
        seconds = time.monotonic() - began

    assert done.exit_code == 0
    assert done.stderr.count("W781") == 1
    assert "no answer within 5 s" in done.stderr
    assert seconds < LIMIT + max(usual, 1) * 2


def test_a_port_that_nobody_listens_on(hooked, project, unused_port):
    project.migration("1_a", up=A)

    done = hooked(f"http://127.0.0.1:{unused_port}/T0KEN", "up")

    assert done.exit_code == 0
    assert done.stderr.count("W781") == 1
    assert "Connection refused" in done.stderr
    assert "T0KEN" not in done.stderr


def test_a_port_that_accepts_and_says_nothing(hooked, project):
    project.migration("1_a", up=A)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        done = hooked(f"http://127.0.0.1:{silent.getsockname()[1]}/T0KEN", "up", settings='on = ["succeeded"]')
        seconds = time.monotonic() - began

    assert done.exit_code == 0
    assert done.stderr.count("W781") == 1
    assert seconds < LIMIT + 4


def test_the_exit_code_of_a_failure_stays(hooked, project):
    project.migration("1_a", up="create table a (;")
    with web.site(web.status(500)) as site:
        done = hooked(site, "up", settings='on = ["failed"]')

    assert done.exit_code == 4
    assert "W781" in done.stderr


# ------------------------------------------------------------------------------------------------------------- settings


def test_a_variable_that_is_not_set_is_a_note(hooked, project):
    project.migration("1_a", up=A)

    done = hooked("", "up")

    assert done.exit_code == 0
    assert "note[W784]" in done.stderr
    assert "HOOK_URL is not set" in done.stderr


@pytest.mark.parametrize("url", ["hooks.example.com/T0KEN", "https://h:x/T0KEN", "https://exa mple/T0KEN"])
def test_a_wrong_url_is_a_warning_that_does_not_show_it(hooked, project, url):
    project.migration("1_a", up=A)

    done = hooked(url, "up")

    assert done.exit_code == 0
    assert "W784" in done.stderr
    assert "T0KEN" not in done.stderr


def test_a_wrong_secret_is_a_warning_that_does_not_show_it(hooked, project):
    project.migration("1_a", up=A)
    with web.site(web.status(200)) as site:
        done = hooked(site, "up", settings='secret-env = "S"', env={"S": "whsec_!T0KEN"})

    assert done.exit_code == 0
    assert "W784" in done.stderr
    assert "T0KEN" not in done.stderr
    assert site.bodies == []


@pytest.mark.parametrize(
    ("table", "code", "wanted"),
    [
        ('format = "slack"', "E255", "url-env"),
        ('url-env = "https://hooks.slack.com/T0KEN"', "E255", "the name of an environment variable"),
        ('url-env = "A"\nformat = "irc"', "E255", "json, slack, teams"),
        ('url-env = "A"\non = ["never"]', "E255", "started, succeeded"),
        ('url-env = "A"\non = []', "E255", "started, succeeded"),
        ('url-env = "A"\non = "failed"', "E255", "a list of started"),
        ('url-env = "A"\ncolour = "red"', "E254", "notify.colour"),
        ('url = "https://hooks.slack.com/T0KEN"', "E256", "notify.url"),
    ],
)
def test_a_wrong_table_is_an_error_before_anything_runs(run, database_url, project, table, code, wanted):
    (project.root / "dbmigrate.toml").write_text(f"[notify]\n{table}\n")

    done = run("status", env={"DATABASE_URL": database_url})

    assert done.exit_code == 2
    assert code in done.stderr
    assert wanted in done.stderr
    assert "T0KEN" not in done.stderr
