"""Where a project or a table of another tool is met, `import` is named with the tool."""

from __future__ import annotations

import pytest

from dbmigrate.importing.tools import TOOLS
from dbmigrate.migrations import other_tools
from tests.support.projects import Project


def test_every_tool_that_can_be_imported_is_named_as_such() -> None:
    code = {"alembic", "django", "knex", "rails", "typeorm"}  # there `baseline` is the usual way

    assert set(TOOLS) - code <= set(other_tools.IMPORTED.values())


@pytest.mark.parametrize(
    ("name", "text", "tool"),
    [
        ("V1__users.sql", "select 1;\n", "flyway"),
        ("1_users.sql", "-- +goose Up\nselect 1;\n", "goose"),
        ("1_users.sql", "-- +migrate Up\nselect 1;\n", "sql-migrate"),
        ("1_users.up.sql", "select 1;\n", "golang-migrate"),
    ],
)
def test_a_file_of_another_tool_is_refused_with_the_way_in(
    project: Project, name: str, text: str, tool: str, database_url: str, run
) -> None:
    project.write(name, text)

    done = run("check" if name.startswith("V") else "up", env={"DATABASE_URL": database_url})

    assert done.exit_code == 2
    assert f"`dbmigrate import ./db/migrations --from {tool}` converts" in done.stderr.replace(
        "import db/", "import ./db/"
    )


def test_a_pair_of_files_names_the_way_in(project: Project, database_url: str, run) -> None:
    project.write("1_users.up.sql", "select 1;\n")
    project.write("1_users.down.sql", "select 1;\n")

    done = run("up", env={"DATABASE_URL": database_url})

    assert "error[E221]" in done.stderr
    assert "dbmigrate import" in done.stderr
    assert "--from golang-migrate" in done.stderr


def test_the_table_of_another_tool_under_our_name_names_the_way_in(
    project: Project, database_url: str, query, run
) -> None:
    query(database_url, "create table schema_migrations (version bigint primary key, dirty boolean not null)")
    project.migration("1_a", up="select 1;")

    done = run("up", env={"DATABASE_URL": database_url})

    assert "error[E713]" in done.stderr
    assert "`dbmigrate import SOURCE --from golang-migrate --history`" in done.stderr


def test_a_history_that_has_recorded_these_files_names_the_way_in(
    project: Project, database_url: str, query, run
) -> None:
    query(database_url, "create table goose_db_version (id int, version_id bigint, is_applied bool, tstamp timestamp)")
    query(database_url, "insert into goose_db_version values (1, 1, true, now())")
    project.migration("1_a", up="select 1;")

    done = run("up", env={"DATABASE_URL": database_url})

    assert "error[E715]" in done.stderr
    assert "`dbmigrate import SOURCE --from goose --history`" in done.stderr


def test_a_first_run_beside_another_history_names_the_way_in(project: Project, database_url: str, query, run) -> None:
    query(database_url, "create table goose_db_version (id int, version_id bigint, is_applied bool, tstamp timestamp)")
    project.migration("7_a", up="select 1;")
    env = {"DATABASE_URL": database_url}

    assert "`dbmigrate import SOURCE --from goose --history`" in run("status", env=env).stderr
    protected = run(
        "-e",
        "production",
        "up",
        "--yes",
        env={"PRODUCTION_DATABASE_URL": database_url, "DBMIGRATE_PROTECTED": "production"},
    )
    assert "error[E716]" in protected.stderr
    assert "`dbmigrate -e production import SOURCE --from goose --history`" in protected.stderr


def test_where_only_tables_are_there_nothing_is_said_of_other_tools(
    project: Project, database_url: str, query, run
) -> None:
    query(database_url, "create table boats (id int)")
    project.migration("7_a", up="select 1;")

    assert "dbmigrate import" not in run("status", env={"DATABASE_URL": database_url}).stderr
