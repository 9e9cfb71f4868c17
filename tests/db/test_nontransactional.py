"""`transaction:false`: statement by statement, each with its log entry; what a failure leaves and what is said."""

from __future__ import annotations

import threading

import psycopg
import pytest

from dbmigrate.execution import run_lock
from dbmigrate.errors import LockNotAcquired, MigrationFailed, NeedsAttention
from dbmigrate.events import ServerNotice
from dbmigrate.api.migrator import Migrator, Options
from tests.support.children import eventually

FALSE = "transaction:false"


@pytest.fixture
def migrator(database_url, project):
    return Migrator(database_url, Options(directories=(str(project.migrations),)))


@pytest.fixture
def select(database_url, query):
    return lambda statement: query(database_url, statement)


def log(select):
    """The log as (version, step, direction, state), in order."""
    return select("select version, step, direction, state from schema_migrations_log order by event_id")


def versions(select):
    return [row[0] for row in select("select version from schema_migrations order by version")]


def exists(select, *names):
    return [name for name in names if select(f"select to_regclass('{name}')") != [(None,)]]


# ------------------------------------------------------------------------------------------------------------- success


def test_every_step_has_a_log_entry(migrator, project, select):
    up = """\
create table a (id int);
create index concurrently a_id on a (id);
begin;
insert into a values (1);
commit;
vacuum a;"""
    project.migration("1_a", up=up, up_options=FALSE)

    report = migrator.up()

    assert report.done[0].statements == 5
    rows = select(
        "select step, state, in_transaction, up_sql from schema_migrations_log where step is not null order by 1"
    )
    assert rows == [
        (1, "done", True, "create table a (id int);"),
        (2, "done", False, "create index concurrently a_id on a (id);"),
        (3, "done", True, "begin;\ninsert into a values (1);\ncommit;"),
        (6, "done", False, "vacuum a;"),
    ]
    assert select("select state, in_transaction from schema_migrations_log where step is null") == [("done", False)]
    assert versions(select) == ["1"]


def test_two_indexes_can_be_built_in_one_file(migrator, project, select):
    project.migration("1_a", up="create table a (id int, n int);", down="drop table a;")
    indexes = "create index concurrently a_id on a (id); create unique index concurrently a_n on a (n);"
    project.migration("2_b", up=indexes, up_options=FALSE)

    migrator.up()

    assert select("select indisvalid from pg_index where indrelid = 'a'::regclass") == [(True,), (True,)]


def test_what_commits_by_itself_runs(migrator, project, select):
    project.migration(
        "1_a",
        up="create table a (id int);\ncreate procedure p(n int) language plpgsql as $$ begin"
        " insert into a values (n); commit; insert into a values (n + 1); end $$;\ncall p(1);\n"
        "do $$ begin insert into a values (3); commit; insert into a values (4); rollback; end $$;\nvacuum (full) a;",
        up_options=FALSE,
    )

    migrator.up()

    assert select("select id from a order by id") == [(1,), (2,), (3,)]
    assert [row[3] for row in log(select)] == ["done"] * 6


def test_settings_carry_on_within_a_file_but_not_to_the_next(migrator, project, select):
    project.migration(
        "1_a",
        up="create schema s;\nset search_path = s;\n"
        "create table a (id int);\ncreate index concurrently a_id on a (id);",
        up_options=FALSE,
    )
    project.migration("2_b", up="create table b (id int);", up_options=FALSE)

    migrator.up()

    assert exists(select, "s.a", "s.a_id", "public.b", "s.b") == ["s.a", "s.a_id", "public.b"]


@pytest.mark.parametrize("change", ["set role pg_monitor", "set session authorization pg_monitor"])
def test_a_files_role_does_not_write_the_log(migrator, project, select, change):
    """It may have no right to."""
    project.migration("1_a", up="create table a (id int); grant all on a to pg_monitor;")
    up = f"{change};\ninsert into a values (1);\nselect current_user;\nbegin; insert into a values (2); commit;"
    project.migration("2_b", up=up, up_options=FALSE)

    migrator.up()

    assert [row[3] for row in log(select)] == ["done"] * 6
    assert select("select distinct db_role = session_user from schema_migrations_log") == [(True,)]


def test_a_files_time_limit_does_not_hold_for_the_log(migrator, project, select):
    project.migration("1_a", up="create table a (id int);\nset statement_timeout = '1ms';", up_options=FALSE)

    migrator.up()

    assert [row[3] for row in log(select)] == ["done"] * 3


def test_notices_are_passed_on(database_url, project):
    told = []
    migrator = Migrator(database_url, Options(directories=(str(project.migrations),)), on_event=told.append)
    project.migration(
        "1_a", up="do $$ begin raise notice 'one'; commit; raise warning 'two'; end $$;", up_options=FALSE
    )

    migrator.up()

    notices = [(event.severity, event.message) for event in told if isinstance(event, ServerNotice)]
    assert notices == [("NOTICE", "one"), ("WARNING", "two")]


