"""What a file leaves set in its session, which dbmate carries on into the files after it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbmigrate.migrations import parser
from dbmigrate.model import MigrationFile

LEFT = {
    "set search_path = app;": "search_path",
    "SET SESSION search_path TO app, public;": "search_path",
    'set "search_path" = app;': "search_path",
    "set schema 'app';": "search_path",
    "set role reader;": "role",
    "set session authorization reader;": "session authorization",
    "set time zone 'UTC';": "timezone",
    "set session characteristics as transaction read only;": "session characteristics",
    "set app.tenant = '1';": "app.tenant",
    "select pg_catalog.set_config('search_path', '', false);": "search_path",
    "SELECT set_config('search_path', 'a' , FALSE)": "search_path",
    "set lock_timeout = 0; select 1; set search_path = x; set lock_timeout = 1;": "lock_timeout, search_path",
    "reset all; set search_path = x;": "search_path",
    "set client_encoding = 'LATIN1';": "client_encoding",
}
NOTHING = [
    "select 1;",
    "set local search_path = app;",
    "set transaction isolation level serializable;",
    "set constraints all deferred;",
    "set search_path = app; select 1; reset search_path;",
    "set search_path = app; set search_path to default;",
    "set search_path = app; reset all;",
    "set role x; set role none;",
    "set role x; reset role;",
    "set session authorization x; reset session authorization;",
    "set time zone 'UTC'; set time zone local;",
    "SET client_encoding = 'UTF8'; SET standard_conforming_strings = on;",
    "select set_config('search_path', 'a', true);",
    "select 'set search_path = app';",
    "create function f() returns int language sql set search_path = app as 'select 1';",
    "alter role x set search_path = app;",
    "update t set search_path = 'app';",
]


def problems(tmp_path: Path, text: str) -> list[tuple[str, str, str]]:
    path = tmp_path / "1_a.sql"
    path.write_text(text)
    migration = parser.read(MigrationFile("1", path.name, str(path)))
    return [(each.code, str(each.place), each.message) for each in migration.problems]


@pytest.mark.parametrize("size", [0, 70_000, 1 << 20], ids=["small", "medium", "large"])
@pytest.mark.parametrize("sql", LEFT)
def test_what_is_left_is_told_with_the_place_of_the_first(tmp_path, sql, size):
    padding = f"/* {'x' * size} */ " if size else ""
    found = problems(tmp_path, f"-- migrate:up\n{sql}\n-- migrate:down\nset search_path = x; {padding}\n")

    (code, place, message) = found[0]
    assert len(found) == 1
    assert code == "W675"
    assert place.startswith(f"{tmp_path}/1_a.sql:2:")
    assert message.startswith(f"{LEFT[sql]} is set for the session")


@pytest.mark.parametrize("sql", NOTHING)
def test_what_is_taken_back_or_ends_with_the_transaction_is_not_told(tmp_path, sql):
    assert problems(tmp_path, f"-- migrate:up\n{sql}\n-- migrate:down\n") == []
