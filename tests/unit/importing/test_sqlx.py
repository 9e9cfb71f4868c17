"""sqlx: names, pairs, the mark for no transaction, and the sums that its table keeps."""

from __future__ import annotations

import hashlib

import pytest

from dbmigrate.errors import MigrationFileError
from dbmigrate.importing.sqlx import TOOL
from dbmigrate.importing.values import Answers, HistoryTable, Row, State
from tests.support.importing_states import fixture, source

_COLUMNS = ("version", "description", "installed_on", "success", "checksum", "execution_time")


def read(**files: str | bytes):
    return TOOL.read(source(**files), Answers())


def test_a_pair_is_one_migration_with_its_description_in_words() -> None:
    [first, *_] = TOOL.read(fixture("sqlx"), Answers()).migrations

    assert (first.version, first.name) == ("20260101010000", "create harbour")
    assert first.path == "20260101010000_create_harbour.up.sql"
    assert first.downs is not None
    assert first.downs[0].sql == "DROP TABLE trips;\nDROP TABLE boats;\n"


def test_a_simple_file_has_no_down() -> None:
    [migration] = read(**{"1_boats.sql": "create table boats ();"}).migrations

    assert migration.downs is None


def test_versions_sort_as_numbers_and_keep_their_text() -> None:
    found = read(**{"10_b.sql": "select 1;", "9_a.sql": "select 1;", "008_c.sql": "select 1;"}).migrations

    assert [each.version for each in found] == ["008", "9", "10"]
    assert TOOL.matches(found[0], Row("8", State.APPLIED))


def test_the_first_line_no_transaction_counts_for_its_own_file() -> None:
    index = next(each for each in TOOL.read(fixture("sqlx"), Answers()).migrations if "index" in each.name)

    assert not index.ups[0].transaction
    assert index.ups[0].sql.lstrip().startswith("CREATE INDEX CONCURRENTLY")

    [migration] = read(
        **{"1_x.up.sql": "-- no-transaction\nvacuum;", "1_x.down.sql": "-- a comment\n-- no-transaction\nselect 1;"}
    ).migrations

    assert not migration.ups[0].transaction
    assert migration.downs is not None
    assert migration.downs[0].transaction


def test_the_mark_behind_a_byte_order_mark_does_not_count() -> None:
    [migration] = read(**{"1_x.sql": b"\xef\xbb\xbf-- no-transaction\nselect 1;"}).migrations

    assert migration.ups[0].transaction
    assert "byte order mark" in migration.judgements[0].message


def test_words_behind_the_mark_stay_as_a_comment() -> None:
    [migration] = read(**{"1_x.sql": "-- no-transaction: it is an index\nvacuum;"}).migrations

    assert migration.ups[0].sql == "-- no-transaction: it is an index\nvacuum;"
    assert not migration.ups[0].transaction


def test_crlf_stays_inside_a_body() -> None:
    [migration] = read(**{"1_x.sql": "-- no-transaction\r\nselect 1;\r\nselect 2;\r\n"}).migrations

    assert migration.ups[0].sql == "select 1;\r\nselect 2;\r\n"


def test_sub_folders_are_not_read() -> None:
    reading = read(**{"1_x.sql": "select 1;", "archive/2_y.sql": "select 2;"})

    assert [each.path for each in reading.migrations] == ["1_x.sql"]
    assert "sub folder" in reading.left_out["archive/2_y.sql"]


def test_files_without_a_number_and_downs_without_an_up_are_named() -> None:
    reading = read(**{"1_x.sql": "select 1;", "seed.sql": "select 2;", "2_y.down.sql": "select 3;", "README.md": "x"})

    assert set(reading.left_out) == {"seed.sql", "2_y.down.sql"}


def test_two_files_of_one_number_are_refused_with_both_names() -> None:
    with pytest.raises(MigrationFileError, match=r"001_b\.sql and 1_a\.sql have the same number") as told:
        read(**{"1_a.sql": "select 1;", "001_b.sql": "select 2;"})

    assert told.value.code == "E281"


def test_a_number_beyond_sixty_three_bits_is_refused() -> None:
    with pytest.raises(MigrationFileError, match="greater than sqlx can count"):
        read(**{"9223372036854775808_x.sql": "select 1;"})


