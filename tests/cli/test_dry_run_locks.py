"""`up --dry-run --locks`: what the migrations lock, on stderr, without a trace on the target."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import psycopg
import pytest

from tests.support.catalog import fingerprint
from tests.support.children import eventually

HEAD = "Locks, measured on a scratch database; sizes and sessions are those of the target now"


@pytest.fixture
def locks(run, database_url, cluster_cache: Path):
    """Runs `up --dry-run --locks` with further arguments and variables; cached clusters make it quick."""
    cluster_cache.mkdir(parents=True, exist_ok=True)

    def up(*arguments: str, command: str = "up", env: dict[str, str] | None = None):
        variables = {"DATABASE_URL": database_url, "XDG_CACHE_HOME": str(cluster_cache), **(env or {})}
        return run(command, "--dry-run", "--locks", *arguments, env=variables)

    return up


@pytest.fixture
def shop(run, project, database_url, query):
    """One applied migration with a large table and a small one."""
    project.migration("1_a", up="create table orders (id int primary key, at timestamp); create table users (id int);")
    done = run("up", "--no-dump-schema", env={"DATABASE_URL": database_url})
    assert done.exit_code == 0, done.stderr
    query(database_url, "insert into orders select n from generate_series(1, 400000) n; analyze orders")
    return project


def told(stderr: str) -> list[str]:
    return stderr.split(f"{HEAD}\n")[1].splitlines() if HEAD in stderr else []


def test_it_tells_what_is_dangerous_and_changes_nothing(locks, shop, server, database_url):
    shop.migration(
        "2_b",
        up="alter table orders alter column id type bigint;\nalter table users add column name text;\n"
        "create table new (id int);\ncreate index on new (id);",
    )
    before = fingerprint(database_url)
    databases = server.admin.execute("select datname from pg_database order by 1").fetchall()

    done = locks()

    assert done.exit_code == 0, done.stderr
    path, first, second, closing = told(done.stderr)
    assert path == "db/migrations/2_b.sql"
    assert first.startswith(
        "!! :2  orders  alter table orders alter column id type bigint  ACCESS EXCLUSIVE · rewrites ≈ 400 k"
    )
    assert first.endswith(" · blocks reads and writes")
    assert second == (
        "   :3  users  alter table users add column name text  ACCESS EXCLUSIVE · blocks reads and writes briefly"
    )
    assert closing == "1 statement would block others for long (marked !!)"
    assert fingerprint(database_url) == before
    assert server.admin.execute("select datname from pg_database order by 1").fetchall() == databases


def test_the_script_on_stdout_stays_the_same(locks, run, shop, database_url):
    shop.migration("2_b", up="drop table users;")

    without = run("up", "--dry-run", "--no-locks", env={"DATABASE_URL": database_url})

    with_report = locks()

    assert len(with_report.stdout.splitlines()) == len(without.stdout.splitlines())
    assert with_report.stderr.splitlines()[: len(without.stderr.splitlines())] == without.stderr.splitlines()


def test_sessions_that_use_a_table_are_counted_and_an_old_one_is_named(locks, shop, database_url):
    shop.migration("2_b", up="alter table users add column name text;")
    with psycopg.connect(database_url) as one:
        one.execute("select * from users; select pg_sleep(5.1)")

        _, line, _ = told(locks().stderr)

    assert "1 session uses it, the longest for " in line
    assert "waits behind a transaction that is open for " in line


def test_nothing_pending_means_no_report(locks, shop):
    done = locks()

    assert (done.exit_code, told(done.stderr), "note" in done.stderr) == (0, [], False)


def test_a_database_that_does_not_exist_has_nothing_to_lock(locks, project, database_url):
    project.migration("1_a", up="create table a (id int);")

    done = locks(env={"DATABASE_URL": database_url.replace("?", "_missing?")})

    assert (done.exit_code, told(done.stderr)) == (0, [])
    assert re.search("no lock report: database .*_missing does not exist yet", done.stderr)


def test_a_migration_may_name_the_tracking_tables_before_they_are_there(locks, project):
    project.migration("1_a", up="create table a (id int);\ngrant select on schema_migrations to public;")

    done = locks()

    assert "W662" not in done.stderr
    assert "No statement blocks others for long" in done.stderr


@pytest.mark.parametrize("command", ["up", "migrate"])
def test_a_migration_that_fails_is_a_warning(locks, shop, command):
    shop.migration("2_b", up="alter table users add a int;")
    shop.migration("3_c", up="\ndrop table nowhere;")

    done = locks(command=command)

    assert done.exit_code == 0
    assert "warning[W662]: the lock report ends before 3_c.sql, which fails on a copy of the schema" in done.stderr
    assert "(db/migrations/3_c.sql:3:12)" in done.stderr
    assert told(done.stderr)[1].startswith("   :2  users  alter table users add a int")


def test_no_scratch_server_is_a_note(locks, shop, unused_port):
    shop.migration("2_b", up="drop table users;")

    done = locks("--scratch-url", f"postgres://nobody@127.0.0.1:{unused_port}/none")

    assert (done.exit_code, "drop table users" in done.stdout) == (0, True)
    assert "note[W660]: no lock report: " in done.stderr


def test_no_server_programs_are_a_note(locks, shop, tmp_path):
    shop.migration("2_b", up="drop table users;")

    done = locks(env={"DBMIGRATE_PG_BIN": str(tmp_path)})

    assert (done.exit_code, "note[W660]" in done.stderr) == (0, True)


def test_without_pg_dump_the_applied_migrations_make_the_copy(locks, shop):
    shop.migration("2_b", up="drop table users;")

    done = locks(env={"DBMIGRATE_PG_DUMP": "false"})

    assert "note[W664]: the schema was not dumped, its copy was made by running the applied migrations" in done.stderr
    assert told(done.stderr)[1].startswith("   :2  users  drop table users  ACCESS EXCLUSIVE · drops it (empty)")


def test_without_pg_dump_and_without_the_files_there_is_none(locks, shop):
    (shop.migrations / "1_a.sql").unlink()
    shop.migration("2_b", up="drop table users;")

    done = locks(env={"DBMIGRATE_PG_DUMP": "false"})

    assert (done.exit_code, "note[W661]: no lock report: pg_dump failed" in done.stderr) == (0, True)


def test_the_schema_of_the_target_decides_not_the_files(locks, shop, database_url, query):
    query(database_url, "alter table users add column mail varchar(50)")
    shop.migration("2_b", up="alter table users alter column mail type varchar(60);\ncreate index on users (mail);")

    _, *lines, _ = told(locks().stderr)

    assert [line.split("  ")[-1] for line in lines] == [
        "ACCESS EXCLUSIVE · blocks reads and writes briefly",
        "ACCESS EXCLUSIVE (held already) · builds 1 index over (empty) · blocks reads and writes briefly",
    ]


def test_the_search_path_and_the_time_zone_of_the_target_are_in_force(locks, shop, server, database_url, query):
    query(
        database_url,
        "create schema app; alter table orders set schema app; do $$ begin execute format("
        "'alter database %I set search_path = app', current_database()); execute format("
        "'alter database %I set timezone = ''Asia/Tokyo''', current_database()); end $$",
    )
    shop.migration("2_b", up="alter table orders alter column at type timestamptz;")

    _, line, _ = told(locks("--migrations-table=public.schema_migrations").stderr)

    assert line.startswith(
        "!! :2  app.orders  alter table orders alter column at type timestamptz  ACCESS EXCLUSIVE · rewrites"
    )


def test_a_named_scratch_server_is_left_clean(locks, shop, server, database_url):
    shop.migration("2_b", up="drop table users;")
    before = fingerprint(database_url)

    done = locks("--scratch-url", server.url("postgres"))

    assert told(done.stderr)[1].startswith("   :2  users  drop table users")
    assert server.admin.execute("select from pg_database where datname like 'dbmigrate_scratch%'").fetchall() == []
    assert fingerprint(database_url) == before


def test_quiet_means_no_report(locks, shop):
    shop.migration("2_b", up="drop table users;")

    assert locks("--quiet").stderr == ""


def test_a_role_that_may_only_look_gets_a_report(locks, shop, server, database_url, query):
    shop.migration("2_b", up="drop table users;")

    done = locks(env={"DATABASE_URL": f"{database_url}&default_transaction_read_only=on"})

    assert told(done.stderr)[1].startswith("   :2  users  drop table users")


def test_ctrl_c_is_told_in_one_line(start, project, database_url, query):
    project.migration("1_slow", up="create table a (id int);\nselect pg_sleep(60);")
    sleeping = "select count(*) from pg_stat_activity where query like '%sleep(60)%' and datname like 'dbmigrate_scr%'"
    env = {"DATABASE_URL": database_url, "DBMIGRATE_SCRATCH_URL": database_url}
    process = start("up", "--dry-run", "--locks", env=env)
    assert eventually(lambda: query(database_url, sleeping) == [(1,)], seconds=30)

    process.send_signal(signal.SIGINT)

    _, complaint = process.communicate(timeout=30)
    assert process.returncode == 130
    assert [line.partition(":")[0] for line in complaint.splitlines()[-3:]] == ["plan sha256", "hint", "error[E130]"]
    assert query(database_url, "select 1 from pg_database where datname like 'dbmigrate_scratch%'") == []
