"""`rollback --run last` and `up --only VERSION`: which migrations they choose, and when they refuse to."""

from __future__ import annotations

import json
import re

import pytest


@pytest.fixture
def applied(query, database_url):
    return lambda: [row[0] for row in query(database_url, "select version from schema_migrations order by version")]


@pytest.fixture
def tables(project):
    """Writes migrations that each make a table of their name."""

    def write(*names, **options):
        for name in names:
            table = name.partition("_")[2]
            project.migration(name, up=f"create table {table} (id int);", down=f"drop table {table};", **options)

    return write


def fine(done):
    assert done.exit_code == 0, done.stderr
    return done


# ------------------------------------------------------------------------------------------------- rollback --run last


def test_all_migrations_of_the_last_run_are_undone_and_no_other(command, tables, applied):
    tables("1_a")
    fine(command("up"))
    tables("2_b", "3_c")
    fine(command("up"))

    done = fine(command("rollback", "--run", "last"))

    assert [line.split(" in ")[0] for line in done.stdout.splitlines()] == [
        "Rolled back: 3_c.sql",
        "Rolled back: 2_b.sql",
    ]
    assert applied() == ["1"]


def test_the_run_before_it_is_the_last_one_then(command, tables, applied):
    for name in ("1_a", "2_b"):
        tables(name)
        fine(command("up"))
    fine(command("rollback", "--run", "last"))

    fine(command("rollback", "--run", "last"))

    assert applied() == []


def test_of_a_run_only_what_is_still_applied_is_undone(command, tables, applied):
    tables("1_a")
    fine(command("up"))
    tables("2_b", "3_c")
    fine(command("up"))
    fine(command("rollback"))

    fine(command("rollback", "--run", "last"))

    assert applied() == ["1"]


def test_a_last_run_that_was_out_of_order_is_undone_alone(command, tables, applied):
    tables("1_a", "3_c")
    fine(command("up"))
    tables("2_b")
    fine(command("up"))

    fine(command("rollback", "--run", "last"))

    assert applied() == ["1", "3"]


def test_a_repair_of_an_edited_file_does_not_take_it_out_of_its_run(command, tables, applied, project):
    tables("1_a")
    fine(command("up"))
    tables("2_b", "3_c")
    fine(command("up"))
    project.migration("2_b", up="create table b (id int, n int);", down="drop table b;")
    fine(command("repair", "--yes", "--reason", "x"))

    fine(command("rollback", "--run", "last"))

    assert applied() == ["1"]


def test_what_another_tool_applied_after_the_last_run_stops_it(command, tables, applied, query, database_url):
    tables("1_a")
    fine(command("up"))
    tables("2_b")
    query(database_url, "create table b (id int); insert into schema_migrations values ('2')")

    done = command("rollback", "--run", "last")

    assert done.exit_code == 7
    assert "E726" in done.stderr
    assert "2 was recorded, or run in another way, after the last run" in done.stderr
    assert applied() == ["1", "2"]


def test_what_was_recorded_by_hand_after_the_last_run_stops_it(command, tables, applied):
    tables("1_a", "2_b")
    fine(command("up"))
    tables("3_c")
    fine(command("mark", "applied", "3", "--reason", "x"))

    done = command("rollback", "--run", "last")

    assert (done.exit_code, "E726" in done.stderr) == (7, True), done.stderr
    assert applied() == ["1", "2", "3"]


def test_a_repeatable_migration_that_ran_since_stops_it(command, tables, project, applied):
    tables("1_a")
    fine(command("up"))
    (project.migrations / "repeatable").mkdir()
    (project.migrations / "repeatable" / "v.sql").write_text(
        "-- migrate:repeatable\ncreate or replace view v as select 1;\n"
    )
    fine(command("up"))

    done = command("rollback", "--run", "last")

    assert (done.exit_code, "E726" in done.stderr) == (7, True), done.stderr
    assert "v.sql was recorded, or run in another way, after the last run" in done.stderr
    assert applied() == ["1"]


def test_a_repeatable_migration_of_the_last_run_does_not_stop_it(command, tables, project, applied):
    tables("1_a")
    (project.migrations / "repeatable").mkdir()
    (project.migrations / "repeatable" / "v.sql").write_text(
        "-- migrate:repeatable\ncreate or replace view v as select 1;\n"
    )
    fine(command("up"))

    fine(command("rollback", "--run", "last"))

    assert applied() == []


def test_a_history_of_dbmate_has_no_run(command, tables, applied, query, database_url):
    tables("1_a")
    query(
        database_url,
        "create table schema_migrations (version varchar primary key); create table a (id int);"
        "insert into schema_migrations values ('1')",
    )

    done = command("rollback", "--run", "last")

    assert (done.exit_code, "E226" in done.stderr) == (2, True), done.stderr
    assert applied() == ["1"]


def test_a_baseline_is_no_run(command, tables, applied):
    tables("1_a", "2_b")
    fine(command("baseline", "2"))

    done = command("rollback", "--run", "last")

    assert (done.exit_code, "E226" in done.stderr) == (2, True), done.stderr
    assert applied() == ["1", "2"]


def test_what_a_later_migration_needs_stays(command, tables, project, applied):
    tables("1_a", "3_c")
    fine(command("up", "--only", "3"))
    project.write(
        "3_c.sql", "-- migrate:depends 1\n-- migrate:up\ncreate table c (id int);\n-- migrate:down\ndrop table c;\n"
    )
    fine(command("up"))

    done = command("rollback", "--run", "last")

    assert (done.exit_code, "E730" in done.stderr) == (7, True), done.stderr
    assert applied() == ["1", "3"]


