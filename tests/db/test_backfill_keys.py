"""Keys and their values: what the server could read otherwise, and whether pages use the index."""

from __future__ import annotations

import json

import psycopg
import pytest

from dbmigrate.backfill import key as keys
from dbmigrate.backfill.options import Settings
from dbmigrate.connection import database, dsn
from tests.support.backfills import Told, counters, fill, migrator, project_of, versions


@pytest.fixture
def key_of(database_url):
    """`key_of(*columns)`: the key of the table t."""

    def key_of(*columns: str) -> keys.Key:
        conn = database.connect(dsn.parse(database_url), command="test", on_event=lambda event: None)
        with conn:
            return keys.find(conn, Settings((None, "t"), columns))

    return key_of


def nodes(plan: dict) -> list[str]:
    return [plan["Node Type"], *(each for child in plan.get("Plans", []) for each in nodes(child))]


def explained(query, url: str, sql: str) -> list[str]:
    found = query(url, f"explain (format json) {sql}")[0][0]
    return nodes((found if isinstance(found, list) else json.loads(found))[0]["Plan"])


def test_a_page_along_two_columns_reads_an_index_range(database_url, query, key_of):
    query(database_url, "create table t (a int, b int, n int default 0, primary key (a, b))")
    query(database_url, "insert into t select g / 100, g % 100 from generate_series(1, 20000) g; analyze t")
    key = key_of()

    page = f"update t set n = 1 where {key.condition(None, ('50', '7'), ('52', '93'))}"

    assert "Seq Scan" not in explained(query, database_url, page)
    ranged = query(database_url, f"select count(*) from t where {key.condition(None, ('50', '7'), ('52', '93'))}")
    assert ranged == [(286,)]


def test_a_page_reads_few_of_many_partitions(database_url, query, key_of):
    parts = "".join(
        f"create table t{number} partition of t for values from ({number * 100}) to ({number * 100 + 100});"
        for number in range(60)
    )
    query(database_url, f"create table t (a int, b int, primary key (a, b)) partition by range (a); {parts}")
    query(database_url, "insert into t select g % 6000, g from generate_series(1, 12000) g; analyze t")
    key = key_of()

    found = explained(query, database_url, f"delete from t where {key.condition(None, ('150', '0'), ('250', '0'))}")

    assert sum("Scan" in node for node in found) <= 3


CASES = {
    "German dates": ("id timestamptz primary key", "timestamptz '2024-01-01' + g * interval '1.000001 s'", "DateStyle", "German"),
    "intervals": ("id interval primary key", "g * interval '1 day 1.5 s'", "IntervalStyle", "iso_8601"),
    "bytes": ("id bytea primary key", "decode(md5(g::text), 'hex')", "bytea_output", "escape"),
    "floats": ("id float8 primary key", "case g when 1 then 'NaN' when 2 then '-infinity'::float8 else g / 7.0 end", "extra_float_digits", "-5"),
    "old strings": ("id text primary key", "'k''' || chr(92) || g", "standard_conforming_strings", "off"),
}


@pytest.mark.parametrize("case", CASES)
def test_values_do_not_depend_on_the_settings_of_the_database(database_url, project, query, case):
    column, value, setting, other = CASES[case]
    name = database_url.partition("?")[0].rpartition("/")[2]
    query(database_url, f"alter database {name} set {setting} = '{other}'")
    query(database_url, f"create table t (n int not null default 0, {column})")
    query(database_url, f"insert into t (id) select {value} from generate_series(1, 700) g; analyze t")
    project_of(project, options="batch:100 target:1h pause:0")

    migrator(database_url, project).up()

    assert counters(database_url) == (1, 1, 700)


def test_a_type_of_an_extension_outside_the_search_path_keeps_its_operators(database_url, project, query):
    try:
        query(database_url, "create schema ext; create extension citext schema ext")
    except psycopg.Error as exc:
        pytest.skip(str(exc))
    query(database_url, "create table t (id ext.citext primary key, n int not null default 0)")
    values = "case when g % 2 = 0 then 'B' else 'b' end || g"
    query(database_url, f"insert into t select {values} from generate_series(1, 700) g; analyze t")
    project_of(project, options="batch:100 target:1h pause:0")

    migrator(database_url, project).up()

    assert counters(database_url) == (1, 1, 700)


def test_odd_names_are_quoted(database_url, project, query):
    query(database_url, 'create schema "S 1"; create table "S 1"."T ""x" ("the Key" int primary key, n int default 0)')
    query(database_url, 'insert into "S 1"."T ""x" select g from generate_series(1, 700) g')
    project_of(project, 'update "S 1"."T ""x" set n = n + 1 where :batch;', 'backfill:"S 1"."T ""x" key:"the Key" batch:90')

    migrator(database_url, project).up()

    assert query(database_url, 'select min(n), max(n), count(*) from "S 1"."T ""x"') == [(1, 1, 700)]


def test_a_crlf_file_and_a_key_with_included_columns(database_url, project, query):
    query(database_url, "create table t (id int not null, n int not null default 0, s text default 'x')")
    query(database_url, "create unique index on t (id) include (s)")
    query(database_url, "insert into t select g from generate_series(1, 700) g")
    project.write("1_fill.sql", "-- migrate:up backfill:t key:id batch:90\r\nupdate t set n = n + 1\r\nwhere :batch;\r\n-- migrate:down\r\n")

    migrator(database_url, project).up()

    assert counters(database_url) == (1, 1, 700)


def test_a_page_that_reads_the_whole_table_is_named(database_url, project, query):
    fill(database_url, number=3000)
    project_of(project, "update t set n = n + 1 where coalesce((:batch), false);", "batch:1000")
    told = Told()

    migrator(database_url, project, told).up()

    assert "W351" in told.codes
    assert counters(database_url) == (1, 1, 3000)


def test_int_may_become_bigint_while_it_is_half_done(database_url, project, query):
    query(database_url, "create table t (id int primary key, n int not null default 0)")
    query(database_url, "insert into t select g * 3 from generate_series(1, 1000) g")
    project_of(project, "update t set n = n + 1 / (1500 - id) * 0 + 1 where :batch;", "batch:100 pause:0")
    with pytest.raises(Exception, match="division by zero"):
        migrator(database_url, project).up()
    query(database_url, "alter table t alter id type bigint")
    project_of(project)

    migrator(database_url, project).up()

    assert counters(database_url) == (1, 1, 1000)
    assert versions(database_url) == ["1"]
