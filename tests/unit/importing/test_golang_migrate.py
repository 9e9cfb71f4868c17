"""golang-migrate and the Go engines like it: which files are migrations, how they run, and what their tables say."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest

from dbmigrate.errors import ConfigError, MigrationFileError
from dbmigrate.importing.golang_migrate import TOOL
from dbmigrate.importing.values import Answers, ForeignMigration, HistoryTable, Part, Row, State
from tests.support.importing_states import fixture, source

ONE_ROW = HistoryTable("public", "schema_migrations", ("version", "dirty"))
RECORDS = HistoryTable("public", "migration_records", ("id", "service", "version", "name", "applied_at", "checksum"))
TABLE = "create table boats (id int);"


def read(files: dict[str, str | bytes], **answers):
    return TOOL.read(source(**files), Answers(**answers))


def only(files: dict[str, str | bytes], **answers) -> ForeignMigration:
    [migration] = read(files, **answers).migrations
    return migration


def refused(files: dict[str, str | bytes], **answers) -> MigrationFileError:
    with pytest.raises(MigrationFileError) as caught:
        read(files, **answers)
    assert caught.value.code == "E281"
    return caught.value


def rows(*answer: tuple[object, ...], table: HistoryTable = ONE_ROW, service: str | None = None) -> tuple[Row, ...]:
    return TOOL.history(lambda sql: answer, table, Answers(service=service))


def states_of(found: tuple[Row, ...], *versions: str) -> dict[str, str]:
    reading = read({f"{version}_x.up.sql": TABLE for version in versions})
    return {
        each.version: next((row.state for row in found if TOOL.matches(each, row)), State.PENDING)
        for each in reading.migrations
    }


# --------------------------------------------------------------------------------------------------------------- names


def test_a_pair_is_one_migration() -> None:
    migration = only({"000007_add_boats.up.sql": TABLE, "000007_add_boats.down.sql": "drop table boats;"})

    assert (migration.version, migration.name, migration.path) == ("000007", "add_boats", "000007_add_boats.up.sql")
    assert [part.sql for part in migration.ups] == [TABLE]
    assert [part.sql for part in migration.downs or ()] == ["drop table boats;"]


def test_versions_sort_by_number_and_are_often_unpadded() -> None:
    reading = read({"10_b.up.sql": TABLE, "9_a.up.sql": TABLE, "0100_c.up.sql": TABLE})

    assert [each.version for each in reading.migrations] == ["9", "10", "0100"]
    assert sorted(reading.migrations, key=lambda each: each.sort_key) == list(reading.migrations)


def test_a_pair_may_be_padded_differently() -> None:
    migration = only({"1_boats.up.sql": TABLE, "001_boats.down.sql": "drop table boats;"})

    assert migration.downs


def test_a_migration_without_a_down_file_has_no_down() -> None:
    assert only({"1_boats.up.sql": TABLE}).downs is None


def test_a_down_file_of_comments_is_an_empty_down() -> None:
    assert only({"1_boats.up.sql": TABLE, "1_boats.down.sql": "-- nothing\n"}).downs == (Part("-- nothing\n"),)


def test_a_down_file_alone_is_a_version_that_does_nothing() -> None:
    migration = only({"1_boats.down.sql": "drop table boats;"})

    assert migration.ups == ()
    assert migration.downs
    assert "no up file" in migration.judgements[0].message


def test_the_extension_is_free() -> None:
    assert only({"1_boats.up.pgsql": TABLE}).version == "1"


def test_the_last_direction_in_the_name_counts() -> None:
    assert only({"1_boats.up.down.sql": TABLE}).ups == ()


def test_other_files_are_passed_over_and_sql_is_named() -> None:
    reading = read({"1_a.up.sql": TABLE, "README.md": "x", "seed.sql": TABLE, "x_1.up.sql": TABLE})

    assert [each.version for each in reading.migrations] == ["1"]
    assert set(reading.left_out) == {"seed.sql", "x_1.up.sql"}


def test_a_number_beyond_64_bits_is_no_version() -> None:
    reading = read({f"{2**64}_a.up.sql": TABLE, f"{2**64 - 1}_b.up.sql": TABLE})

    assert [each.version for each in reading.migrations] == [str(2**64 - 1)]
    assert f"{2**64}_a.up.sql" in reading.left_out


@pytest.mark.parametrize(
    "names",
    [("1_a.up.sql", "1_b.up.sql"), ("1_a.up.sql", "01_a.up.sql"), ("1_a.up.sql", "1_a_up.sql")],
)
def test_two_files_of_one_version_are_refused_and_both_are_named(names: tuple[str, str]) -> None:
    error = refused(dict.fromkeys(names, TABLE))

    assert all(name in error.message for name in names)
    assert error.place


def test_a_file_that_is_left_out_as_asked_is_no_second_one() -> None:
    reading = read({"1_a.up.sql": TABLE, "1_b.up.sql": "\\bad"}, skip=frozenset({"1_b.up.sql"}))

    assert [each.path for each in reading.migrations] == ["1_a.up.sql"]
    assert reading.left_out == {"1_b.up.sql": "left out as asked"}


def test_sub_directories_are_not_read() -> None:
    reading = read({"1_a.up.sql": TABLE, "old/1_a.up.sql": TABLE})

    assert [each.path for each in reading.migrations] == ["1_a.up.sql"]
    assert list(reading.left_out) == ["old/1_a.up.sql"]


def test_the_one_sub_directory_with_migrations_is_the_project() -> None:
    assert only({"db/migrations/1_a.up.sql": TABLE, "README.md": "x"}).path == "db/migrations/1_a.up.sql"


# ---------------------------------------------------------------------------------------------------------------- text


def test_a_byte_order_mark_goes_and_carriage_returns_stay() -> None:
    assert only({"1_a.up.sql": b"\xef\xbb\xbf" + b"select 'a\r\nb';\r\n"}).ups[0].sql == "select 'a\r\nb';\r\n"


@pytest.mark.parametrize(("content", "column"), [(b"select '\xff';", 9), (b"select 1;\0", 10)])
def test_what_is_no_text_is_refused(content: bytes, column: int) -> None:
    with pytest.raises(MigrationFileError) as caught:
        read({"1_a.up.sql": content})

    assert caught.value.code == "E210"
    assert str(caught.value.place) == f"old/1_a.up.sql:1:{column}"


def test_an_open_quote_is_refused_with_its_place() -> None:
    error = refused({"1_a.up.sql": "select 1;\nselect 'a;\n"})

    assert str(error.place) == "old/1_a.up.sql:2:8"


def test_a_psql_command_is_refused_with_its_place() -> None:
    error = refused({"1_a.up.sql": "select 1;\n\\i other.sql\n"})

    assert (error.place.line, "\\i" in error.message) == (2, True)


def test_several_statements_ran_in_one_transaction() -> None:
    [part] = only({"1_a.up.sql": "create table a (id int);\ncreate table b (id int);\n"}).ups

    assert part.transaction


def test_semicolons_in_bodies_end_nothing() -> None:
    sql = "create function f() returns int language sql as $$ select 1; create index concurrently i on t (x); $$;\n"

    assert [(part.sql, part.transaction) for part in only({"1_a.up.sql": sql}).ups] == [(sql, True)]


@pytest.mark.parametrize(
    "sql",
    [
        "create index concurrently i on t (x);",
        "-- why\ncreate unique index concurrently i on t (x)",
        "vacuum t;\n",
        "reindex table concurrently t;",
    ],
)
def test_a_single_statement_that_refuses_transactions_passed_with_no_mark(sql: str) -> None:
    migration = only({"1_a.up.sql": sql, "1_a.down.sql": "drop index concurrently i;"})

    assert [part.transaction for part in migration.ups + (migration.downs or ())] == [False, False]
    assert len(migration.judgements) == 2


def test_such_a_statement_among_others_can_only_have_failed() -> None:
    migration = only({"1_a.up.sql": "set statement_timeout = 0;\ncreate index concurrently i on t (x);"})

    assert not migration.ups[0].transaction
    assert "can only have failed" in migration.judgements[0].message
    assert migration.judgements[0].place.line == 2


def test_with_x_multi_statement_each_statement_ran_alone() -> None:
    files = {"1_a.up.sql": "create index concurrently i on t (x);\ncreate index concurrently j on t (y);"}

    migration = only(files, options={"x-multi-statement": "true"})

    assert not migration.ups[0].transaction
    assert "failed" not in migration.judgements[0].message


def test_begin_and_commit_around_the_file_go() -> None:
    migration = only({"1_a.up.sql": "-- boats\nBEGIN;\n\ncreate table a (id int);\n\nCOMMIT;\n"})

    assert [(part.sql, part.transaction) for part in migration.ups] == [("-- boats\ncreate table a (id int);\n", True)]
    assert migration.judgements[0].place.line == 2


# ------------------------------------------------------------------------------------------------------------- engines


def test_the_engine_s_names_may_be_mixed_with_the_usual_ones() -> None:
    files = {"001_a.up.sql": TABLE, "001_a_down.sql": "drop table boats;", "002_b_up.sql": TABLE}

    reading = read(files)

    assert [(each.version, each.name, each.downs is None) for each in reading.migrations] == [
        ("001", "a", False),
        ("002", "b", True),
    ]


def test_several_services_ask_which_one_is_meant() -> None:
    reading = TOOL.read(fixture("go-engine"), Answers())

    assert reading.migrations == ()
    assert [judgement.asks for judgement in reading.judgements] == [True]
    assert "harbour-svc/migrations" in reading.judgements[0].message
    assert "mail-svc/migrations" in reading.judgements[0].message


def test_the_service_chooses_the_directory() -> None:
    reading = TOOL.read(fixture("go-engine"), Answers(service="mail-svc"))

    assert [each.path for each in reading.migrations] == ["mail-svc/migrations/001_outbox.up.sql"]


def test_a_directory_of_one_service_needs_no_name() -> None:
    below = fixture("go-engine", "files/harbour-svc")

    assert len(TOOL.read(below, Answers()).migrations) == 7
    assert len(TOOL.read(below, Answers(service="harbour-svc")).migrations) == 7


def test_the_records_of_the_service_are_its_rows() -> None:
    when = datetime(2026, 6, 1, 8)
    answer = (("a", 1, "boats", when, "s1"), ("b", 1, "mail", when, "s2"), ("a", 2, "crew", when, None))

    found = rows(*answer, table=RECORDS, service="a")

    assert [(row.key, row.name, row.checksum, row.state) for row in found] == [
        ("1", "boats", "s1", State.APPLIED),
        ("2", "crew", None, State.APPLIED),
    ]
    assert found[0].applied_at == when.replace(tzinfo=UTC)


def test_records_of_several_services_need_a_name() -> None:
    with pytest.raises(ConfigError) as caught:
        rows(("a", 1, "x", None, ""), ("b", 1, "x", None, ""), table=RECORDS)

    assert "a, b" in caught.value.message
    assert "--service" in (caught.value.hint or "")


def test_a_service_without_records_has_applied_nothing() -> None:
    assert rows(("a", 1, "x", None, ""), table=RECORDS, service="new") == ()


def test_a_record_is_that_of_the_number_however_it_is_padded() -> None:
    found = rows(("a", 7, "renamed since", None, ""), table=RECORDS)

    assert states_of(found, "007", "008") == {"007": State.APPLIED, "008": State.PENDING}


@pytest.mark.parametrize("algorithm", ["sha256", "sha1", "md5"])
@pytest.mark.parametrize("case", [str.lower, str.upper])
def test_the_usual_checksums_are_tried(algorithm: str, case) -> None:
    content = b"create table a (id int);\r\n"
    migration = only({"1_a.up.sql": content})
    row = Row(key="1", state=State.APPLIED, checksum=case(hashlib.new(algorithm, content).hexdigest()))

    assert TOOL.verifies(migration, row) is True


def test_a_checksum_that_fits_none_of_them_says_nothing() -> None:
    migration = only({"1_a.up.sql": TABLE})

    assert TOOL.verifies(migration, Row(key="1", state=State.APPLIED, checksum="f" * 64)) is None
    assert TOOL.verifies(migration, Row(key="1", state=State.APPLIED)) is None


# ------------------------------------------------------------------------------------------------------------- history


def test_no_row_is_nothing_applied() -> None:
    assert rows() == ()


def test_the_one_row_stands_for_every_version_to_it() -> None:
    found = rows((9, False))

    assert states_of(found, "1", "09", "10", "100") == {
        "1": State.APPLIED,
        "09": State.APPLIED,
        "10": State.PENDING,
        "100": State.PENDING,
    }


def test_a_version_that_was_merged_later_below_the_row_counts_as_applied() -> None:
    """golang-migrate passes over it silently: only the catalog shows it."""
    assert states_of(rows((20260301000000, False)), "20260201000000") == {"20260201000000": State.APPLIED}


def test_a_dirty_version_is_failed_and_what_is_below_it_applied() -> None:
    found = rows((7, True))

    assert states_of(found, "6", "7", "8") == {"6": State.APPLIED, "7": State.FAILED, "8": State.PENDING}
    [failed] = [row for row in found if row.state is State.FAILED]
    assert "the up of 7 failed" in failed.remark
    assert "the down of the next higher version failed" in failed.remark


def test_the_failed_down_of_the_first_version_is_minus_one_dirty() -> None:
    [row] = rows((-1, True))

    assert row.state is State.FAILED
    assert "the down of the first version" in row.remark
    assert states_of((row,), "1") == {"1": State.PENDING}


def test_more_than_one_row_is_for_a_person() -> None:
    assert [row.state for row in rows((1, False), (2, False))] == [State.FAILED, State.FAILED]


def test_names_of_tables_are_quoted() -> None:
    asked = []

    def query(sql: str) -> list[tuple[object, ...]]:
        asked.append(sql)
        return []

    TOOL.history(query, HistoryTable("my app", 'sch"ema', ("version", "dirty")), Answers())

    assert '"my app"."sch""ema"' in asked[0]


@pytest.mark.parametrize(
    ("columns", "is_ours"),
    [
        (("version", "dirty"), True),
        (("dirty", "version"), True),
        (("version",), False),
        (("version", "inserted_at"), False),
        (("id", "service", "version", "name", "applied_at", "checksum"), True),
        (("service", "version", "applied_at", "description"), False),
        (("version", "description", "installed_on", "success", "checksum", "execution_time"), False),
    ],
)
def test_a_table_is_told_by_its_columns(columns: tuple[str, ...], is_ours: bool) -> None:
    assert TOOL.owns(HistoryTable("public", "anything", columns), frozenset()) is is_ours


# ---------------------------------------------------------------------------------------------------------- recognised


@pytest.mark.parametrize(
    ("files", "is_ours"),
    [
        ({"1_a.up.sql": TABLE}, True),
        ({"svc/001_a_up.sql": TABLE}, True),
        ({"1_a.sql": TABLE}, False),
        ({"1_a.up.sql": "-- no-transaction\n" + TABLE}, False),
        ({"1_a.up.sql": "-- +goose Up\n" + TABLE}, False),
        ({"1_a.up.sql": "-- migrate:up\n" + TABLE}, False),
        ({"README.md": "1_a.up.sql"}, False),
        ({}, False),
    ],
)
def test_a_project_is_recognised_by_names_without_another_tool_s_marks(files: dict, is_ours: bool) -> None:
    assert TOOL.recognises(source(**files)) is is_ours


def test_the_fixtures_are_recognised() -> None:
    assert TOOL.recognises(fixture("golang-migrate"))
    assert TOOL.recognises(fixture("go-engine"))


@pytest.mark.parametrize(("name", "asks"), [("1_a.up.go", True), ("1_a.up.sql.bak", True), ("1_a.up.PGSQL", False)])
def test_a_file_of_another_ending_does_not_pass_as_sql(name: str, asks: bool) -> None:
    assert [each.asks for each in only({name: "select 1;"}).judgements] == [True] * asks
