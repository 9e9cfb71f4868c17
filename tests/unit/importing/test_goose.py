"""goose: its marks line by line, as its parser takes them; variables; versions undone and applied again."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dbmigrate.errors import MigrationFileError
from dbmigrate.importing.goose import TOOL
from dbmigrate.importing.values import Answers, ForeignMigration, HistoryTable, Part, Row, State
from tests.support.importing_states import fixture, source

TABLE = HistoryTable("public", "goose_db_version", ("id", "version_id", "is_applied", "tstamp"))
UP, DOWN = "create table boats (id int);\n", "drop table boats;\n"
FUNCTION = "create function f() returns int language sql as $$\n  select 1;\n$$;\n"


def read(files: dict[str, str | bytes], **answers):
    return TOOL.read(source(**files), Answers(**answers))


def only(files: dict[str, str | bytes], **answers) -> ForeignMigration:
    [migration] = read(files, **answers).migrations
    return migration


def parsed(text: str | bytes, **answers) -> ForeignMigration:
    return only({"1_a.sql": text}, **answers)


def sections(text: str | bytes, **answers) -> tuple[str, str | None]:
    migration = parsed(text, **answers)
    down = None if migration.downs is None else "".join(part.sql for part in migration.downs)
    return "".join(part.sql for part in migration.ups), down


def refused(files: dict[str, str | bytes] | str, **answers) -> MigrationFileError:
    with pytest.raises(MigrationFileError) as caught:
        read(files if isinstance(files, dict) else {"1_a.sql": files}, **answers)
    assert caught.value.code == "E281"
    assert caught.value.place
    return caught.value


# --------------------------------------------------------------------------------------------------------------- names


def test_the_digits_before_the_first_underscore_are_the_version_and_sort_as_a_number() -> None:
    text = f"-- +goose Up\n{UP}"
    reading = read({"10_b.sql": text, "00009_a_1.sql": text, "20260101000000_c.sql": text})

    assert [(each.version, each.name) for each in reading.migrations] == [
        ("00009", "a_1"),
        ("10", "b"),
        ("20260101000000", "c"),
    ]


def test_other_files_are_left_out_and_sql_is_named() -> None:
    text = f"-- +goose Up\n{UP}"
    reading = read(
        {"1_a.sql": text, "seed.sql": UP, "2-b.sql": UP, "0_c.sql": text, "3_d_test.go": "x", "main.go": "x"}
    )

    assert [each.path for each in reading.migrations] == ["1_a.sql"]
    assert set(reading.left_out) == {"seed.sql", "2-b.sql", "0_c.sql"}


def test_two_files_of_one_version_are_refused_and_both_are_named() -> None:
    text = f"-- +goose Up\n{UP}"

    error = refused({"1_a.sql": text, "01_b.sql": text})

    assert "01_b.sql" in error.message
    assert "1_a.sql" in error.message


def test_code_asks_for_its_sql() -> None:
    [question] = only({"1_a.go": "package x"}).judgements

    assert question.asks
    assert "--sql 1_a.go=FILE" in (question.hint or "")
    assert "--skip 1_a.go" in (question.hint or "")


def test_code_is_left_out_as_asked() -> None:
    assert read({"1_a.go": "x"}, skip=frozenset({"1_a.go"})).migrations == ()


@pytest.mark.parametrize(("text", "down"), [(UP, None), (f"-- +goose Up\n{UP}-- +goose Down\n{DOWN}", DOWN)])
def test_the_sql_of_code_may_be_plain_or_have_marks(text: str, down: str | None) -> None:
    migration = only({"1_a.go": "x", "given.sql": text}, sql_of={"1_a.go": "given.sql"})

    assert [part.sql for part in migration.ups] == [UP]
    assert migration.downs == (None if down is None else migration.downs)
    assert "".join(part.sql for part in migration.downs or ()) == (down or "")


def test_a_sub_directory_is_not_read_beside_an_upper_one() -> None:
    text = f"-- +goose Up\n{UP}"

    reading = read({"1_a.sql": text, "old/1_b.sql": text})

    assert [each.path for each in reading.migrations] == ["1_a.sql"]
    assert list(reading.left_out) == ["old/1_b.sql"]


# --------------------------------------------------------------------------------------------------------------- marks


@pytest.mark.parametrize(
    ("up", "down"),
    [
        ("-- +goose Up", "-- +goose Down"),
        ("--+goose up", "-- +goose DOWN"),
        ("--   +goose   UP  ", "-- +goose Down --"),
    ],
)
def test_marks_may_be_written_in_many_ways(up: str, down: str) -> None:
    assert sections(f"{up}\n{UP}{down}\n{DOWN}") == (UP, DOWN)


def test_comments_above_up_stay() -> None:
    assert sections(f"-- the boats\n\n-- +goose Up\n{UP}") == (f"-- the boats\n\n{UP}", None)


def test_without_down_there_is_no_down() -> None:
    assert parsed(f"-- +goose Up\n{UP}").downs is None


def test_a_down_of_comments_is_an_empty_down() -> None:
    assert parsed(f"-- +goose Up\n{UP}-- +goose Down\n-- nothing\n").downs == (Part("-- nothing\n"),)


def test_an_up_of_comments_has_nothing_to_run() -> None:
    assert parsed("-- +goose Up\n-- nothing\n-- +goose Down\n").ups == (Part("-- nothing\n"),)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (f"{UP}-- +goose Up\n", 1, "before"),
        (f"-- +goose Up\n{UP}-- +goose Up\n{UP}", 3, "second Up"),
        (f"-- +goose Down\n{DOWN}-- +goose Up\n{UP}", 1, "behind Up"),
        (f"-- +goose Up\n{UP}-- +goose Down\n{DOWN}-- +goose Down\n{DOWN}", 5, "behind Up"),
        (f" -- +goose Up\n{UP}", 1, "begin its line"),
        (f"-- +goose Up\n{UP}\t-- +goose Down\n{DOWN}", 3, "begin its line"),
        (f"-- +goose Up\n-- +goose StatementEnd\n{UP}", 2, "StatementBegin"),
        ("-- +goose StatementBegin\n", 1, "section"),
        (f"-- +goose Up\n-- +goose StatementBegin\n-- +goose StatementBegin\n{UP}", 3, "another block"),
        (f"-- +goose Up\n-- +goose StatementBegin\n{UP}", 2, "no StatementEnd"),
        (f"-- +goose Up\n-- +goose StatementBegin\n{UP}-- +goose Down\n", 4, "behind Up"),
        (f"-- +goose Up\n{UP}-- +goose Rollback\n", 3, "not a mark"),
        (f"-- +goose Up\n{UP}-- a note on +goose\n", 3, "not a mark"),
        (f"-- +goose Up +goose Down\n{UP}", 1, "not a mark"),
        (f"-- +goose\n{UP}", 1, "not a mark"),
        (f"-- +goose NO_TRANSACTION\n-- +goose Up\n{UP}", 1, "not a mark"),
        ("-- +goose Up\nselect 1;\ncreate table a\n(id int)\n-- +goose Down\n", 3, "no semicolon"),
        ("-- +goose Up\nselect 1;\nselect 2\n", 3, "no semicolon"),
        (f"-- +goose Up\n{UP}-- +goose Down\ndrop table boats", 4, "no semicolon"),
        ("-- +goose Up\nselect 1; select 2\n", 2, "no semicolon"),
        ("-- only comments\n", 1, "no `-- +goose Up`"),
        ("", 1, "no `-- +goose Up`"),
    ],
)
def test_what_goose_refuses_is_refused_with_its_place(text: str, line: int, says: str) -> None:
    error = refused(text)

    assert error.place.line == line
    assert says in error.message


def test_a_mark_inside_a_body_is_a_mark() -> None:
    assert refused(f"-- +goose Up\n-- +goose StatementBegin\ndo $$\n-- +goose Down\n$$;\n{DOWN}").place.line == 4


def test_text_with_goose_in_it_that_is_no_comment_is_text() -> None:
    sql = "insert into t values ('-- +goose Down');\n"

    assert sections(f"-- +goose Up\n{sql}") == (sql, None)


# ---------------------------------------------------------------------------------------------------------- statements


def test_a_semicolon_in_mid_line_does_not_end_a_statement_for_goose_and_does_for_us() -> None:
    sql = "select 1; select\n2;\n"

    assert sections(f"-- +goose Up\n{sql}") == (sql, None)


def test_a_comment_behind_the_semicolon_does_not_count() -> None:
    sql = "select 1; -- one; not two\nselect 2;\n"

    assert sections(f"-- +goose Up\n{sql}") == (sql, None)


def test_blocks_lose_their_marks() -> None:
    text = f"-- +goose Up\n-- +goose StatementBegin\n{FUNCTION}-- +goose StatementEnd\n{UP}"

    assert sections(text) == (f"{FUNCTION}{UP}", None)


@pytest.mark.parametrize("end", ["\n", "\n-- no semicolon needed\n", "  \n"])
def test_a_block_without_a_last_semicolon_gets_one(end: str) -> None:
    block = FUNCTION.removesuffix(";\n") + end

    up, _ = sections(f"-- +goose Up\n-- +goose StatementBegin\n{block}-- +goose StatementEnd\n{UP}")

    assert up == f"{block};\n{UP}"


def test_a_block_of_several_statements_and_an_empty_one_stay_as_they_are() -> None:
    text = f"-- +goose Up\n-- +goose StatementBegin\n{UP}{DOWN}-- +goose StatementEnd\n"
    empty = "-- +goose Up\n-- +goose StatementBegin\n-- +goose StatementEnd\n"

    assert sections(text) == (f"{UP}{DOWN}", None)
    assert parsed(empty).ups == ()


def test_carriage_returns_at_line_ends_go_as_goose_drops_them() -> None:
    text = (
        f"-- +goose Up\n{FUNCTION}-- +goose Down\ndrop function f();\n".replace("\n", "\r\n")
        .replace("-- +goose Up\r\n", "-- +goose Up\r\n-- +goose StatementBegin\r\n")
        .replace("-- +goose Down", "-- +goose StatementEnd\r\n-- +goose Down")
    )

    assert sections(text) == (FUNCTION, "drop function f();\n")


def test_a_byte_order_mark_goes() -> None:
    assert sections(b"\xef\xbb\xbf" + f"-- +goose Up\n{UP}".encode()) == (UP, None)


def test_an_open_quote_has_the_place_in_the_file() -> None:
    error = refused(f"-- +goose Up\n{UP}-- +goose Down\n-- +goose StatementBegin\nselect 'a;\n-- +goose StatementEnd\n")

    assert str(error.place) == "old/1_a.sql:5:8"


def test_a_psql_command_is_refused() -> None:
    assert refused(f"-- +goose Up\n{UP}\\echo x;\n").place.line == 3


def test_no_transaction_is_for_the_whole_file_wherever_it_stands() -> None:
    for text in (
        f"-- +goose NO TRANSACTION\n-- +goose Up\n{UP}-- +goose Down\n{DOWN}",
        f"-- +goose Up\n{UP}-- +goose Down\n{DOWN}-- +goose no transaction\n",
    ):
        migration = parsed(text)

        assert [part.transaction for part in migration.ups + (migration.downs or ())] == [False, False]
        assert migration.judgements == ()


def test_a_statement_that_refuses_transactions_can_only_have_failed_without_that_mark() -> None:
    migration = parsed("-- +goose Up\ncreate index concurrently i on t (x);\n")

    assert not migration.ups[0].transaction
    assert "can only have failed" in migration.judgements[0].message


# ----------------------------------------------------------------------------------------------------------- variables


def variables(line: str, **values: str) -> str:
    up, _ = sections(f"-- +goose Up\n-- +goose ENVSUB ON\n{line}\n", placeholders=values)
    return up.removesuffix("\n")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("select '$NAME';", "select 'x y';"),
        ("select '$NAME.s';", "select 'x y.s';"),
        ("select '${NAME}s';", "select 'x ys';"),
        ("select '${NAME:-other}', '${NAME-other}', '${NAME?must be there}';", "select 'x y', 'x y', 'x y';"),
        ("select '${EMPTY:-other}', '${EMPTY-other}';", "select 'other', '';"),
        ("select '${EMPTY:-${NAME:-deep}}';", "select 'x y';"),
        (r"select '\$NAME', '\\';", r"select '$NAME', '\\';"),
        ("select '$(NAME)';", "select '$(NAME)';"),
        ("create table t$$1 (id int);", "create table t$1 (id int);"),
    ],
)
def test_variables_are_replaced_as_goose_does(line: str, expected: str) -> None:
    assert variables(line, NAME="x y", EMPTY="") == expected


def test_two_dollars_are_one_so_that_a_body_is_not_closed() -> None:
    assert refused("-- +goose Up\n-- +goose ENVSUB ON\nselect $$a$$;\n").place.line == 3


def test_a_name_goes_as_far_as_letters_digits_and_underscores_do() -> None:
    [question] = parsed(
        "-- +goose Up\n-- +goose ENVSUB ON\nselect '$NAME_s1.x';\n", placeholders={"NAME": "x"}
    ).judgements

    assert "NAME_s1 " in question.message


def test_every_variable_without_a_value_is_asked_for_once_even_with_a_default() -> None:
    migration = parsed("-- +goose Up\n-- +goose ENVSUB ON\nselect '$A', '${B:-b}',\n  '${C?c}', 'a $D';\n")

    questions = [judgement for judgement in migration.judgements if judgement.asks]
    names = ("B", 3), ("C", 4), ("D", 4)
    assert [(each.hint, each.place.line) for each in questions] == [
        (f"{'' if name == 'D' else 'give it: '}--placeholder {name}=VALUE", line) for name, line in names
    ]
    assert migration.variables == ("A",)


def test_dollars_are_text_where_variables_are_off() -> None:
    text = f"-- +goose Up\n{FUNCTION.replace('$$', '$A$')}".replace(
        "-- +goose Up\n", "-- +goose Up\n-- +goose ENVSUB ON\n-- +goose ENVSUB OFF\n-- +goose StatementBegin\n"
    )
    text += "-- +goose StatementEnd\n"

    assert sections(text)[0].strip() == FUNCTION.replace("$$", "$A$").strip()


def test_comments_between_statements_are_not_looked_at() -> None:
    assert not parsed(f"-- +goose Up\n-- +goose ENVSUB ON\n-- costs $A\n{UP}").judgements


@pytest.mark.parametrize(
    "line", ["select '$1';", "select '$';", "select '${NAME:0:3}';", "select '${NAME';", "select '${NAME!}';"]
)
def test_expansions_that_are_not_understood_are_refused(line: str) -> None:
    assert refused(f"-- +goose Up\n-- +goose ENVSUB ON\n{line}\n", placeholders={"NAME": "x"}).place.line == 3


# ------------------------------------------------------------------------------------------------------------- history


def history(*answer: tuple[object, ...]) -> tuple[Row, ...]:
    return TOOL.history(lambda sql: answer, TABLE, Answers())


WHEN = datetime(2026, 6, 1, 8)


def test_the_row_of_version_0_is_made_with_the_table() -> None:
    assert history((0, True, WHEN)) == ()


def test_the_newest_row_of_a_version_counts() -> None:
    found = history(
        (0, True, WHEN), (1, True, WHEN), (2, True, WHEN), (2, False, WHEN), (1, False, WHEN), (1, True, WHEN)
    )

    assert [(row.key, row.state) for row in found] == [("2", State.PENDING), ("1", State.APPLIED)]
    assert found[1].applied_at == WHEN.replace(tzinfo=UTC)


def test_versions_that_were_applied_out_of_order_are_told() -> None:
    found = history((3, True, WHEN), (2, True, WHEN), (4, True, WHEN))

    assert [bool(row.remark) for row in found] == [False, True, False]
    assert "after 3" in found[1].remark


def test_an_undone_version_puts_nothing_out_of_order() -> None:
    found = history((3, True, WHEN), (3, False, WHEN), (2, True, WHEN))

    assert "after" not in found[1].remark


@pytest.mark.parametrize(("key", "is_it"), [("7", True), ("70", False)])
def test_a_row_is_that_of_the_number(key: str, is_it: bool) -> None:
    migration = only({"00007_a.sql": f"-- +goose Up\n{UP}"})

    assert TOOL.matches(migration, Row(key=key, state=State.APPLIED)) is is_it
    assert TOOL.verifies(migration, Row(key=key, state=State.APPLIED)) is None


@pytest.mark.parametrize(
    ("columns", "is_ours"),
    [
        (("id", "version_id", "is_applied", "tstamp"), True),
        (("id", "version", "is_applied"), False),
        (("version", "dirty"), False),
    ],
)
def test_a_table_is_told_by_its_columns(columns: tuple[str, ...], is_ours: bool) -> None:
    assert TOOL.owns(HistoryTable("x", "anything", columns), frozenset()) is is_ours


def test_a_project_is_recognised_by_its_marks() -> None:
    assert TOOL.recognises(fixture("goose"))
    assert TOOL.recognises(source(**{"1_a.sql": "--+goose up\n"}))
    assert TOOL.recognises(source(**{"1_a.sql": b"\xef\xbb\xbf-- +goose Up\n"}))
    assert not TOOL.recognises(source(**{"1_a.sql": UP}))
    assert not TOOL.recognises(fixture("sql-migrate"))
