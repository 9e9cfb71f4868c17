"""A role that may only look: what needs no right to write works, and what needs one says so."""

from __future__ import annotations

from secrets import token_hex

import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.support.catalog import fingerprint
from tests.support.servers import make_url


@pytest.fixture
def migrated(run, project, database_url):
    """A project with one applied and one pending migration."""
    project.migration("1_a", up="create table a (id int);", down="drop table a;")
    project.migration(
        "2_b", up="create table b (id int);\ncreate index concurrently on b (id);", up_options="transaction:false"
    )
    done = run("up", "--steps", "1", "--no-dump-schema", env={"DATABASE_URL": database_url})
    assert done.exit_code == 0, done.stderr
    return project


@pytest.fixture
def reader_url(server, database_url, query):
    """The URL of the database for a role that may select from every table, and do nothing else."""
    role = f"dbmigrate_test_reader_{token_hex(4)}"
    query(database_url, "revoke create on schema public from public")
    server.admin.execute(f"create role {role} login password '{role}'".encode())
    query(database_url, f"alter default privileges grant select on tables to {role}")
    conninfo = conninfo_to_dict(server.tcp_url(conninfo_to_dict(database_url)["dbname"]))
    yield make_url({key: str(value) for key, value in conninfo.items()} | {"user": role, "password": role})
    query(database_url, f"drop owned by {role}")
    server.admin.execute(f"drop role {role}".encode())


@pytest.mark.parametrize("command", [["up"], ["migrate"], ["rollback"], ["rollback", "--all"]])
def test_a_dry_run_needs_no_right_but_reading(run, reader_url, migrated, database_url, command):
    before = fingerprint(database_url)
    expected = run(*command, "--dry-run", env={"DATABASE_URL": database_url})

    done = run(*command, "--dry-run", env={"DATABASE_URL": reader_url})

    assert done.exit_code == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(expected.stdout.splitlines()) > 20
    assert fingerprint(database_url) == before


@pytest.mark.parametrize("command", [["up"], ["rollback"]])
def test_a_dry_run_works_in_a_read_only_session(run, migrated, database_url, command):
    before = fingerprint(database_url)

    done = run(*command, "--dry-run", env={"DATABASE_URL": f"{database_url}&default_transaction_read_only=on"})

    assert done.exit_code == 0, done.stderr
    assert "_a.sql" in done.stdout or "_b.sql" in done.stdout
    assert fingerprint(database_url) == before


def test_questions_need_no_right_but_reading(run, reader_url, migrated, database_url):
    before = fingerprint(database_url)
    env = {"DATABASE_URL": reader_url}

    assert run("status", env=env).stdout.splitlines()[-2:] == ["Applied: 1", "Pending: 1"]
    assert run("verify", env=env).exit_code == 0
    assert "1_a.sql" in run("history", env=env).stdout
    assert fingerprint(database_url) == before


def test_a_change_is_refused_and_leaves_nothing(run, reader_url, migrated, database_url):
    before = fingerprint(database_url)

    done = run("up", env={"DATABASE_URL": reader_url})

    assert done.exit_code == 4
    assert "permission denied" in done.stderr
    assert "Traceback" not in done.stderr
    assert fingerprint(database_url) == before


def test_a_change_in_a_read_only_session_is_refused(run, migrated, database_url):
    before = fingerprint(database_url)

    done = run("up", env={"DATABASE_URL": f"{database_url}&default_transaction_read_only=on"})

    assert done.exit_code == 7
    assert "E704" in done.stderr
    assert fingerprint(database_url) == before


def test_a_role_that_may_not_read_the_history_is_told_so(run, migrated, database_url, reader_url, query):
    """A role that may not even read the tracking table must not take everything for pending."""
    role = conninfo_to_dict(reader_url)["user"]
    query(database_url, f"revoke select on all tables in schema public from {role}")

    for command in (["status"], ["up", "--dry-run"]):
        done = run(*command, env={"DATABASE_URL": reader_url})

        assert done.exit_code == 4
        assert done.stdout == ""
        assert "permission denied" in done.stderr


def test_repeatable_migrations_are_shown_to_a_role_that_may_only_read(run, reader_url, migrated, database_url):
    folder = migrated.migrations / "repeatable"
    folder.mkdir()
    (folder / "v.sql").write_text("-- migrate:repeatable\nselect 1;\n")

    done = run("status", env={"DATABASE_URL": reader_url})

    assert done.exit_code == 0, done.stderr
    assert done.stdout.endswith("Pending: 2\n\n[ ] repeatable/v.sql\n")
    assert run("up", "--dry-run", "--no-locks", env={"DATABASE_URL": reader_url}).exit_code == 0
