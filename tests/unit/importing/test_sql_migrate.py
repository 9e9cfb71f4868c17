"""sql-migrate: its marks line by line, the comments that it never sends, and its table."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dbmigrate.errors import MigrationFileError
from dbmigrate.importing.sql_migrate import TOOL
from dbmigrate.importing.values import Answers, ForeignMigration, HistoryTable, Part, Row, State
from tests.support.importing_states import fixture, source

TABLE = HistoryTable("public", "gorp_migrations", ("id", "applied_at"))
UP, DOWN = "create table boats (id int);\n", "drop table boats;\n"
TEXT = f"-- +migrate Up\n{UP}"


def read(files: dict[str, str | bytes], **answers):
    return TOOL.read(source(**files), Answers(**answers))


def parsed(text: str | bytes) -> ForeignMigration:
    [migration] = read({"1_a.sql": text}).migrations
    return migration


def sections(text: str | bytes) -> tuple[str, str | None]:
    migration = parsed(text)
    down = None if migration.downs is None else "".join(part.sql for part in migration.downs)
    return "".join(part.sql for part in migration.ups), down


def refused(text: str | bytes) -> MigrationFileError:
    with pytest.raises(MigrationFileError) as caught:
        parsed(text)
    assert caught.value.code == "E281"
    assert caught.value.place
    return caught.value


def body(*lines: str) -> str:
    return "create function f() returns int language sql as $$\n" + "".join(f"{line}\n" for line in lines) + "$$;\n"


def block(sql: str) -> str:
    return f"-- +migrate StatementBegin\n{sql}-- +migrate StatementEnd\n"


# --------------------------------------------------------------------------------------------------------------- names


def test_names_sort_by_their_number_then_by_text_and_those_without_a_number_come_last() -> None:
    names = ("b.sql", "10_b.sql", "9_z.sql", "009_a.sql", "B.sql", "a_1.sql")

    reading = read(dict.fromkeys(names, TEXT))

    assert [each.path for each in reading.migrations] == [
        "009_a.sql",
        "9_z.sql",
        "10_b.sql",
        "B.sql",
        "a_1.sql",
        "b.sql",
    ]


def test_a_name_without_a_number_is_its_own_version() -> None:
    [numbered, plain] = read({"2_boats.sql": TEXT, "boats.sql": TEXT}).migrations

    assert (numbered.version, numbered.name) == ("2", "boats")
    assert (plain.version, plain.name) == ("boats", "boats")


def test_other_directories_and_what_was_asked_for_are_left_out() -> None:
    reading = read(
        {"1_a.sql": TEXT, "2_b.sql": "x", "old/1_a.sql": TEXT, "dbconfig.yml": "x"}, skip=frozenset({"2_b.sql"})
    )

    assert [each.path for each in reading.migrations] == ["1_a.sql"]
    assert set(reading.left_out) == {"2_b.sql", "old/1_a.sql"}


# --------------------------------------------------------------------------------------------------------------- marks


def test_a_file_has_an_up_and_a_down() -> None:
    assert sections(f"{TEXT}\n-- +migrate Down\n{DOWN}") == (UP, DOWN)


def test_without_down_there_is_no_down_and_one_of_comments_is_empty() -> None:
    assert parsed(TEXT).downs is None
    assert parsed(f"{TEXT}-- +migrate Down\n-- nothing to take back\n").downs == (Part("-- nothing to take back\n"),)


def test_the_sections_may_stand_in_either_order() -> None:
    assert sections(f"-- +migrate Down\n{DOWN}{TEXT}") == (UP, DOWN)


def test_several_sections_of_one_direction_are_one() -> None:
    text = f"{TEXT}-- +migrate Down\n{DOWN}-- +migrate Up\nselect 1;\n-- +migrate Down\nselect 2;\n"

    migration = parsed(text)

    assert [part.sql.split("\n") for part in migration.ups] == [[UP.strip(), "select 1;", ""]]
    assert [part.sql.split("\n") for part in migration.downs or ()] == [[DOWN.strip(), "select 2;", ""]]


def test_notransaction_is_for_one_direction() -> None:
    text = "-- +migrate Up notransaction\nvacuum t;\n-- +migrate Down\ndrop table t;\n"

    migration = parsed(text)

    assert [part.transaction for part in migration.ups + (migration.downs or ())] == [False, True]
    assert migration.judgements == ()


def test_notransaction_of_a_later_section_counts_for_the_earlier_ones() -> None:
    migration = parsed(f"{TEXT}-- +migrate Up notransaction\nvacuum t;\n")

    assert [part.transaction for part in migration.ups] == [False]


def test_an_option_that_it_does_not_know_is_told() -> None:
    migration = parsed(f"-- +migrate Up notransactoin\n{UP}")

    assert migration.ups[0].transaction
    assert "notransactoin" in migration.judgements[0].message


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (f"-- +migrate up\n{UP}", 1, "not a mark"),
        (f"{TEXT}-- +migrate down\n{DOWN}", 3, "not a mark"),
        (f"-- +migrate \n{UP}", 1, "not a mark"),
        (UP, 1, "neither"),
        ("-- +migrate Up\nselect 1\n", 2, "no semicolon"),
        ("-- +migrate Up\nselect 1;\nselect 2\n\n-- +migrate Down\n", 3, "no semicolon"),
        (f"{TEXT}--no blank behind the dashes\n", 3, "no semicolon"),
        (f"-- +migrate Up\n-- +migrate StatementBegin\n{UP}", 3, "no StatementEnd"),
    ],
)
def test_what_it_refuses_or_reads_as_nobody_would_is_refused(text: str, line: int, says: str) -> None:
    error = refused(text)

    assert error.place.line == line
    assert says in error.message


@pytest.mark.parametrize("mark", [" -- +migrate Down", "--+migrate Down", "-- +migrate", "--  +migrate Down"])
def test_a_mark_that_does_not_begin_as_it_should_is_a_comment_and_that_is_told(mark: str) -> None:
    migration = parsed(f"{TEXT}select 1\n{mark}\n;\n")

    assert migration.downs is None
    assert migration.judgements[0].place.line == 4


def test_sql_above_the_first_mark_is_not_run_and_that_is_told() -> None:
    migration = parsed(f"-- boats\nselect 1;\n{TEXT}")

    assert migration.ups[0].sql == f"-- boats\n{UP}"
    assert migration.judgements[0].place.line == 2


def test_a_mark_behind_a_byte_order_mark_is_not_seen() -> None:
    assert "byte order mark" in refused(b"\xef\xbb\xbf" + TEXT.encode()).message


def test_a_byte_order_mark_before_a_comment_goes() -> None:
    assert sections(b"\xef\xbb\xbf-- boats\n" + TEXT.encode()) == (f"-- boats\n{UP}", None)


# ---------------------------------------------------------------------------------------------------------- statements


def test_blocks_lose_their_marks_and_get_the_semicolon_that_they_did_not_need() -> None:
    closed, open_ = body("select 1;"), body("select 1;").removesuffix(";\n") + "\n"

    assert sections(f"-- +migrate Up\n{block(closed)}{UP}") == (f"{closed}{UP}", None)
    assert sections(f"-- +migrate Up\n{block(open_)}{UP}") == (f"{open_};\n{UP}", None)


def test_comments_between_and_inside_statements_stay_where_they_mean_nothing() -> None:
    sql = "-- the boats\ncreate table boats (\n-- a number\nid int);\n\n-- done\n"

    assert sections(f"-- +migrate Up\n{sql}") == (sql.strip() + "\n", None)


def test_lines_like_comments_in_a_body_are_left_out_as_it_never_sent_them() -> None:
    migration = parsed(
        f"-- +migrate Up\n{block(body('-- one; it is', 'select 1;', '  -- indented stays', '--so does this'))}"
    )

    assert migration.ups[0].sql == body("select 1;", "  -- indented stays", "--so does this")
    assert migration.judgements[0].place.line == 4


def test_lines_like_comments_in_a_string_are_left_out_too() -> None:
    migration = parsed("-- +migrate Up\ninsert into t values ('a\n-- b''s\nc');\n")

    assert migration.ups[0].sql == "insert into t values ('a\nc');\n"


def test_a_comment_that_would_end_a_string_is_no_part_of_it() -> None:
    migration = parsed("-- +migrate Up\ninsert into t values ('a\n-- it's\nc');\n")

    assert migration.ups[0].sql == "insert into t values ('a\nc');\n"


def test_errors_behind_lines_that_are_left_out_have_their_place() -> None:
    error = refused(f"-- +migrate Up\n{block(body('-- one', 'select 1;'))}select 'x;\n")

    assert error.place.line == 8


def test_a_mark_of_another_kind_is_dropped() -> None:
    assert sections(f"-- +migrate Up\n{UP}-- +goose Down\n") == (f"{UP}-- +goose Down\n", None)


def test_carriage_returns_at_line_ends_go_as_it_drops_them() -> None:
    text = f"-- +migrate Up\n{block(body('select 1;'))}-- +migrate Down\n{DOWN}".replace("\n", "\r\n")

    assert sections(text) == (body("select 1;"), DOWN)


def test_a_semicolon_in_mid_line_ends_a_statement_for_us() -> None:
    assert sections("-- +migrate Up\nselect 1; select\n2;\n") == ("select 1; select\n2;\n", None)


def test_a_statement_that_refuses_transactions_can_only_have_failed_without_the_option() -> None:
    migration = parsed("-- +migrate Up\ncreate index concurrently i on t (x);\n")

    assert not migration.ups[0].transaction
    assert "can only have failed" in migration.judgements[0].message


# ------------------------------------------------------------------------------------------------------------- history


def test_every_row_is_applied_and_has_the_name_with_its_ending() -> None:
    when = datetime(2026, 6, 1, 8, tzinfo=UTC)

    [row] = TOOL.history(lambda sql: [("1_a.sql", when)], TABLE, Answers())

    assert (row.key, row.state, row.applied_at) == ("1_a.sql", State.APPLIED, when)
    assert TOOL.matches(parsed(TEXT), row)
    assert TOOL.verifies(parsed(TEXT), row) is None


@pytest.mark.parametrize("key", ["1_a", "1", "01_a.sql", "1_A.sql"])
def test_a_row_of_another_name_is_of_another_file(key: str) -> None:
    assert not TOOL.matches(parsed(TEXT), Row(key=key, state=State.APPLIED))


@pytest.mark.parametrize(
    ("columns", "is_ours"), [(("id", "applied_at"), True), (("id", "name", "applied_at"), False), (("id",), False)]
)
def test_a_table_is_told_by_its_columns(columns: tuple[str, ...], is_ours: bool) -> None:
    assert TOOL.owns(HistoryTable("x", "anything", columns), frozenset()) is is_ours


def test_a_project_is_recognised_by_its_marks() -> None:
    assert TOOL.recognises(fixture("sql-migrate"))
    assert TOOL.recognises(source(**{"a.sql": TEXT}))
    assert not TOOL.recognises(source(**{"1_a.sql": "-- +migrate up\n"}))
    assert not TOOL.recognises(fixture("goose"))
