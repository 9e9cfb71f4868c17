"""Backups: an archive that can be read again, of any database, and a file that is whole or not there."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path

import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tests.support.catalog import fingerprint

TABLE = "create table t (id int);"


@pytest.fixture
def backup_of(run, project):
    """Deploys a migration to a URL; what the result says of the backup."""

    def backup_of(url, *options, env=None):
        project.migration("1_t", up=TABLE, down="drop table t;")
        done = run("deploy", "--json", "--no-dump-schema", *options, env={"DATABASE_URL": url, **(env or {})})
        assert done.exit_code == 0, done.stderr
        return json.loads(done.stdout)["backup"]

    return backup_of


def restored(project, command, target):
    """The rows of `command`'s database are read into `target` instead of the one that the command names."""
    words = [word for word in shlex.split(command) if not word.startswith("--dbname=")]
    done = subprocess.run([*words, f"--dbname={target}"], cwd=project.root, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_bytes_of_a_database_without_an_encoding_come_back(server, make_database, backup_of, project, query):
    names = [make_database().partition("?")[0].rpartition("/")[2] for _ in range(2)]
    for name in names:
        server.drop(name)
        server.admin.execute(
            sql.SQL("create database {} template template0 encoding 'SQL_ASCII' locale 'C'").format(
                sql.Identifier(name)
            )
        )
    urls = [make_conninfo(server.url(name), client_encoding="SQL_ASCII") for name in names]
    query(urls[0], "create table names (name text); insert into names values (E'caf\\xe9')")

    found = backup_of(server.url(names[0]))
    restored(project, found["restore"], server.url(names[1]))

    assert query(urls[1], "select name::bytea from names") == [(b"caf\xe9",)]


def test_what_only_a_whole_backup_holds_comes_back(backup_of, project, database_url, twin_database_url, query):
    query(
        database_url,
        "create schema app; create table app.t (id bigint generated always as identity, doc jsonb);"
        "insert into app.t (doc) select jsonb_build_object('n', n) from generate_series(1, 1000) n;"
        "create view app.v as select count(*) from app.t; create index on app.t ((doc->'n'));"
        "create materialized view app.m as select * from app.v; comment on table app.t is 'it''s';"
        "grant select on app.t to public; select lo_from_bytea(0, 'large')",
    )
    before = fingerprint(database_url)

    restored(project, backup_of(database_url)["restore"], twin_database_url)

    assert fingerprint(twin_database_url) == before
    assert query(twin_database_url, "select convert_from(lo_get(oid), 'UTF8') from pg_largeobject_metadata") == [
        ("large",)
    ]


@pytest.mark.parametrize("name", ["..", "a b/../c", "-rf", "Ünï", "a'\"$(touch x)"])
def test_odd_names_of_databases_make_plain_names_of_files(server, make_database, backup_of, project, name):
    url = make_database(f"{name}_{server.version}")

    found = Path(backup_of(url)["path"])

    assert found.parent == Path("backups")
    assert not found.name.startswith((".", "-"))
    assert not set(found.name) & set(" /'\"$()")
    assert sorted(path.name for path in project.root.iterdir()) == ["backups", "db"]


def test_a_lock_of_somebody_else_is_not_waited_for_for_ever_and_named(run, project, database_url, query):
    """pg_dump waits a minute; here somebody answers for it, so that the test does not."""
    fake = project.root / "pg_dump"
    fake.write_text(
        "#!/bin/sh\necho 'pg_dump: error: query failed: ERROR:  canceling statement due to lock timeout' >&2\n"
        "echo 'pg_dump: detail: Query was: LOCK TABLE public.t IN ACCESS SHARE MODE' >&2\nexit 1\n"
    )
    fake.chmod(0o755)
    project.migration("1_t", up=TABLE)

    done = run("deploy", env={"DATABASE_URL": database_url, "DBMIGRATE_PG_DUMP": str(fake)})

    assert done.exit_code == 4
    assert "hint: another session holds a lock on a table" in done.stderr
    assert query(database_url, "select to_regclass('t')") == [(None,)]