# ------------------------------------------------------------------------------------------------------------- failure


def test_a_failure_leaves_the_statements_before_it(run, project, database_url, select):
    up = "create table a (id int);\ncreate table b (id int);\ncreate table c (id oops);\ncreate table d (id int);"
    project.migration("1_a", up=up, up_options=FALSE)
    env = {"DATABASE_URL": database_url}

    done = run("up", env=env)

    assert done.exit_code == 5
    assert "Applied" not in done.stdout
    assert "1_a.sql:4:20" in done.stderr
    assert 'type "oops" does not exist (42704)' in done.stderr
    assert "statements 1 to 2 are done, statement 3 was rolled back" in done.stderr
    assert "dbmigrate resume" in done.stderr
    assert exists(select, "a", "b", "c", "d") == ["a", "b"]
    assert versions(select) == []
    assert log(select) == [
        ("1", None, "up", "failed"),
        ("1", 1, "up", "done"),
        ("1", 2, "up", "done"),
        ("1", 3, "up", "failed"),
    ]
    assert "[!] 1_a.sql" in run("status", env=env).stdout


def test_an_unfinished_file_blocks_the_next_run(migrator, project, select):
    project.migration("1_a", up="create table a (id int);\nselect 1 / 0;", up_options=FALSE)
    project.migration("2_b", up="create table b (id int);")
    with pytest.raises(NeedsAttention) as first:
        migrator.up()

    with pytest.raises(NeedsAttention) as second:
        migrator.up()

    assert (first.value.code, second.value.code) == ("E501", "E502")
    assert "stopped at statement 2" in second.value.message
    assert exists(select, "a", "b") == ["a"]


@pytest.mark.parametrize(
    "statement", ["create table a (id oops);", "create index concurrently x on nothing (id);", "vacuum x;"]
)
def test_a_failure_in_the_first_statement_leaves_nothing(migrator, project, select, statement):
    path = project.migration("1_a", up=f"{statement}\nselect 1;", up_options=FALSE)
    with pytest.raises(MigrationFailed) as caught:
        migrator.up()
    assert (caught.value.exit_code, caught.value.state) == (4, "nothing of 1_a.sql was done")
    assert versions(select) == []

    path.write_text(path.read_text().replace(statement, "create table a (id int);"))
    migrator.up()

    assert versions(select) == ["1"]


def test_a_rollback_that_fails_half_way_keeps_the_version(migrator, project, select):
    project.migration("1_a", up="create table a (id int);", down="drop table a;\ndrop table b;", down_options=FALSE)
    migrator.up()

    with pytest.raises(NeedsAttention) as caught:
        migrator.rollback()

    assert caught.value.state == "1_a.sql is unfinished: statement 1 is done, statement 2 was rolled back"
    assert versions(select) == ["1"]
    assert log(select)[1:] == [("1", None, "down", "failed"), ("1", 1, "down", "done"), ("1", 2, "down", "failed")]


def test_a_block_is_done_whole_or_not_at_all(migrator, project, select):
    up = "create table a (id int);\nbegin;\ninsert into a values (1);\ninsert into a values (1 / 0);\ncommit;"
    project.migration("1_a", up=up, up_options=FALSE)

    with pytest.raises(NeedsAttention) as caught:
        migrator.up()

    assert caught.value.place.line == 5
    assert select("select * from a") == []
    assert log(select)[1:] == [("1", 1, "up", "done"), ("1", 2, "up", "failed")]


def test_a_constraint_that_fires_at_the_end_of_a_statement_of_its_own_undoes_it(migrator, project, select):
    project.migration("1_a", up="create table a (id int unique deferrable initially deferred);")
    project.migration("2_b", up="insert into a values (1);\ninsert into a values (1);\nselect 1;", up_options=FALSE)

    with pytest.raises(NeedsAttention) as caught:
        migrator.up()

    assert caught.value.sqlstate == "23505"
    assert "statement 2 was rolled back" in caught.value.state
    assert select("select * from a") == [(1,)]


def test_what_committed_a_part_of_its_work_may_have_left_something(migrator, project, select):
    up = "do $$ begin create table a (id int); commit; raise exception 'no further'; end $$;"
    project.migration("1_a", up=up, up_options=FALSE)

    with pytest.raises(NeedsAttention) as caught:
        migrator.up()

    assert caught.value.code == "E501"
    assert "may have taken effect" in caught.value.state
    assert exists(select, "a") == ["a"]
    assert log(select)[1:] == [("1", 1, "up", "started")]


