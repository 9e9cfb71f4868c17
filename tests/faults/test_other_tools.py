"""Another tool works on the same table behind our back: what the log cannot know is not claimed."""

from __future__ import annotations

import pytest

from tests.support import faults


@pytest.fixture
def dbmigrate(run, database_url):
    return lambda *words: run(*words, env={"DATABASE_URL": database_url, "DBMATE_NO_DUMP_SCHEMA": "true"})


def edit(path, old: str, new: str) -> None:
    path.write_text(path.read_text().replace(old, new))


TAKING_BACK = {
    "rolled back": ("rollback",),
    "marked as pending": ("mark", "pending", "1", "--reason", "made by hand"),
}


@pytest.mark.parametrize("way", TAKING_BACK)
def test_what_another_tool_applied_again_is_not_measured_by_what_we_applied_before(
    dbmigrate, project, database_url, query, way
):
    path = project.migration("1_a", up="create table if not exists a (n int);", down="drop table a;")
    assert dbmigrate("up").exit_code == 0
    assert dbmigrate(*TAKING_BACK[way]).exit_code == 0
    edit(path, "n int", "n bigint")
    query(database_url, "create table if not exists a (n bigint)")
    query(database_url, "insert into schema_migrations values ('1')")

    verified, up = dbmigrate("verify"), dbmigrate("up")

    assert (verified.exit_code, up.exit_code) == (0, 0), verified.stdout + up.stderr


def test_the_down_sql_of_an_earlier_life_is_not_run_for_what_another_tool_applied(
    dbmigrate, project, database_url, query
):
    path = project.migration("1_a", up="create table a ();", down="drop table a;")
    dbmigrate("up")
    dbmigrate("rollback")
    query(database_url, "create table a (); insert into schema_migrations values ('1')")
    path.unlink()

    done = dbmigrate("rollback")

    assert done.exit_code == 2
    assert "error[E234]" in done.stderr
    assert query(database_url, "select to_regclass('a')::text") == [("a",)]


def test_a_repaired_or_reapplied_file_is_measured_again(dbmigrate, project, database_url):
    path = project.migration("1_a", up="create table a (n int);", down="drop table a;")
    dbmigrate("up")
    edit(path, "n int", "n bigint")
    assert dbmigrate("verify").exit_code == 1
    assert dbmigrate("repair", "--yes").exit_code == 0
    assert dbmigrate("verify").exit_code == 0
    edit(path, "n bigint", "n text")
    assert dbmigrate("verify").exit_code == 1
    for _ in range(2):
        assert dbmigrate("rollback").exit_code == 0
        assert dbmigrate("up").exit_code == 0
    edit(path, "n text", "n int")

    assert dbmigrate("verify").exit_code == 1
    assert faults.versions(database_url) == ["1"]


def test_a_migration_whose_record_cannot_be_written_is_not_applied(start, dbmigrate, project, database_url, query):
    """Record and migration are one transaction: dbmate, which knows no lock, was faster."""
    project.migration("0_z", up="create table z ();")
    assert dbmigrate("up").exit_code == 0
    project.migration("1_a", up="create table a ();\nselect pg_sleep(2);")
    process = start("up", "--no-dump-schema", env={"DATABASE_URL": database_url})
    faults.backend(database_url, doing="%pg_sleep%")
    query(database_url, "insert into schema_migrations values ('1')")

    _, errors = process.communicate(timeout=30)

    assert process.returncode == 4, errors
    assert "another tool applied it meanwhile" in errors
    assert query(database_url, "select to_regclass('a')") == [(None,)]


FOREIGN_EVENT = """
insert into schema_migrations_log (event_id, run_id, version, direction, in_transaction, state, started_at, db_role)
select max(event_id) + 1, gen_random_uuid(), '9', 'up', true, 'failed', now(), 'somebody' from schema_migrations_log
"""


def test_an_event_that_somebody_else_wrote_meanwhile_fails_no_migration(start, project, database_url, query):
    """A run counts its events itself; one that has lost the lock may note its failure under the next number."""
    project.migration("1_a", up="create table a ();")
    project.migration("2_b", up="create table b ();")
    project.migration("3_c", up="create table c ();\nselect pg_sleep(2);")
    project.migration("4_d", up="create table d ();")
    process = start("up", "--no-dump-schema", env={"DATABASE_URL": database_url})
    faults.backend(database_url, doing="%pg_sleep%")
    query(database_url, FOREIGN_EVENT)

    _, errors = process.communicate(timeout=30)

    assert process.returncode == 0, errors
    assert query(database_url, "select event_id, version from schema_migrations_log order by 1") == [
        (1, "1"),
        (2, "2"),
        (3, "9"),
        (4, "3"),
        (5, "4"),
    ]


EXTRA_EVENTS = """
create sequence s;
create function extra() returns trigger language plpgsql as $$
begin
  if pg_trigger_depth() = 1 then
    insert into public.schema_migrations_log
      (event_id, run_id, version, direction, in_transaction, state, started_at, db_role)
    select max(event_id) + 1, gen_random_uuid(), '9', 'up', true, 'failed', now(), 'somebody'
      from public.schema_migrations_log;
  end if;
  return null;
end$$;
create trigger extra after insert on schema_migrations_log for each row execute function extra();
"""


def test_a_run_whose_numbers_are_taken_counts_no_more(run, project, database_url, query):
    """Once is enough to know that there is somebody else: every further time would be work done twice."""
    project.migration("1_a", up=EXTRA_EVENTS)
    for name in ("2_b", "3_c", "4_d", "5_e"):
        project.migration(name, up="select nextval('s');")

    done = run("up", "--no-dump-schema", env={"DATABASE_URL": database_url})

    assert done.exit_code == 0, done.stderr
    assert query(database_url, "select last_value from s") == [(5,)]
    assert faults.versions(database_url) == ["1", "2", "3", "4", "5"]


def test_a_failure_in_a_table_that_is_called_as_the_log_is_no_reason_to_run_it_again(run, project, database_url, query):
    project.migration("1_a", up="create sequence s;")
    project.migration(
        "2_b",
        up="create schema z;\ncreate table z.schema_migrations_log (i int unique deferrable initially deferred);\n"
        "insert into z.schema_migrations_log values (1), (1);\nselect nextval('s');",
    )

    done = run("up", "--no-dump-schema", env={"DATABASE_URL": database_url})

    assert done.exit_code == 4
    assert query(database_url, "select last_value from s") == [(1,)]
