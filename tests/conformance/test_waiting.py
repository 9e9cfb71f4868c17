"""W1 to W3: wait and --wait."""

from __future__ import annotations

import pytest

from tests.conformance.programs import said
from tests.conformance.seen import tables

SHORT = ("--wait-timeout", "100ms", "--wait-interval", "50ms")


@pytest.fixture
def dead_url(unused_port):
    return f"postgres://127.0.0.1:{unused_port}/x?sslmode=disable"


@pytest.fixture(autouse=True)
def _migration(project):
    project.migration("1_a", up="create table a (i int);", down="drop table a;")
    project.schema_file.write_text("create table b (i int);\n")


def test_w1_a_server_that_answers(program, url):
    done = program.ok("wait", url=url)

    assert said(done) == ""


def test_w1_a_server_that_does_not(program, dead_url):
    done = program(*SHORT, "wait", url=dead_url)

    assert done.exit_code == program.expects(dbmate=2, dbmigrate=3)
    assert "unable to connect to database: " in done.stderr


@pytest.mark.parametrize("command", ["drop", "create", "up", "migrate", "rollback", "status", "dump", "load"])
def test_w2_the_flag_waits_before_a_command(program, dead_url, command):
    done = program("--wait", *SHORT, command, url=dead_url)

    assert done.exit_code == program.expects(dbmate=2, dbmigrate=3)
    assert "unable to connect to database: " in done.stderr
    assert "Waiting for database" in said(done)


def test_w2_the_first_failed_try_is_reported_when_no_time_is_left_for_a_second_one(program, dead_url):
    done = program("--wait", "--wait-timeout", "1ms", "--wait-interval", "50ms", "up", url=dead_url)

    assert done.exit_code == program.expects(dbmate=2, dbmigrate=3)
    assert said(done).count("Waiting for database") == 1


def test_w2_the_variables_of_the_flag(program, dead_url):
    variables = {"DBMATE_WAIT": "1", "DBMATE_WAIT_TIMEOUT": "100ms", "DBMATE_WAIT_INTERVAL": "50ms"}

    done = program("status", url=dead_url, env=variables)

    assert "unable to connect to database: " in done.stderr


@pytest.mark.parametrize("value", ["T", "TRUE", "1"])
def test_w2_truth_in_variables(program, dead_url, value):
    done = program(*SHORT, "status", url=dead_url, env={"DBMATE_WAIT": value})

    assert "unable to connect to database: " in done.stderr


@pytest.mark.parametrize("value", ["False", "0", ""])
def test_w2_falsehood_in_variables(program, dead_url, value):
    done = program("status", url=dead_url, env={"DBMATE_WAIT": value})

    assert done.exit_code != 0
    assert "unable to connect to database: " not in done.stderr


@pytest.mark.parametrize("variables", [{"DBMATE_WAIT": "yes"}, {"DBMATE_WAIT_TIMEOUT": "5"}])
def test_w2_what_is_neither_is_a_usage_error(program, url, variables):
    assert program("status", url=url, env=variables).exit_code == 2


@pytest.mark.parametrize("value", ["1m30s", "1.5h", "0"])
def test_w2_durations(program, url, value):
    program.ok("--wait", "--wait-timeout", value, "migrate", url=url)

    assert tables(url) == ["a", "schema_migrations"]


def test_w3_a_missing_database_is_an_answer(program, absent_url):
    program.ok("wait", url=absent_url)


def test_w3_a_refused_connection_is_named(program, dead_url):
    done = program("status", url=dead_url)

    assert "connection refused" in done.stderr.lower()


def test_w3_a_wrong_password_is_no_answer(program, tcp_url):
    done = program(*SHORT, "wait", url=tcp_url.replace(":for", ":wrong"))

    assert done.exit_code != 0
    assert "password authentication failed" in done.stderr
