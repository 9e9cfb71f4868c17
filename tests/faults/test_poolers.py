"""Transaction poolers: recognised, refused, and with --allow-pooler used in the way that is safe."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from tests.support import faults, services
from tests.support.pgbouncer import PROGRAM, PgBouncer, pgbouncer

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="pgbouncer is not installed")

SETTINGS = (
    "select current_setting('search_path'), current_setting('lock_timeout'), current_setting('statement_timeout'),"
    " current_setting('idle_in_transaction_session_timeout'), current_user"
)


@pytest.fixture
def pooler(server, open_tmp_path, database_url) -> Iterator[PgBouncer]:
    """Named after the database, so that it is ended before that is looked at for what is left behind."""
    with pgbouncer(server, open_tmp_path) as running:
        yield running


@pytest.fixture
def pooled_url(pooler, database_url) -> str:
    return pooler.url(name_of(database_url))


def name_of(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


def test_a_transaction_pooler_is_refused_before_anything_is_changed(
    project, run, pooled_url, database_url, query
) -> None:
    project.migration("1_a", up="create table a (id int);")

    done = run("up", env={"DATABASE_URL": pooled_url})

    assert done.exit_code == 7
    assert "error[E703]: connected through a connection pooler at" in done.stderr
    assert "--allow-pooler" in done.stderr
    assert query(database_url, "select count(*) from pg_tables where schemaname = 'public'") == [(0,)]


def test_questions_are_answered_through_a_pooler(project, run, pooled_url, database_url) -> None:
    project.migration("1_a", up="create table a (id int);")
    run("up", "--no-dump-schema", env={"DATABASE_URL": database_url})
    project.migration("2_b", up="create table b (id int);")

    done = run("status", env={"DATABASE_URL": pooled_url})

    assert done.exit_code == 0
    assert done.stdout == "[X] 1_a.sql\n[ ] 2_b.sql\n\nApplied: 1\nPending: 1\n"


def test_a_refused_run_leaves_no_setting_in_the_pool(project, run, pooled_url, query) -> None:
    with psycopg.connect(pooled_url, autocommit=True, prepare_threshold=None) as other:
        before = other.execute(SETTINGS).fetchall()

    run("up", env={"DATABASE_URL": pooled_url})
    run("status", env={"DATABASE_URL": pooled_url})

    for _ in range(4):
        assert query(pooled_url, SETTINGS) == before


@pytest.mark.parametrize("way", ["flag", "variable"])
def test_an_allowed_pooler_is_worked_through(project, run, pooled_url, database_url, query, way) -> None:
    project.migration("1_a", up="create table a (id int);", down="drop table a;")
    project.migration("2_b", up="create table b (id int);", down="drop table b;")
    flag = ["--allow-pooler"] if way == "flag" else []
    env = {"DATABASE_URL": pooled_url} | ({} if flag else {"DBMIGRATE_ALLOW_POOLER": "true"})

    up = run("up", *flag, "--no-dump-schema", env=env)
    down = run("rollback", *flag, "--no-dump-schema", env=env)

    assert up.exit_code == 0, up.stderr
    assert down.exit_code == 0, down.stderr
    assert query(database_url, "select version from schema_migrations") == [("1",)]
    assert query(database_url, "select version, direction, state from schema_migrations_log order by event_id") == [
        ("1", "up", "done"),
        ("2", "up", "done"),
        ("2", "down", "done"),
    ]


def test_a_failure_through_an_allowed_pooler_is_rolled_back_and_logged(
    project, run, pooled_url, database_url, query
) -> None:
    project.migration("1_a", up="create table a (id int);\nselect 1 / 0;")

    done = run("up", "--allow-pooler", "--no-dump-schema", env={"DATABASE_URL": pooled_url})

    assert done.exit_code == 4
    assert "rolled back; nothing of 1_a.sql was applied" in done.stderr
    assert query(database_url, "select to_regclass('a')") == [(None,)]
    assert query(database_url, "select state, sqlstate from schema_migrations_log") == [("failed", "22012")]


def test_a_migration_without_a_transaction_is_refused_through_a_pooler_before_anything_runs(
    project, run, pooled_url, database_url, query
) -> None:
    project.migration("1_a", up="create table a (id int);")
    project.migration("2_b", up="create index concurrently i on a (id);", up_options="transaction:false")

    done = run("up", "--allow-pooler", env={"DATABASE_URL": pooled_url})

    assert done.exit_code == 7
    assert "error[E703]: 2_b.sql runs without a transaction" in done.stderr
    assert query(database_url, "select count(*) from pg_tables where schemaname = 'public'") == [(0,)]


def test_a_migration_through_a_pooler_leaves_nothing_of_its_session_to_others(
    project, run, pooler, pooled_url, query
) -> None:
    """What a file sets for its session would be found by whoever is given that server connection next."""
    before = query(pooled_url, SETTINGS)
    project.migration(
        "1_a",
        up="set search_path = nowhere;\nset lock_timeout = '9s';\nset role pg_monitor;\nset work_mem = '1MB';\n"
        "create temporary table left_over (n int);\nset app.tenant = 'x';\nreset role;",
    )

    done = run("up", "--allow-pooler", "--no-dump-schema", env={"DATABASE_URL": pooled_url})

    assert done.exit_code == 0, done.stderr
    for _ in range(4):
        assert query(pooled_url, SETTINGS) == before
        assert query(pooled_url, "select to_regclass('pg_temp.left_over'), current_setting('work_mem') = '1MB'") == [
            (None, False)
        ]
    assert query(pooled_url, "select count(*) from pg_locks where locktype = 'advisory'") == [(0,)]


def test_settings_of_the_url_hold_inside_each_transaction(project, run, pooler, database_url, query) -> None:
    """As start-up parameters, which is how they are sent elsewhere, PgBouncer refuses them."""
    query(database_url, "create schema app")
    project.migration("1_a", up="create table a (id int);")
    url = pooler.url(name_of(database_url), search_path="app", statement_timeout="7s")

    done = run("up", "--allow-pooler", "--no-dump-schema", env={"DATABASE_URL": url})

    assert done.exit_code == 0, done.stderr
    assert query(database_url, "select to_regclass('app.a')::text, to_regclass('app.schema_migrations')::text") == [
        ("app.a", "app.schema_migrations")
    ]


def test_the_schema_file_is_not_made_through_a_pooler(project, run, pooled_url, query) -> None:
    """pg_dump empties the search_path of its session, which others would then be given."""
    before = query(pooled_url, SETTINGS)
    project.migration("1_a", up="create table a (id int);")

    done = run("up", "--allow-pooler", env={"DATABASE_URL": pooled_url})
    dumped = run("dump", "--allow-pooler", env={"DATABASE_URL": pooled_url})

    assert done.exit_code == 0
    assert "W401" in done.stderr
    assert dumped.exit_code == 7
    assert not project.schema_file.exists()
    assert query(pooled_url, SETTINGS) == before


def test_runs_at_the_same_time_through_a_pooler_apply_everything_once(
    project, start, server, open_tmp_path, database_url, query
) -> None:
    for number in range(1, 9):
        create = "create table tally (n int);" if number == 1 else ""
        up = f"{create} insert into tally values ({number}); select pg_sleep(0.05);"
        project.migration(f"{number}_m", up=up, down="")
    with pgbouncer(server, open_tmp_path, pool_size=10) as pooler:
        url = pooler.url(name_of(database_url))
        runs = [start("up", "--allow-pooler", "--no-dump-schema", env={"DATABASE_URL": url}) for _ in range(5)]
        ended = [(*process.communicate(timeout=60), process.returncode) for process in runs]

    assert [code for _, _, code in ended] == [0] * 5, ended
    assert query(database_url, "select n from tally order by n") == [(n,) for n in range(1, 9)]
    told = [line.split()[1] for out, _, _ in ended for line in out.splitlines() if line.startswith("Applied:")]
    assert sorted(told) == [f"{n}_m.sql" for n in range(1, 9)]


def test_a_run_waits_for_another_one_behind_the_pooler(
    server, project, start, run, open_tmp_path, database_url, query
) -> None:
    query(database_url, "create table gate ()")
    project.migration("1_a", up="lock table gate;", up_options="lock_timeout:0")
    with pgbouncer(server, open_tmp_path, pool_size=10) as pooler:
        env = {"DATABASE_URL": pooler.url(name_of(database_url))}
        with faults.transaction(database_url, "lock table gate"):
            first = start("up", "--allow-pooler", "--no-dump-schema", env=env)
            while not query(database_url, "select 1 from pg_locks where locktype = 'advisory'"):
                assert first.poll() is None

            waited = run("up", "--allow-pooler", "--lock-wait", "500ms", env=env)
        output, complaints = first.communicate(timeout=30)

    assert first.returncode == 0, complaints
    assert output.startswith("Applied: 1_a.sql")
    assert waited.exit_code == 6
    assert "error[E601]: another run holds the migration lock: process" in waited.stderr


def test_a_commit_lost_behind_a_pooler_is_told_as_the_database_has_it(
    server, project, open_tmp_path, database_url, query
) -> None:
    from dbmigrate.api.migrator import Migrator
    from dbmigrate.connection import dsn
    from tests.support.proxy import TO_CLIENT, Action, Fault, Proxy
    from tests.support.rehearsals import tell

    project.migration("1_a", up="create table a (id int);")
    project.migration("2_b", up="create table b (id int);")
    with pgbouncer(server, open_tmp_path) as pooler, Proxy(server, port=pooler.port) as proxy:
        proxy.arm(Fault(TO_CLIENT, Action.CUT, text=b"COMMIT", kind=b"C"))

        told = tell(dsn.parse(proxy.url(name_of(database_url))).through_pooler(), project, Migrator.migrate)

    assert told.error is None
    assert told.done == ["1", "2"]
    assert query(database_url, "select version from schema_migrations order by 1") == [("1",), ("2",)]


def test_a_pooler_in_session_mode_needs_the_same_word(project, run, server, open_tmp_path, database_url) -> None:
    """It cannot be told from one in transaction mode, and a wrong guess would cost the lock."""
    project.migration("1_a", up="create table a (id int);")
    with pgbouncer(server, open_tmp_path, mode="session") as pooler:
        url = pooler.url(name_of(database_url))

        assert run("up", env={"DATABASE_URL": url}).exit_code == 7
        assert run("up", "--allow-pooler", "--no-dump-schema", env={"DATABASE_URL": url}).exit_code == 0


def test_the_flag_changes_nothing_where_there_is_no_pooler(project, run, database_url, query) -> None:
    project.migration("1_a", up="create table a (id int);")
    project.migration("2_b", up="create index concurrently i on a (id);", up_options="transaction:false")

    done = run("up", "--allow-pooler", "--no-dump-schema", env={"DATABASE_URL": database_url})

    assert done.exit_code == 0, done.stderr
    assert query(database_url, "select to_regclass('i')::text") == [("i",)]


def test_a_migration_that_depends_on_another_service_is_refused_through_a_pooler(
    run, tmp_path, pooled_url, database_url
) -> None:
    """Nobody could keep the other service from a rollback meanwhile."""
    services.three(tmp_path)
    direct, pooled = ({"DATABASE_URL": url, "DBMIGRATE_NO_DUMP_SCHEMA": "true"} for url in (database_url, pooled_url))
    assert run("--service", "discovery-svc", "up", env=direct).exit_code == 0

    done = run("--service", "ai", "up", "--allow-pooler", env=pooled)

    assert (done.exit_code, "error[E703]: a migration that depends on another service" in done.stderr) == (7, True)
    assert run("--service", "chat", "up", "--allow-pooler", env=pooled).exit_code == 0
