"""`check --load DUMP`: what is pending runs on a scratch database with the rows of a dump, and is measured there."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from dbmigrate.connection import dsn
from dbmigrate.connection.programs import Search, client_programs
from dbmigrate.errors import ConfigError, DatabaseError
from dbmigrate.schema import restore
from tests.support.projects import Project

SEARCH = Search.from_environ(os.environ)
ROWS = """
create table users (id int primary key, name text);
insert into users select n, nullif('u' || n, 'u7') from generate_series(1, 5000) n;
create table schema_migrations (version varchar primary key);
insert into schema_migrations values ('1');
"""


def dumped(url: str, path: Path, *options: str) -> str:
    (program, *_) = client_programs(SEARCH, "pg_dump")
    environ = {**dsn.parse(url).environment(), "LC_ALL": "C"}
    subprocess.run([*program.command, *options, "--file", str(path)], env=environ, check=True)
    return str(path)


@pytest.fixture
def env(cluster_cache) -> dict[str, str]:
    return {"XDG_CACHE_HOME": str(cluster_cache)}


def test_what_is_pending_runs_on_the_rows_of_the_dump_and_is_measured(project: Project, run, env, query, database_url):
    query(database_url, ROWS)
    dump = dumped(database_url, project.root / "prod.dump", "--format=custom")
    project.migration("1_users", up="create table users (id int primary key, name text);", down="drop table users;")
    project.migration(
        "2_wide",
        up="alter table users alter id type bigint;\nselect pg_sleep(0.8);",
        down="alter table users alter id type int;",
    )
    summary = project.root / "summary.md"
    reader = "select name from users where id = 9"
    arguments = ("check", "--load", dump, "--traffic", reader, "--no-lint", "--no-dump-schema")

    done = run(*arguments, "--json", "--summary", str(summary), env=env | {"DBMIGRATE_SCRATCH_URL": database_url})

    assert done.exit_code == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)["rehearsal"]
    alter, *_ = found["statements"]
    assert (alter["version"], alter["rewritten"][0]["table"], alter["rewritten"][0]["rows"]) == ("2", "users", 5000)
    assert alter["locks"][0]["held_ms"] >= 800 - 160  # no more is sure on a busy machine
    assert found["traffic"]["longest_stall"]["query"] == reader
    assert found["traffic"]["longest_stall"]["duration_ms"] >= 800 - 160
    assert [each["version"] for each in found["migrations"]] == ["2"]
    assert "## Rehearsal" in summary.read_text()
    assert "ACCESS EXCLUSIVE on users, held " in summary.read_text()

    project.migration(
        "2_wide", up="alter table users alter id type bigint;", down="alter table users alter id type int;"
    )
    project.migration(
        "3_app", up="grant select on users to app_reader;", down="revoke select on users from app_reader;"
    )
    project.migration("4_all", up="alter table users alter name set not null;", down="select 1;")
    done = run(*arguments[:3], *arguments[5:], env=env)
    assert done.exit_code == 1
    assert "C115" in done.stdout
    assert 'column "name" of relation "users" contains null values' in done.stdout
    assert "4_all.sql:2" in done.stdout


def test_every_form_of_a_dump_is_restored_and_what_is_none_is_refused(tmp_path, query, make_database):
    origin = make_database()
    role = f"owner_of_{Path(tmp_path).name[-10:]}"
    query(origin, ROWS)
    for name, options in (
        ("plain.sql", ("--format=plain",)),
        ("custom", ("--format=custom",)),
        ("directory", ("--format=directory",)),
        ("tar", ("--format=tar",)),
    ):
        dump = dumped(origin, tmp_path / name, *options)
        if name == "plain.sql":
            Path(dump).write_text(Path(dump).read_text() + f"\nalter table public.users owner to {role};\n")
        copy = make_database()

        left = restore.restore(dump, dsn.parse(copy), major=18, search=SEARCH)

        assert query(copy, "select count(*), count(name) from users") == [(5000, 4999)]
        assert [problem.code for problem in left] == (["W393"] if name == "plain.sql" else [])

    broken = tmp_path / "broken.sql"
    broken.write_text("create table a (id int);\ninsert into nowhere values (1);\n")
    with pytest.raises(DatabaseError) as caught:
        restore.restore(str(broken), dsn.parse(make_database()), major=18, search=SEARCH)
    assert (caught.value.code, 'relation "nowhere" does not exist' in caught.value.message) == ("E431", True)
    (tmp_path / "cut").write_bytes((tmp_path / "custom").read_bytes()[:2000])
    with pytest.raises(DatabaseError):
        restore.restore(str(tmp_path / "cut"), dsn.parse(make_database()), major=18, search=SEARCH)
    (tmp_path / "x.gz").write_bytes(b"\x1f\x8b0")
    for wrong in (tmp_path, tmp_path / "missing", tmp_path / "x.gz"):
        with pytest.raises(ConfigError):
            restore.restore(str(wrong), dsn.parse(origin), major=18, search=SEARCH)