def test_a_transaction_cannot_be_smuggled_in_by_a_procedure(migrator, project, select):
    """CALL of a procedure that commits, inside a block of the file's own: the server refuses."""
    procedure = "create procedure p() language plpgsql as $$ begin commit; end $$;"
    up = f"{procedure}\nbegin;\ncreate table a (id int);\ncall p();\ncommit;"
    project.migration("1_a", up=up, up_options=FALSE)

    with pytest.raises(NeedsAttention) as caught:
        migrator.up()

    assert caught.value.sqlstate == "2D000"
    assert exists(select, "a") == []


# ------------------------------------------------------------------------------------------------------------- indexes


@pytest.fixture
def duplicates(migrator, project):
    """A table that no unique index can be built on."""
    project.migration("1_a", up="create table a (id int); insert into a values (1), (1);")
    migrator.up()
    return project


def test_a_failed_unique_index_is_left_invalid_and_said_so(run, duplicates, database_url, select):
    duplicates.migration("2_b", up="create unique index concurrently a_id on a (id);", up_options=FALSE)
    env = {"DATABASE_URL": database_url}

    first, second = run("up", env=env), run("up", env=env)

    assert select("select indisvalid from pg_index where indexrelid = 'a_id'::regclass") == [(False,)]
    assert first.exit_code == second.exit_code == 5
    assert "E501" in first.stderr
    assert "Key (id)=(1) is duplicated." in first.stderr
    assert "may have taken effect" in first.stderr
    assert "E502" in second.stderr
    assert "Applied" not in first.stdout + second.stdout
    assert versions(select) == ["1"]


@pytest.mark.parametrize("schema", ["public", "s"])
def test_if_not_exists_over_an_invalid_index_is_no_success(duplicates, migrator, select, schema):
    """The server says "already exists, skipping": an index that enforces nothing and that no query uses."""
    select("create schema s; create table s.a (id int); insert into s.a values (1), (1); select 1")
    with pytest.raises(psycopg.errors.UniqueViolation):
        select(f"create unique index concurrently a_id on {schema}.a (id)")
    up = f"set search_path = {schema};\ncreate unique index concurrently if not exists a_id on a (id);"
    path = duplicates.migration("2_b", up=up, up_options=FALSE)

    with pytest.raises(NeedsAttention) as caught:
        migrator.up()

    assert caught.value.code == "E504"
    assert "a_id is invalid" in caught.value.message
    assert (caught.value.place.path, caught.value.place.line) == (str(path), 3)
    assert versions(select) == ["1"]


def test_somebody_elses_invalid_index_does_not_matter(duplicates, migrator, select):
    select("create schema s; create table s.a (id int); insert into s.a values (1), (1); select 1")
    with pytest.raises(psycopg.errors.UniqueViolation):
        select("create unique index concurrently a_id on s.a (id)")
    up = "create index concurrently if not exists a_id on a (id);\nreindex index concurrently a_id;"
    duplicates.migration("2_b", up=up, up_options=FALSE)

    migrator.up()

    assert versions(select) == ["1", "2"]


def test_a_failed_reindex_leaves_the_old_index_and_says_what_else(duplicates, migrator, select):
    """A unique index that is rebuilt over rows which it should not have let in."""
    select("create index a_id on a (id)")
    select("update pg_index set indisunique = true where indexrelid = 'a_id'::regclass")
    duplicates.migration("2_b", up="reindex index concurrently a_id;", up_options=FALSE)

    with pytest.raises(NeedsAttention) as caught:
        migrator.up()

    assert caught.value.code == "E501"
    assert exists(select, "a_id", "a_id_ccnew") == ["a_id", "a_id_ccnew"]


def test_nothing_is_open_while_an_index_is_built(database_url, project, select):
    """A transaction or a snapshot of ours would be waited for by the very build that we wait for."""
    up = "create table a (id int);\ncreate index concurrently a_id on a (id);\ncreate table b (id int);"
    project.migration("1_a", up=up, up_options=FALSE)
    migrator = Migrator(database_url, Options(directories=(str(project.migrations),)))
    sessions = (
        "select state, backend_xmin is null and backend_xid is null, query from pg_stat_activity"
        " where application_name like 'dbmigrate%' and datname = current_database()"
    )
    building = "select 1 from pg_stat_activity where query ilike 'create index conc%' and wait_event_type = 'Lock'"
    worker = threading.Thread(target=migrator.up)
    with psycopg.connect(database_url, autocommit=True) as other, other.transaction():
        other.execute("set transaction isolation level repeatable read")
        other.execute("select 1")
        worker.start()
        assert eventually(lambda: select(building) != [])
        # the second connection, which looks whom the build waits for, comes after a second
        assert eventually(lambda: len(select(sessions)) == 2)
        found = [row for _ in range(20) for row in select(sessions)]
        # it asks some times a second, and is idle in between
        assert eventually(lambda: all(_is_building(row) or row[:2] == ("idle", True) for row in select(sessions)))
    worker.join()

    assert [row for row in found if row[0].startswith("idle in transaction")] == []
    assert versions(select) == ["1"]


