"""Lines to targets: which forms there are, what is listed twice, what may be one place under two names."""

from __future__ import annotations

import json

import pytest

from dbmigrate.connection import dsn
from dbmigrate.errors import ConfigError
from dbmigrate.targets import reading

BASE = "postgres://app:s3cret@db.example:5433/main?search_path=extensions"


def read(*lines: str, base: str = BASE):
    return reading.read(lines, "list", base=lambda: dsn.parse(base), complete=lambda url: url)


def names(*lines: str) -> list[str]:
    return [target.name for target in read(*lines).targets]


def test_a_database_is_on_the_configured_server():
    (target,) = read("database:tenant 1").targets

    assert (target.dsn.database, target.dsn.conninfo["host"], target.dsn.user) == ("tenant 1", "db.example", "app")
    assert target.name == "database:tenant 1"


def test_a_schema_stands_before_what_the_search_path_names():
    (target,) = read('schema:Tenant"1').targets

    assert target.dsn.search_path == ('Tenant"1', "extensions")
    assert target.dsn.database == "main"


def test_a_schema_is_alone_where_the_url_has_no_search_path():
    (target,) = read("schema:one", base="postgres://app@db/main").targets

    assert target.dsn.search_path == ("one",)


def test_comments_blank_lines_and_a_byte_order_mark_are_skipped():
    assert names("\ufeff# tenants", "", "   ", "  database:a  ", "#database:b", "database:c\r") == [
        "database:a",
        "database:c",
    ]


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("postgres://app:s3cret@h/db", "postgres://app@h/db"),
        ("postgres://app:s3?c#ret@h/db", "postgres://app@h/db"),
        ("postgres://app@h/db?password=s3cret&search_path=x", "postgres://app@h/db?search_path=x"),
        ("postgres://app@h/db?pass%77ord=s3cret", "postgres://app@h/db"),
        ("postgres://h/db?user=a@b&password=s3cret", "postgres://h/db?user=a@b"),
    ],
)
def test_the_name_of_a_url_has_no_password(url, name):
    (target,) = read(url).targets

    assert target.name == name
    assert "s3" not in target.name
    assert "s3" not in repr(target)


def test_a_url_does_not_need_a_configured_database():
    def base():
        raise AssertionError("nobody asks for it")

    found = reading.read(["postgres://h/a"], "list", base=base, complete=lambda url: url)

    assert [target.dsn.database for target in found.targets] == ["a"]


@pytest.mark.parametrize(
    "line", ["tenant_1", "host=db password=s3cret dbname=x", "database:", "schema:  ", "schema:a\x07b"]
)
def test_a_line_of_another_form_is_refused_with_its_place(line):
    with pytest.raises(ConfigError) as caught:
        read("# a comment", line)

    assert caught.value.code == "E273"
    assert caught.value.message.startswith("list:2: ")
    assert "s3cret" not in caught.value.message + str(caught.value.hint)


def test_a_wrong_url_is_refused_with_its_place():
    with pytest.raises(ConfigError) as caught:
        read("mysql://h/x")

    assert caught.value.code == "E202"


def test_a_word_alone_is_told_both_forms():
    with pytest.raises(ConfigError) as caught:
        read("tenant_1")

    assert caught.value.hint == "write database:tenant_1 or schema:tenant_1"


@pytest.mark.parametrize("lines", [(), ("# nothing",)])
def test_a_list_without_targets_is_refused(lines):
    with pytest.raises(ConfigError) as caught:
        read(*lines)

    assert (caught.value.code, caught.value.message) == ("E273", "list names no target")


def test_the_embedded_server_is_none_of_several():
    with pytest.raises(ConfigError) as caught:
        read("embedded://x")

    assert caught.value.code == "E273"


def test_what_is_listed_twice_is_there_once():
    found = read("database:a", "postgres://app:other@db.example:5433/a?search_path=b", "database:a", "database:b")

    assert [target.name for target in found.targets] == [
        "database:a",
        "postgres://app@db.example:5433/a?search_path=b",
        "database:b",
    ]
    assert found.repeated == (("database:a", "database:a"),)


def test_a_default_port_is_the_same_as_that_port():
    found = read("postgres://h/a", "postgres://h:5432/a")

    assert found.repeated == (("postgres://h:5432/a", "postgres://h/a"),)


def test_a_report_is_a_list_and_what_is_not_done_comes_first():
    lines = [
        {"format": "dbmigrate/1", "target": "database:a", "result": "done"},
        {"format": "dbmigrate/1", "target": "database:b", "result": "failed"},
        {"format": "dbmigrate/1", "target": "database:c", "result": "not-started"},
        {"format": "dbmigrate/1", "targets": 3, "exit_code": 4},
        {"format": "dbmigrate/1", "ok": False, "error": {"code": "E143"}},
    ]

    assert names(*map(json.dumps, lines)) == ["database:b", "database:c", "database:a"]


@pytest.mark.parametrize("line", ["{", '{"target": 5}', '{"tenant": "a"}'])
def test_a_line_that_is_of_no_report_is_refused(line):
    with pytest.raises(ConfigError) as caught:
        read(line)

    assert caught.value.code == "E273"


def test_databases_of_one_name_on_servers_of_two_names_may_be_one():
    same, other = "postgres://localhost/a", "postgres://127.0.0.1/a"

    assert reading.ambiguous(read(same, other, "postgres://127.0.0.1/b").targets) == {same, other}


def test_a_schema_and_the_database_that_begins_with_it_may_be_one():
    whole, part = "postgres://h/a", "postgres://h/a?search_path=public"

    assert reading.ambiguous(read(whole, part).targets) == {whole, part}


def test_schemas_of_one_database_are_not_one():
    assert reading.ambiguous(read("schema:a", "schema:b", "database:c").targets) == frozenset()
