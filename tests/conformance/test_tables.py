"""T1 to T6: the tracking table."""

from __future__ import annotations

import pytest

from tests.conformance.programs import lines, said, with_parameters
from tests.conformance.seen import scalar, tables, versions


@pytest.fixture(autouse=True)
def _migration(project):
    project.migration("1_a", up="create table public.a (i int);", down="drop table public.a;")


def test_t1_the_default(program, url, query):
    program.ok("migrate", url=url)
    program.ok("migrate", url=url)

    columns = query(
        url,
        "select column_name, data_type, character_maximum_length, is_nullable, column_default"
        " from information_schema.columns where table_name = 'schema_migrations'",
    )
    assert columns == [("version", "character varying", None, "NO", None)]
    assert scalar(url, "select indisprimary from pg_index where indrelid = 'public.schema_migrations'::regclass")


@pytest.mark.parametrize("column", ["varchar(255)", "varchar(128)", "text"])
def test_t1_a_table_of_an_older_dbmate_is_taken(program, project, url, query, column):
    query(url, f"create table schema_migrations (version {column} primary key)")
    query(url, "insert into schema_migrations values ('1')")
    project.migration("2_b", up="create table b (i int);")

    program.ok("migrate", url=url)

    assert versions(url) == ["1", "2"]
    assert tables(url) == ["b", "schema_migrations"]


def test_t1_further_columns_are_left_alone(program, url, query):
    query(url, "create table schema_migrations (version varchar primary key, note text default 'x')")

    program.ok("migrate", url=url)

    assert query(url, "select * from schema_migrations") == [("1", "x")]


@pytest.mark.parametrize(
    ("options", "variables"),
    [(["--migrations-table", "history"], {}), ([], {"DBMATE_MIGRATIONS_TABLE": "history"})],
)
def test_t1_another_name(program, url, options, variables):
    program.ok(*options, "migrate", url=url, env=variables)

    assert tables(url) == ["a", "history"]


def test_t2_the_schema_is_the_first_of_the_search_path(program, url):
    program.ok(
        "--migrations-table", "testMigrations", "migrate", url=with_parameters(url, search_path="foo,bar,public")
    )

    assert tables(url) == ["a", "foo.testMigrations"]


def test_t2_a_schema_that_exists_is_taken(program, url, query):
    query(url, "create schema foo")

    done = program.ok("migrate", url=with_parameters(url, search_path="foo"))

    assert lines(said(done), "Creating") == []
    assert tables(url) == ["a", "foo.schema_migrations"]


def test_t2_a_schema_that_is_made_is_told(program, url):
    done = program.ok("migrate", url=with_parameters(url, search_path="foo"))

    assert lines(said(done), "Creating schema: foo") == ["Creating schema: foo"]


def test_t3_an_explicit_schema_beats_the_search_path(program, url):
    url_with_path = with_parameters(url, search_path="foo")

    program.ok("--migrations-table", "camelSchema.testMigrations", "migrate", url=url_with_path)

    assert tables(url) == ["a", "camelSchema.testMigrations"]


def test_t4_an_empty_search_path_means_public(program, url):
    program.ok("migrate", url=with_parameters(url, search_path=""))

    assert tables(url) == ["a", "schema_migrations"]


def test_t4_the_search_path_of_the_role_or_database_counts(program, url, query):
    query(url, "create schema foo")
    query(url, "do $$ begin execute format('alter database %I set search_path to foo', current_database()); end $$")

    program.ok("migrate", url=url)

    assert tables(url) == ["a", "foo.schema_migrations"]


@pytest.mark.parametrize(
    "table",
    ["custom$schema.schema_migrations", "schema.custom#table#name", "custom-schema.custom@table@name", "Ü.ï", "ta'ble"],
)
def test_t5_special_characters(program, url, table):
    program.ok("--migrations-table", table, "migrate", url=url)
    again = program.ok("--migrations-table", table, "migrate", url=url)

    assert tables(url) == sorted(["a", table], key=lambda name: name)
    assert lines(said(again), "Appl") == []


def test_t5_a_search_path_with_special_characters(program, url):
    program.ok("migrate", url=with_parameters(url, search_path="custom-schema"))

    assert tables(url) == ["a", "custom-schema.schema_migrations"]


def test_t6_only_its_own_row_goes(program, project, url, query):
    project.migration("2_b", up="select 1;")
    program.ok("migrate", url=url)
    query(url, "insert into schema_migrations values ('0'), ('1x')")

    program.ok("rollback", url=url)

    assert versions(url) == ["0", "1", "1x"]