# ---------------------------------------------------------------------------------------------------------------- lock


HELD = "select 1 / count(*) from pg_locks where locktype = 'advisory' and granted and pid = pg_backend_pid()"


@pytest.mark.parametrize("dropping", ["discard all", "select pg_advisory_unlock_all()"])
def test_a_lock_that_the_file_drops_is_taken_again(migrator, project, select, dropping):
    project.migration("1_a", up=f"{HELD};\n{dropping};\n{HELD};\n{dropping};", up_options=FALSE)
    project.migration("2_b", up=f"{HELD};\n{HELD};", up_options=FALSE)

    migrator.up()

    assert versions(select) == ["1", "2"]


def test_a_run_stops_when_another_one_has_taken_the_lock_that_its_file_dropped(migrator, project, database_url, select):
    dropping = "do $$ begin perform pg_advisory_unlock_all(); perform pg_sleep(1); end $$;"
    up = f"create table a (id int);\n{dropping}\ncreate table b (id int);"
    project.migration("1_a", up=up, up_options=FALSE)
    key = run_lock.key_for("public.schema_migrations").sql
    with psycopg.connect(database_url, autocommit=True) as other:
        taking = threading.Thread(target=lambda: take(other, key, after=lambda: exists(select, "a") == ["a"]))
        taking.start()
        with pytest.raises(NeedsAttention) as caught:
            migrator.up()
        taking.join()
        with pytest.raises(LockNotAcquired):
            Migrator(database_url, Options(directories=(str(project.migrations),), lock_wait=0)).up()

    assert caught.value.code == "E501"
    assert "another run has taken it" in caught.value.message
    assert exists(select, "a", "b") == ["a"]
    assert versions(select) == []


def take(conn, key: str, *, after) -> None:
    """Take an advisory lock as soon as it is free, once the run is under way."""
    assert eventually(after)
    assert eventually(lambda: conn.execute(f"select pg_try_advisory_lock({key})".encode()).fetchone() == (True,))


# ---------------------------------------------------------------------------------------------------------- odd shapes


@pytest.mark.parametrize(
    "up", ["", "-- nothing\n", "select 1", "select 1 -- ;", "select 1;\r\n\r\nselect 2;\r\n", ";;select 1;;"]
)
def test_odd_sections_are_recorded(migrator, project, select, up):
    project.migration("1_a", up=up, up_options=FALSE)

    migrator.up()

    assert versions(select) == ["1"]


def test_a_section_in_a_transaction_beside_one_without_is_one_unit(migrator, project, select):
    project.write(
        "1_a.sql",
        "-- migrate:up\ncreate table a (id int);\ninsert into a values (1);\n-- migrate:down\n"
        "-- migrate:up transaction:false\ncreate index concurrently a_id on a (id);\n-- migrate:down\n"
        "-- migrate:up\ninsert into a values (2);\ninsert into a values (1 / 0);\n-- migrate:down\n",
    )

    with pytest.raises(NeedsAttention) as caught:
        migrator.up()

    assert caught.value.place.line == 10
    assert select("select id from a") == [(1,)]
    assert [row[1:] for row in log(select)[1:]] == [(1, "up", "done"), (3, "up", "done"), (4, "up", "failed")]


def test_a_large_file_that_changes_while_it_runs_needs_a_person(start, project, database_url, query):
    """What was done cannot be rolled back, so the command does not end as if nothing had happened."""
    rows = "".join(f"insert into a values ({number}, '{'x' * 90}');\n" for number in range(15_000))
    path = project.migration(
        "1_a", up="create table a (id int, t text);\nlock table gate;\nbegin;\n" + rows + "commit;", up_options=FALSE
    )
    path.write_text(path.read_text().replace("lock table gate", "select * from gate"))
    waiting = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and application_name like 'dbmigrate up%'"
    with psycopg.connect(database_url, autocommit=True) as gate:
        gate.execute("create table gate (id int)")
        with gate.transaction():
            gate.execute("lock table gate")
            process = start("up", "--lock-timeout", "0", "--no-dump-schema", env={"DATABASE_URL": database_url})
            assert eventually(lambda: query(database_url, waiting) != [])
            path.write_text(path.read_text().replace("xx", "yy"))
    stderr = process.communicate(timeout=30)[1]

    assert process.returncode == 5, stderr
    assert "the file changed while it was being run" in stderr
    assert "unfinished" in stderr
    assert query(database_url, "select count(*) from schema_migrations") == [(0,)]


def _is_building(session):
    return session[2].lower().startswith("create index")
