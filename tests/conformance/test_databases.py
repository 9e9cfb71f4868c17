"""C1: create and drop."""

from __future__ import annotations

import pytest

from tests.conformance.programs import database_of, lines, said, with_parameters
from tests.conformance.seen import scalar, tables


@pytest.fixture(autouse=True)
def _migration(project):
    project.migration("1_a", up="create table a (i int);", down="drop table a;")


def test_c1_create_then_connect(program, absent_url):
    done = program.ok("create", url=absent_url)

    assert said(done) == f"Creating: {database_of(absent_url)}\n"
    assert scalar(absent_url, "select current_database()") == database_of(absent_url)


def test_c1_create_what_exists(program, url):
    done = program("create", url=url)

    assert done.exit_code == program.expects(dbmate=2, dbmigrate=4)
    assert f'database "{database_of(url)}" already exists' in done.stderr


def test_c1_up_takes_what_exists(program, url):
    done = program.ok("up", url=url)

    assert "Creating: " not in said(done)
    assert tables(url) == ["a", "schema_migrations"]


def test_c1_drop_is_idempotent(program, url):
    first = program.ok("drop", url=url)
    second = program.ok("drop", url=url)

    assert lines(said(first), "Dropping") == lines(said(second), "Dropping") == [f"Dropping: {database_of(url)}"]


def test_c1_a_dropped_database_is_gone(program, url):
    program.ok("drop", url=url)

    done = program("status", url=url)

    assert done.exit_code != 0
    assert f'database "{database_of(url)}" does not exist' in done.stderr


@pytest.mark.matrix
@pytest.mark.slow  # the server waits five seconds for the others to go
def test_c1_drop_does_not_end_other_sessions(program, url, make_database):
    import psycopg

    with psycopg.connect(url):
        done = program("drop", url=url)

        assert done.exit_code != 0
        assert "is being accessed by other users" in said(done)


@pytest.mark.parametrize("command", ["create", "drop", "up", "migrate", "status"])
def test_c1_a_wrong_user_is_not_a_missing_database(program, tcp_url, server, command):
    wrong = tcp_url.replace(f"//{server.superuser}:", "//invalid:")

    done = program(command, url=wrong)

    assert done.exit_code != 0
    assert 'password authentication failed for user "invalid"' in done.stderr


def test_c1_settings_of_the_url_hold_while_creating(program, absent_url):
    program.ok("create", url=with_parameters(absent_url, client_min_messages="warning"))

    assert scalar(absent_url, "select 1") == 1