def test_an_unclosed_quote_is_told_with_its_place() -> None:
    with pytest.raises(MigrationFileError) as told:
        read(**{"1_x.sql": "select 1;\nselect 'open;\n"})

    assert (told.value.code, str(told.value.place)) == ("E281", "old/1_x.sql:2:8")


def test_bytes_that_are_not_utf8_are_told_with_their_place() -> None:
    with pytest.raises(MigrationFileError, match="0xe4") as told:
        read(**{"1_x.sql": b"select 1;\n-- M\xe4we\n"})

    assert (told.value.code, str(told.value.place)) == ("E210", "old/1_x.sql:2:5")


def test_the_sum_is_sha_384_of_the_bytes_of_the_up_file() -> None:
    content = b"\xef\xbb\xbfselect 1;\r\n"
    [migration] = read(**{"1_x.up.sql": content, "1_x.down.sql": "select 2;"}).migrations

    assert TOOL.verifies(migration, Row("1", State.APPLIED, checksum=hashlib.sha384(content).hexdigest()))
    assert TOOL.verifies(migration, Row("1", State.APPLIED, checksum=hashlib.sha384(b"other").hexdigest())) is False
    assert TOOL.verifies(migration, Row("1", State.APPLIED)) is None


def test_the_sum_of_the_same_text_with_other_line_ends_is_accepted() -> None:
    [migration] = read(**{"1_x.sql": "select 1;\r\nselect 2;\r\n"}).migrations
    unix = hashlib.sha384(b"select 1;\nselect 2;\n").hexdigest()

    assert TOOL.verifies(migration, Row("1", State.APPLIED, checksum=unix))


def test_sqlx_toml_names_the_directory_and_characters_that_the_sum_ignores() -> None:
    toml = '[migrate]\nmigrations-dir = "db/steps"\nignored-chars = ["\\r", " "]\n'
    reading = read(**{"sqlx.toml": toml, "db/steps/1_x.sql": "select 1;\r\n", "db/steps/old/2_y.sql": "x"})

    [migration] = reading.migrations
    assert TOOL.verifies(migration, Row("1", State.APPLIED, checksum=hashlib.sha384(b"select1;\n").hexdigest()))


def test_a_skipped_file_is_left_out() -> None:
    reading = TOOL.read(source(**{"1_x.sql": "'", "2_y.sql": "select 1;"}), Answers(skip=frozenset({"1_x.sql"})))

    assert [each.version for each in reading.migrations] == ["2"]
    assert reading.left_out == {"1_x.sql": "left out, as asked"}


def test_it_is_recognised_by_the_mark_or_by_names_without_the_mark_of_another_tool() -> None:
    assert TOOL.recognises(fixture("sqlx"))
    assert TOOL.recognises(source(**{"1_x.up.sql": "select 1;", "1_x.down.sql": "select 1;"}))
    assert not TOOL.recognises(source(**{"1_x.sql": "-- +goose Up\nselect 1;"}))
    assert not TOOL.recognises(source(**{"1_x.sql": "-- migrate:up\nselect 1;"}))
    assert not TOOL.recognises(fixture("tern"))
    assert not TOOL.recognises(fixture("supabase"))
    assert not TOOL.recognises(source(**{"x.sql": "select 1;"}))


def test_the_table_is_told_by_its_columns() -> None:
    flyway = ("installed_rank", "version", "description", "installed_on", "success", "checksum", "execution_time")

    assert TOOL.owns(HistoryTable("public", "any_name", _COLUMNS), frozenset())
    assert not TOOL.owns(HistoryTable("public", "_sqlx_migrations", flyway), frozenset())


def test_a_row_without_success_is_failed_and_one_without_a_duration_says_so() -> None:
    def query(sql: str, *parameters: object):
        return [(1, "x", None, False, None, 5), (2, "y", None, True, "aa", -1)]

    failed, ended = TOOL.history(query, HistoryTable("a b", 'q"x', _COLUMNS), Answers())

    assert failed.state is State.FAILED
    assert ended.state is State.APPLIED
    assert "ended" in ended.remark
