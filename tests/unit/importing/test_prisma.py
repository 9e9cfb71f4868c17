"""Prisma: folders, several rows per migration, and the sums that its table keeps."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from dbmigrate.importing.prisma import TOOL
from dbmigrate.importing.values import Answers, HistoryTable, Row, State
from tests.support.importing_states import fixture, source

_TABLE = HistoryTable(
    "public",
    "_prisma_migrations",
    ("id", "checksum", "finished_at", "migration_name", "logs", "rolled_back_at", "started_at", "applied_steps_count"),
)
_NOW = datetime(2026, 4, 1, tzinfo=UTC)


def read(**files: str | bytes):
    return TOOL.read(source(**files), Answers())


def rows(*found: tuple[object, ...]) -> tuple[Row, ...]:
    return TOOL.history(lambda sql, *parameters: list(found), _TABLE, Answers())


def test_the_key_is_the_folder_and_the_version_its_digits() -> None:
    [migration] = read(**{"prisma/migrations/20260401080000_create_harbour/migration.sql": "select 1;"}).migrations

    assert (migration.version, migration.name) == ("20260401080000", "create harbour")
    assert TOOL.matches(migration, Row("20260401080000_create_harbour", State.APPLIED))
    assert not TOOL.matches(migration, Row("20260401080000", State.APPLIED))


def test_a_folder_without_digits_keeps_its_name_as_version() -> None:
    [migration] = read(**{"init/migration.sql": "select 1;"}).migrations

    assert (migration.version, migration.name) == ("init", "init")


def test_folders_run_in_the_order_of_their_names_as_text() -> None:
    found = read(**{"10_b/migration.sql": "select 1;", "9_a/migration.sql": "select 1;", "0_init/migration.sql": ""})

    assert [each.version for each in found.migrations] == ["0", "10", "9"]


def test_there_is_no_down_but_one_that_was_made_by_hand() -> None:
    found = {each.version: each for each in TOOL.read(fixture("prisma"), Answers()).migrations}

    assert found["20260405080000"].downs is None
    by_hand = found["20260406080000"]
    assert by_hand.downs is not None
    assert "DROP TABLE bookings" in by_hand.downs[0].sql
    assert "never runs it" in by_hand.judgements[0].message


def test_a_file_with_the_single_statement_create_index_concurrently_runs_outside_a_transaction() -> None:
    [alone, several] = read(
        **{
            "1_x/migration.sql": "-- a comment\ncreate index concurrently i on t (a);\n-- another\n",
            "2_y/migration.sql": "create table t (a int);\ncreate index i on t (a);",
        }
    ).migrations

    assert not alone.ups[0].transaction
    assert several.ups[0].transaction


def test_the_sum_is_sha_256_of_the_bytes() -> None:
    content = b"\xef\xbb\xbfselect 1;\r\n"
    [migration] = read(**{"1_x/migration.sql": content}).migrations

    assert TOOL.verifies(migration, Row("1_x", State.APPLIED, checksum=hashlib.sha256(content).hexdigest()))
    assert TOOL.verifies(migration, Row("1_x", State.APPLIED, checksum="0" * 64)) is False


def test_finished_and_not_rolled_back_is_applied() -> None:
    [row] = rows(("1_x", "aa", _NOW, _NOW, None, 1))

    assert (row.state, row.applied_at, row.remark) == (State.APPLIED, _NOW, "")


def test_neither_finished_nor_rolled_back_is_failed() -> None:
    [row] = rows(("1_x", "aa", _NOW, None, None, 0))

    assert row.state is State.FAILED


def test_rolled_back_is_pending_even_where_it_was_finished() -> None:
    found = rows(("1_x", "aa", _NOW, None, _NOW, 0), ("2_y", "aa", _NOW, _NOW, _NOW, 1))

    assert [row.state for row in found] == [State.PENDING, State.PENDING]


def test_a_row_without_steps_says_that_it_may_have_been_resolved() -> None:
    [row] = rows(("1_x", "aa", _NOW, _NOW, None, 0))

    assert row.state is State.APPLIED
    assert "resolve --applied" in row.remark


def test_the_lock_file_is_none_of_the_migrations_and_other_files_are_named() -> None:
    reading = read(**{"m/1_x/migration.sql": "select 1;", "m/1_x/README.md": "", "m/migration_lock.toml": ""})

    assert set(reading.left_out) == {"m/1_x/README.md"}


def test_a_folder_without_migration_sql_is_named() -> None:
    assert read(**{"m/1_x/migration.sql": "select 1;", "m/2_y/down.sql": "x"}).left_out == {
        "m/2_y": "a folder without migration.sql"
    }


def test_it_is_told_by_its_folders_and_by_its_table() -> None:
    assert TOOL.recognises(fixture("prisma"))
    assert not TOOL.recognises(fixture("diesel"))
    assert TOOL.owns(_TABLE, frozenset())
    assert not TOOL.owns(HistoryTable("public", "migrations", ("id", "checksum")), frozenset())
