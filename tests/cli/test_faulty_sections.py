"""A fault in the section that a command does not run is a warning; in the one that it runs it is an error."""

from __future__ import annotations

import pytest

UP = "create table a (n int);"
CONCURRENTLY = "create index concurrently i on a (n);"
FAULTS = {
    "E220": f"drop table a;\n{CONCURRENTLY}",
    "E219": "drop table a;\ncommit;\ndrop table b;",
    "E217": "drop table a;\nselect 'never closed;",
}


@pytest.fixture
def dbmigrate(run, database_url):
    def run_it(*arguments, env=None):
        return run(*arguments, env={"DATABASE_URL": database_url, **(env or {})})

    return run_it


def versions(query, url):
    return [row[0] for row in query(url, "select version from public.schema_migrations order by version")]


@pytest.mark.parametrize("code", FAULTS)
def test_up_applies_a_file_whose_down_section_cannot_run(dbmigrate, project, database_url, query, code):
    project.migration("1_a", up=UP, down=FAULTS[code])
    project.migration("2_b", up="create table b ();")

    done = dbmigrate("up")

    assert done.exit_code == 0, done.stderr
    assert "warning[W673]: " in done.stderr
    assert f"({code})" in done.stderr
    assert "db/migrations/1_a.sql:6:" in done.stderr
    assert versions(query, database_url) == ["1", "2"]
    assert (dbmigrate("verify").exit_code, dbmigrate("up").exit_code) == (0, 0)


@pytest.mark.parametrize("code", FAULTS)
@pytest.mark.parametrize("command", [("rollback",), ("redo",), ("rollback", "--dry-run")])
def test_what_runs_the_faulty_section_refuses_and_changes_nothing(
    dbmigrate, project, database_url, query, code, command
):
    project.migration("1_a", up=UP, down=FAULTS[code])
    dbmigrate("up")

    done = dbmigrate(*command)

    assert done.exit_code == 2
    assert f"error[{code}]: " in done.stderr
    assert "db/migrations/1_a.sql:6:" in done.stderr
    assert versions(query, database_url) == ["1"]
    assert query(database_url, "select count(*) from a") == [(0,)]


@pytest.mark.parametrize("code", FAULTS)
@pytest.mark.parametrize("command", ["lint", "check"])
def test_lint_and_check_make_it_an_error(dbmigrate, project, code, command):
    project.migration("1_a", up=UP, down=FAULTS[code])

    done = dbmigrate(command)

    assert done.exit_code == 1
    assert code in done.stdout + done.stderr


@pytest.mark.parametrize("command", [("up", "--dry-run"), ("up", "--dry-run", "--execute"), ("deploy", "--no-backup")])
def test_every_way_up_takes_it_for_a_warning(dbmigrate, project, command):
    project.migration("1_a", up=UP, down=CONCURRENTLY)

    done = dbmigrate(*command) if command[0] != "deploy" else (dbmigrate("create"), dbmigrate(*command))[1]

    assert done.exit_code == 0, done.stderr
    assert "W673" in done.stderr


def test_a_deployment_is_not_rolled_back_by_a_section_that_cannot_run(dbmigrate, project, database_url, query):
    project.migration("1_a", up=UP, down=f"drop table if exists z;\n{CONCURRENTLY}")
    dbmigrate("create")

    done = dbmigrate("deploy", "--no-backup", "--health-command", "false", "--health-retries", "0")

    assert done.exit_code == 5, done.stderr
    assert "has a down section that cannot run" in done.stderr
    assert versions(query, database_url) == ["1"]


@pytest.mark.parametrize("fault", ["commit;\nselect 1;", CONCURRENTLY])
def test_rollback_goes_on_where_only_the_up_section_is_faulty(dbmigrate, project, database_url, query, fault):
    path = project.migration("1_a", up=UP, down="drop table a;")
    dbmigrate("up")
    path.write_text(path.read_text().replace(UP, f"{UP}\n{fault}"))

    done = dbmigrate("rollback")

    assert done.exit_code == 0, done.stderr
    assert "warning[W673]: " in done.stderr
    assert versions(query, database_url) == []
    assert dbmigrate("up").exit_code == 2


def test_a_section_that_hides_another_one_is_an_error_of_up(dbmigrate, project):
    """What follows an open quote may be a second pair, which dbmate would run."""
    project.write(
        "1_a.sql",
        "-- migrate:up\ncreate table a ();\n-- migrate:down\nselect 'open;\n"
        "-- migrate:up\ncreate table b ();\n-- migrate:down\n",
    )

    done = dbmigrate("up")

    assert done.exit_code == 2
    assert "error[E217]" in done.stderr


@pytest.mark.parametrize("command", [("baseline", "1"), ("mark", "applied", "1", "--reason", "made by hand")])
def test_what_only_records_takes_any_section(dbmigrate, project, database_url, query, command):
    project.migration("1_a", up=CONCURRENTLY, down=FAULTS["E219"])
    dbmigrate("create")

    done = dbmigrate(*command)

    assert done.exit_code == 0, done.stderr
    assert versions(query, database_url) == ["1"]


def test_a_half_done_file_is_resumed_whatever_its_down_section_holds(dbmigrate, project, database_url, query):
    project.migration("1_a", up="create table a ();\nselect 1/0;", up_options="transaction:false", down=FAULTS["E220"])
    assert dbmigrate("up").exit_code == 5

    undone = dbmigrate("resume", "--undo")
    assert (undone.exit_code, "error[E220]" in undone.stderr) == (2, True)

    path = project.migrations / "1_a.sql"
    path.write_text(path.read_text().replace("1/0", "1"))
    assert dbmigrate("resume").exit_code == 0
    assert versions(query, database_url) == ["1"]
