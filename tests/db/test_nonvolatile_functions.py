"""Which DEFAULT rewrites a table: the list of functions is PostgreSQL's own, and the server does what it says."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import psycopg
import pytest

from dbmigrate.lint.catalog import Catalog
from dbmigrate.lint.sql.columns import texts
from dbmigrate.lint.sql.expressions import volatile_call
from dbmigrate.lint.sql.reading import read

SCRIPT = Path(__file__).parents[2] / "scripts" / "nonvolatile_functions.py"
NONVOLATILE = [
    "regexp_replace('a', 'b', 'c')",
    "array_length(array[1], 1)",
    "array_to_string(array['a', 'b'], ',')",
    "now()",
    "pg_catalog.lower('A')",
    "coalesce(null, greatest(1, least(2, 3)))::text",
    "cast(1 as varchar(5))",
    "trim(both 'x' from 'xax')",
    "extract(year from current_date)",
    "jsonb_build_object('a', 1)",
    "current_setting('search_path')",
    "to_char(now(), 'YYYY')",
    "(case when 1 in (1, 2) and not (1 = any (array[2])) then 'a' else 'b' end)",
    "date_trunc('day', now()) + make_interval(days => 1)",
]
VOLATILE = [
    "current_query()",
    "random()",
    "clock_timestamp()",
    "gen_random_uuid()",
    "nextval('s')",
    "timeofday()",
    "pg_catalog.random()",
    "set_config('a.b', 'c', false)",
    "md5(random()::text)",
    "txid_current_if_assigned() + random()",
]


def called(default: str) -> str | None:
    return volatile_call(texts(read(default).words), Catalog())


def rewrites(connection: psycopg.Connection, default: str) -> bool:
    """Whether ADD COLUMN with this default rewrites the table."""
    connection.execute("create table t (a int); insert into t values (1); create sequence s")
    query = "select relfilenode from pg_class where oid = 't'::regclass"
    before = connection.execute(query).fetchone()
    connection.execute(f"alter table t add column b text default ({default})::text")
    after = connection.execute(query).fetchone()
    connection.rollback()
    return before != after


@pytest.mark.parametrize("default", NONVOLATILE)
def test_a_default_with_one_value_is_free(default: str, database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        assert (called(default) is not None, rewrites(connection, default)) == (False, False)


@pytest.mark.parametrize("default", VOLATILE)
def test_a_default_with_a_value_for_each_row_is_named(default: str, database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        assert (called(default) is not None, rewrites(connection, default)) == (True, True)


def test_the_list_in_the_package_is_that_of_the_newest_server(database_url: str) -> None:
    spec = importlib.util.spec_from_file_location("nonvolatile_functions", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    with psycopg.connect(database_url) as connection:
        if connection.info.server_version < 180000:
            pytest.skip("the list is that of PostgreSQL 18")
        assert script.TARGET.read_text() == script.text_of(script.nonvolatile_functions(connection))
