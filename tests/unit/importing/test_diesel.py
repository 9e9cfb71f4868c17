"""Diesel: a folder per migration, its version, and what metadata.toml means."""

from __future__ import annotations

import pytest

from dbmigrate.errors import MigrationFileError
from dbmigrate.importing.diesel import TOOL
from dbmigrate.importing.values import Answers, HistoryTable, Row, State
from tests.support.importing_states import fixture, source


def read(**files: str | bytes):
    return TOOL.read(source(**files), Answers())


def test_the_version_is_the_folder_up_to_the_first_underscore_without_dashes() -> None:
    [migration] = read(**{"migrations/2026-06-01-080000_create_the_harbour/up.sql": "select 1;"}).migrations

    assert (migration.version, migration.name) == ("20260601080000", "create the harbour")
    assert TOOL.matches(migration, Row("20260601080000", State.APPLIED))


def test_the_initial_setup_is_a_migration_and_comes_first() -> None:
    [first, *_] = TOOL.read(fixture("diesel"), Answers()).migrations

    assert first.version == "00000000000000"
    assert "stamp_now" in first.ups[0].sql


def test_versions_sort_as_text() -> None:
    found = read(**{"9_a/up.sql": "select 1;", "10_b/up.sql": "select 1;", "2026-01-01_c/up.sql": "select 1;"})

    assert [each.version for each in found.migrations] == ["10", "20260101", "9"]


def test_without_metadata_a_migration_runs_in_a_transaction() -> None:
    [migration] = read(**{"1_x/up.sql": "select 1;", "1_x/down.sql": "select 2;"}).migrations

    assert migration.ups[0].transaction
    assert migration.judgements == ()


@pytest.mark.parametrize("toml", ["run_in_transaction = false\n", "", "# nothing said\n", "other = 1\r\n"])
def test_a_metadata_file_without_the_key_means_no_transaction_for_up_and_down(toml: str) -> None:
    [migration] = read(**{"1_x/up.sql": "select 1;", "1_x/down.sql": "select 2;", "1_x/metadata.toml": toml}).migrations

    assert not migration.ups[0].transaction
    assert migration.downs is not None
    assert not migration.downs[0].transaction


def test_what_diesel_makes_of_a_missing_key_is_said_where_the_sql_does_not_need_it() -> None:
    silent = read(**{"1_x/up.sql": "select 1;", "1_x/metadata.toml": ""}).migrations[0]
    plain = read(**{"1_x/up.sql": "vacuum;", "1_x/metadata.toml": ""}).migrations[0]

    assert "without run_in_transaction" in silent.judgements[0].message
    assert plain.judgements == ()


def test_run_in_transaction_true_is_a_transaction() -> None:
    [migration] = read(**{"1_x/up.sql": "select 1;", "1_x/metadata.toml": "run_in_transaction = true"}).migrations

    assert migration.ups[0].transaction


@pytest.mark.parametrize(("toml", "line"), [('# a\nrun_in_transaction = "false"\n', 2), ("run_in_transaction =", 1)])
def test_metadata_that_is_not_understood_is_refused_with_its_place(toml: str, line: int) -> None:
    with pytest.raises(MigrationFileError) as told:
        read(**{"1_x/up.sql": "select 1;", "1_x/metadata.toml": toml})

    assert (told.value.code, told.value.place and told.value.place.path) == ("E281", "old/1_x/metadata.toml")
    assert told.value.place is not None
    assert told.value.place.line == line


def test_a_folder_without_down_has_no_down_and_an_empty_down_is_one() -> None:
    missing, empty = read(**{"1_x/up.sql": "select 1;", "2_y/up.sql": "select 1;", "2_y/down.sql": ""}).migrations

    assert missing.downs is None
    assert empty.downs is not None


def test_other_files_and_folders_without_up_are_named() -> None:
    reading = read(**{"m/1_x/up.sql": "select 1;", "m/1_x/notes.txt": "", "m/2_y/down.sql": "x", "Cargo.toml": ""})

    assert set(reading.left_out) == {"m/1_x/notes.txt", "m/2_y"}


def test_two_folders_of_one_version_are_refused() -> None:
    with pytest.raises(MigrationFileError, match="have the same version"):
        read(**{"2026-01-01_a/up.sql": "select 1;", "20260101_b/up.sql": "select 1;"})


def test_a_folder_is_skipped_by_its_path() -> None:
    reading = TOOL.read(source(**{"1_x/up.sql": "'", "2_y/up.sql": "select 1;"}), Answers(skip=frozenset({"1_x"})))

    assert [each.version for each in reading.migrations] == ["2"]


def test_crlf_and_a_byte_order_mark_are_read() -> None:
    [migration] = read(**{"1_x/up.sql": b"\xef\xbb\xbfselect 1;\r\nselect 2;\r\n"}).migrations

    assert migration.ups[0].sql == "select 1;\r\nselect 2;\r\n"


def test_it_is_told_by_its_folders_and_by_its_table() -> None:
    assert TOOL.recognises(fixture("diesel"))
    assert not TOOL.recognises(fixture("prisma"))
    assert TOOL.owns(HistoryTable("public", "__diesel_schema_migrations", ("version", "run_on")), frozenset())
    assert not TOOL.owns(HistoryTable("public", "pgmigrations", ("id", "name", "run_on")), frozenset())


def test_there_are_no_checksums() -> None:
    [migration] = read(**{"1_x/up.sql": "select 1;"}).migrations

    assert TOOL.verifies(migration, Row("1", State.APPLIED)) is None
