"""Servers that cannot be written to: refused before anything else, and good enough for questions."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql

from dbmigrate.api.migrator import Migrator, Options
from tests.support.clusters import standby
from tests.support.psql import ENVIRON
from tests.support.servers import PASSWORD, DatabaseServer, UnavailableError, binaries_of, cache_directory

DATABASE = "app_of_the_standby"


@pytest.fixture(scope="module")
def replica(server, tmp_path_factory) -> Iterator[DatabaseServer]:
    """A standby on which migration 1 had been applied."""
    directory = tmp_path_factory.mktemp("migrations")
    (directory / "1_a.sql").write_text("-- migrate:up\ncreate table a (id int);\n-- migrate:down\ndrop table a;\n")

    def prepare(primary: DatabaseServer) -> None:
        primary.admin.execute(sql.SQL("alter role postgres password {}").format(sql.Literal(PASSWORD)))
        primary.admin.execute(f"create database {DATABASE}")
        Migrator(primary.url(DATABASE), Options(directories=(str(directory),))).migrate()

    try:
        binaries = binaries_of(server.major if server.is_ours else None, environ=ENVIRON)
    except UnavailableError as exc:
        pytest.skip(str(exc))
    with standby(binaries, cache=cache_directory(ENVIRON), prepare=prepare) as running:
        yield running


@pytest.fixture
def two(project):
    project.migration("1_a", up="create table a (id int);", down="drop table a;")
    project.migration("2_b", up="create table b (id int);", down="drop table b;")
    return project


@pytest.mark.parametrize(
    "command",
    [
        ["up"],
        ["migrate"],
        ["rollback"],
        ["redo"],
        ["baseline", "2"],
        ["mark", "applied", "2", "--reason", "x"],
    ],
    ids=lambda words: words[0],
)
def test_a_standby_is_refused_before_anything_else(two, run, replica, command) -> None:
    """A lock could be had there, and would lock nothing."""
    done = run(*command, "--no-dump-schema", env={"DATABASE_URL": replica.url(DATABASE)})

    assert done.exit_code == 7, done.stderr
    assert "error[E704]" in done.stderr
    assert "is a standby" in done.stderr
    assert "target_session_attrs=read-write" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("command", [["status"], ["verify"], ["history"], ["up", "--dry-run"]], ids=" ".join)
def test_questions_are_answered_by_a_standby(two, run, replica, command) -> None:
    done = run(*command, env={"DATABASE_URL": replica.url(DATABASE)})

    assert done.exit_code == 0, done.stderr
    assert "1_a" in done.stdout or "2_b" in done.stdout or command == ["verify"]


def test_of_several_hosts_the_one_that_can_be_written_to_is_taken(
    two, run, server, replica, make_database, query
) -> None:
    if not server.is_ours:
        pytest.skip("needs a login by TCP with a known password")
    url = make_database(DATABASE)
    hosts = f"127.0.0.1:{replica.conninfo['port']},127.0.0.1:{server.conninfo['port']}"
    several = f"postgres://postgres:{quote(PASSWORD, safe='')}@{hosts}/{DATABASE}"

    first = run("up", "--no-dump-schema", env={"DATABASE_URL": several})
    chosen = run("up", "--no-dump-schema", env={"DATABASE_URL": f"{several}?target_session_attrs=read-write"})

    assert first.exit_code == 7
    assert chosen.exit_code == 0, chosen.stderr
    assert query(url, "select version from schema_migrations order by 1") == [("1",), ("2",)]


def test_no_host_that_can_be_written_to_is_no_connection(two, run, replica) -> None:
    url = f"postgres://postgres:{quote(PASSWORD, safe='')}@127.0.0.1:{replica.conninfo['port']}/{DATABASE}"

    done = run("up", env={"DATABASE_URL": f"{url}?target_session_attrs=read-write"})

    assert done.exit_code == 3
    assert "error[E301]" in done.stderr
    assert PASSWORD not in done.stderr


def test_a_database_that_is_read_only_by_default_is_refused(two, run, server, database_url, query) -> None:
    name = database_url.partition("?")[0].rpartition("/")[2]
    query(database_url, f"alter database {name} set default_transaction_read_only = on")

    done = run("up", "--no-dump-schema", env={"DATABASE_URL": database_url})
    asked = run("status", env={"DATABASE_URL": database_url})

    assert done.exit_code == 7
    assert "error[E704]" in done.stderr
    assert "default_transaction_read_only" in done.stderr
    assert asked.exit_code == 0
    assert query(database_url, "select count(*) from pg_tables where schemaname = 'public'") == [(0,)]


def test_a_user_may_overrule_the_default_in_the_url(two, run, database_url, query) -> None:
    name = database_url.partition("?")[0].rpartition("/")[2]
    query(database_url, f"alter database {name} set default_transaction_read_only = on")

    done = run("up", "--no-dump-schema", env={"DATABASE_URL": f"{database_url}&default_transaction_read_only=off"})

    assert done.exit_code == 0, done.stderr
    with psycopg.connect(database_url) as conn:
        assert conn.execute("select count(*) from schema_migrations").fetchall() == [(2,)]
