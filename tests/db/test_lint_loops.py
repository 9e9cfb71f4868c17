"""What lint says about loops is what the server does: those of L158 never end, the others do, and so does L156's page."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest

from dbmigrate import Migrator
from dbmigrate.cli import explanations
from dbmigrate.api.migrator import Options
from tests.unit.lint.test_rules import ENDING, ENDLESS, TABLES

ROWS = "insert into t (id, a, b, c, d) values (1, null, null, 1, 'x'), (2, null, 2, 2, 'y'), (3, 'z', 3, 3, 'z')"


@pytest.fixture
def connection(database_url: str):
    with psycopg.connect(database_url) as opened:
        opened.execute(f"{TABLES} {ROWS}")
        yield opened


@pytest.mark.parametrize("loop", ENDLESS)
def test_a_loop_that_is_found_never_ends(loop: str, connection: psycopg.Connection) -> None:
    connection.execute("set local statement_timeout = '300ms'")

    with pytest.raises(psycopg.errors.QueryCanceled):
        connection.execute(f"do $$ declare n int; begin {loop} end $$")


@pytest.mark.parametrize("loop", ENDING)
def test_a_loop_that_is_left_alone_ends(loop: str, connection: psycopg.Connection) -> None:
    connection.execute("set local statement_timeout = '20s'")
    connection.execute(f"do $$ declare n int := 0; begin {loop} end $$")


def test_the_example_of_l156_ends_where_a_value_is_missing(tmp_path: Path, database_url: str) -> None:
    example = re.search(r"```sql\n(.*?)```", explanations.explain("L156").text, re.DOTALL)
    assert example is not None
    (tmp_path / "1_base.sql").write_text(
        "-- migrate:up\ncreate table users (id bigint primary key, name text, full_name text);\n"
        "insert into users select n, case when n % 7 > 0 then 'x' end from generate_series(1, 2500) n;\n"
        "-- migrate:down\ndrop table users;\n"
    )
    (tmp_path / "2_fill.sql").write_text(example[1])
    with psycopg.connect(database_url, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f'alter database "{name}" set statement_timeout = \'20s\'')
    Migrator(database_url, Options(directories=(str(tmp_path),))).migrate()

    with psycopg.connect(database_url) as connection:
        query = "select count(*), count(full_name) from users where full_name is not distinct from name"
        assert connection.execute(query).fetchone() == (2500, 2143)