def test_without_anything_applied_there_is_nothing_to_roll_back(command, tables):
    tables("1_a")

    done = command("rollback", "--run", "last")

    assert (done.exit_code, "E231" in done.stderr) == (2, True), done.stderr


@pytest.mark.parametrize(
    ("options", "code"),
    [(("--run", "first"), "E205"), (("--run", "last", "-n", "1"), "E200"), (("--run", "last", "--all"), "E200")],
)
def test_other_runs_and_other_goals_are_refused(command, tables, options, code):
    tables("1_a")

    done = command("rollback", *options)

    assert (done.exit_code, code in done.stderr) == (2, True), done.stderr


def test_the_dry_run_shows_the_same_plan_and_its_hash_is_accepted(command, tables, applied):
    tables("1_a")
    fine(command("up"))
    tables("2_b", "3_c")
    fine(command("up"))

    shown = fine(command("rollback", "--run", "last", "--dry-run", "--no-locks"))
    digest = re.search("plan sha256:([0-9a-f]+)", shown.stderr)[1]
    other = command("rollback", "--expect-plan", digest)
    done = fine(command("rollback", "--run", "last", "--expect-plan", digest))

    assert shown.stdout.index("drop table c;") < shown.stdout.index("drop table b;")
    assert "drop table a;" not in shown.stdout
    assert (other.exit_code, "E712" in other.stderr) == (7, True)
    assert "2 rolled back" in done.stderr
    assert applied() == ["1"]


# --------------------------------------------------------------------------------------------------------- up --only V


def test_only_the_one_that_is_named_is_applied(command, tables, applied):
    tables("1_a", "2_b", "3_c")

    done = fine(command("up", "--only", "2"))

    assert applied() == ["2"]
    assert "note[W301]: 2_b.sql is applied before 1_a.sql" in done.stderr


def test_strict_refuses_to_leave_earlier_ones_behind(command, tables, applied):
    tables("1_a")
    fine(command("up"))
    tables("2_b", "3_c")

    done = command("up", "--only", "3", "--strict")
    first = fine(command("up", "--only", "2", "--strict"))

    assert (done.exit_code, "E702" in done.stderr) == (7, True), done.stderr
    assert "W301" not in first.stderr
    assert applied() == ["1", "2"]


def test_strict_refuses_one_below_the_highest_applied_version(command, tables, applied):
    tables("2_b")
    fine(command("up"))
    tables("1_a")

    done = command("up", "--only", "1", "--strict")

    assert (done.exit_code, "E702" in done.stderr) == (7, True), done.stderr
    assert applied() == ["2"]


def test_an_applied_version_is_nothing_to_do(command, tables):
    tables("1_a", "2_b")
    fine(command("up", "--only", "1"))

    assert "Nothing to do" in fine(command("up", "--only", "1")).stderr


def test_an_unknown_version_is_an_error(command, tables):
    tables("001_a")

    done = command("up", "--only", "1")

    assert (done.exit_code, "E232" in done.stderr, "did you mean 001?" in done.stderr) == (2, True, True), done.stderr


def test_what_depends_on_a_pending_one_is_refused(command, project, tables, query, database_url):
    tables("1_a")
    project.write("2_b.sql", "-- migrate:depends 1\n-- migrate:up\nselect 1;\n-- migrate:down\n")

    done = command("up", "--only", "2")

    assert done.exit_code == 2
    assert "E293" in done.stderr
    assert "2_b.sql depends on 1_a.sql, which would stay pending" in done.stderr
    assert "db/migrations/2_b.sql:1" in done.stderr
    assert query(database_url, "select to_regclass('schema_migrations')") == [(None,)]


def test_one_for_another_environment_is_refused(run, project, tables, query, database_url):
    tables("1_a")
    project.write("2_b.sql", "-- migrate:env dev\n-- migrate:up\nselect 1;\n-- migrate:down\n")

    environ = {"STAGING_DATABASE_URL": database_url, "DBMIGRATE_NO_DUMP_SCHEMA": "true"}
    done = run("-e", "staging", "up", "--only", "2", env=environ)

    assert (done.exit_code, "E727" in done.stderr) == (7, True), done.stderr
    assert "2_b.sql is only for other environments" in done.stderr
    assert query(database_url, "select to_regclass('schema_migrations')") == [(None,)]


def test_the_dry_run_of_one_is_one_and_its_hash_is_accepted(command, tables, applied):
    tables("1_a", "2_b")

    shown = fine(command("up", "--only", "2", "--dry-run", "--json", "--no-locks"))
    value = json.loads(shown.stdout)
    digest = value["plan"].removeprefix("sha256:")
    whole = command("up", "--expect-plan", digest)
    done = fine(command("up", "--only", "2", "--expect-plan", digest))

    assert [step["version"] for step in value["steps"]] == ["2"]
    assert (whole.exit_code, "E712" in whole.stderr) == (7, True)
    assert "1 applied" in done.stderr
    assert applied() == ["2"]


def test_a_missing_database_is_made_for_one(run, server, tables, query):
    tables("1_a", "2_b")
    url = server.url("dbmigrate_up_only")

    try:
        fine(run("up", "--only", "2", "--no-dump-schema", env={"DATABASE_URL": url}))

        assert query(url, "select version from schema_migrations") == [("2",)]
    finally:
        server.drop("dbmigrate_up_only")


def test_only_excludes_the_other_goals(command, tables):
    tables("1_a")

    done = command("up", "--only", "1", "--to", "1")

    assert (done.exit_code, "E200" in done.stderr) == (2, True), done.stderr
