"""What is told of a statement: where its error stands, which one runs, what it leaves set in the session."""

from __future__ import annotations

import pytest

from dbmigrate.errors import Error
from dbmigrate.events import Progress
from dbmigrate.api.migrator import Migrator, Options


@pytest.mark.parametrize(
    ("sql", "column", "width"),
    [
        ('drop table "No such table";', 12, 15),
        ('drop table s."No such table";', 14, 15),
        ('alter table "t" add constraint "c c" check (true), add constraint "x" check (true);', 13, 3),
        ("drop table nowhere;", 12, 7),
        ('select * from "No such table";', 15, 15),
        ('create table "t" (id int);', 14, 3),
    ],
)
def test_the_caret_stands_below_the_quote_of_a_quoted_name(project, database_url, sql, column, width):
    before = 'create table "t" (id int); alter table "t" add constraint "c" check (true); create schema s;'
    project.migration("1_a", up=before)
    project.migration("2_b", up="\n" + sql)
    if "add constraint" in sql:
        sql = sql.replace('"c c"', '"c"')
        project.migration("2_b", up="\n" + sql)
        column, width = sql.index('"c"') + 1, 3

    with pytest.raises(Error) as caught:
        Migrator(database_url, Options(directories=(str(project.migrations),))).up()

    error = caught.value
    assert error.place is not None and error.excerpt is not None
    assert (error.place.line, error.place.column) == (3, column)
    assert (error.excerpt.column, error.excerpt.width) == (column, width)


def told(project, database_url) -> list[Progress]:
    events: list[object] = []
    options = Options(directories=(str(project.migrations),))
    Migrator(database_url, options, on_event=events.append).up()
    return [event for event in events if isinstance(event, Progress)]


def test_of_statements_that_run_together_none_is_said_to_be_running(project, database_url):
    project.migration("1_a", up="create table a (id int);\nselect pg_sleep(0.8);\nselect 1;")

    progress = told(project, database_url)

    assert {(event.number, event.last, event.sql) for event in progress} == {(1, 3, "")}


def test_a_statement_that_runs_alone_is_named(project, database_url):
    project.migration("1_a", up="create table a (id int);\nselect pg_sleep(0.8);", up_options="transaction:false")

    progress = told(project, database_url)

    assert {(event.number, event.last, event.sql) for event in progress} == {(2, 2, "select pg_sleep(0.8);")}


def test_a_search_path_that_a_file_leaves_is_told_with_its_place_and_does_not_hold_in_the_next(run, project, database_url, query):
    project.migration("1_a", up="create schema app;\nset search_path = app;\ncreate table a (id int);")
    project.migration("2_b", up="create table b (id int);")

    done = run("up", env={"DATABASE_URL": database_url})

    assert done.exit_code == 0, done.stderr
    assert "warning[W675]: search_path is set for the session" in done.stderr
    assert "1_a.sql:3:1" in done.stderr
    assert query(database_url, "select to_regclass('app.a')::text, to_regclass('public.b')::text") == [("app.a", "b")]

    again = run("up", env={"DATABASE_URL": database_url})
    assert "W675" not in again.stderr
