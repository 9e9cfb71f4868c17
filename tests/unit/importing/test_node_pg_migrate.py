"""node-pg-migrate: where its regular expressions find sections, how it sorts, pairs, code, and its table."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dbmigrate.errors import ConfigError, MigrationFileError
from dbmigrate.importing.node_pg_migrate import TOOL
from dbmigrate.importing.values import Answers, ForeignMigration, HistoryTable, Part, Row, State
from tests.support.importing_states import fixture, source

TABLE = HistoryTable("public", "pgmigrations", ("id", "name", "run_on"))
NAME = "1760000001000_boats.sql"
UP, DOWN = "create table boats (id int);\n", "drop table boats;\n"


def read(files: dict[str, str | bytes], **answers):
    return TOOL.read(source(**files), Answers(**answers))


def only(files: dict[str, str | bytes], **answers) -> ForeignMigration:
    [migration] = read(files, **answers).migrations
    return migration


def sections(text: str | bytes) -> tuple[str, str | None]:
    migration = only({NAME: text})
    down = None if migration.downs is None else "".join(part.sql for part in migration.downs)
    return "".join(part.sql for part in migration.ups), down


def refused(files: dict[str, str | bytes], **answers) -> MigrationFileError:
    with pytest.raises(MigrationFileError) as caught:
        read(files, **answers)
    assert caught.value.code == "E281"
    assert caught.value.place
    return caught.value


def names(*files: str) -> list[str]:
    return [each.path for each in read(dict.fromkeys(files, UP)).migrations]


# ------------------------------------------------------------------------------------------------------------ sections


@pytest.mark.parametrize(
    ("up", "down"),
    [
        ("-- Up Migration", "-- Down Migration"),
        ("--up migration", "--DOWN MIGRATION"),
        ("  -- UP  Migration  ", "\t--\tdown\tmigration"),
        ("------ Up Migration ------", "-- - - Down Migration"),
        ("--\n-- Up Migration", "-- -----\n-- Down Migration"),
    ],
)
def test_the_headers_may_be_written_in_many_ways(up: str, down: str) -> None:
    assert sections(f"{up}\n{UP}{down}\n{DOWN}") == (UP, DOWN)


def test_the_sections_may_stand_in_either_order() -> None:
    assert sections(f"-- Down Migration\n{DOWN}-- Up Migration\n{UP}") == (UP, DOWN)


def test_text_behind_the_words_of_a_header_is_free_and_stays_a_comment() -> None:
    up, down = sections(f"-- Up Migration: the boats; all of them\n{UP}-- Down Migrations\n{DOWN}")

    assert up == f"-- Up Migration: the boats; all of them\n{UP}"
    assert down == f"-- Down Migrations\n{DOWN}"


def test_a_line_of_one_dash_in_a_header_is_sql_to_the_server() -> None:
    assert sections(f"--\n-\n-- Up Migration\n{UP}") == (f"--\n-\n-- Up Migration\n{UP}", None)


def test_the_first_header_of_a_direction_counts() -> None:
    up, down = sections(f"-- Up Migration\n{UP}-- Up Migration\nselect 1;\n-- Down Migration\n{DOWN}")

    assert up == f"{UP}-- Up Migration\nselect 1;\n"
    assert down == DOWN


def test_comments_above_the_first_header_are_dropped_without_a_word() -> None:
    migration = only({NAME: f"-- boats\n/* and more */\n-- Up Migration\n{UP}"})

    assert migration.ups[0].sql == UP
    assert migration.judgements == ()


def test_sql_above_the_first_header_is_dropped_and_that_is_told() -> None:
    migration = only({NAME: f"\nset role boats;\n-- Up Migration\n{UP}"})

    assert migration.ups[0].sql == UP
    assert migration.judgements[0].place.line == 2


def test_without_an_up_header_all_of_the_file_runs_as_up() -> None:
    migration = only({NAME: f"{UP}-- Down Migration\n{DOWN}"})

    assert migration.ups[0].sql == f"{UP}-- Down Migration\n{DOWN}"
    assert [part.sql for part in migration.downs or ()] == [DOWN]
    assert migration.judgements[0].place.line == 2
    assert "all of the file as up" in migration.judgements[0].message


def test_a_file_without_headers_is_an_up_without_a_down() -> None:
    assert sections(UP) == (UP, None)


def test_without_a_down_header_there_is_no_down() -> None:
    assert sections(f"-- Up Migration\n{UP}") == (UP, None)


def test_a_down_section_of_comments_is_an_empty_down() -> None:
    assert only({NAME: f"-- Up Migration\n{UP}-- Down Migration\n-- nothing\n"}).downs == (Part("-- nothing\n"),)


def test_a_header_inside_a_body_cuts_it_and_what_is_open_then_is_refused() -> None:
    text = f"-- Up Migration\ndo $$\nbegin\n-- Down Migration\nend $$;\n{DOWN}"

    assert refused({NAME: text}).place.line == 2


def test_a_header_inside_a_comment_of_several_lines_cuts_it_too() -> None:
    assert refused({NAME: f"-- Up Migration\n{UP}/*\n-- Down Migration\n*/\n{DOWN}"}).place.line == 3


def test_words_that_do_not_follow_the_dashes_are_no_header() -> None:
    text = f"-- Up Migration\n{UP}-- this is the down migration\nselect '\n- down migration';\n"

    assert sections(text) == (text.partition("\n")[2], None)


def test_carriage_returns_stay_and_a_byte_order_mark_goes() -> None:
    text = b"\xef\xbb\xbf-- Up Migration\r\ncreate table a (id int);\r\n-- Down Migration\r\ndrop table a;\r\n"

    assert sections(text) == ("create table a (id int);\r\n", "drop table a;\r\n")


def test_delimiters_in_a_function_end_nothing() -> None:
    body = "create function f() returns int language sql as $f$ select 1; select 2; $f$;\n"

    assert sections(f"-- Up Migration\n{body}-- Down Migration\ndrop function f();\n") == (body, "drop function f();\n")


def test_errors_have_the_place_in_the_file_and_not_in_the_section() -> None:
    error = refused({NAME: f"-- Up Migration\n{UP}-- Down Migration\nselect 1;\nselect 'x\n"})

    assert str(error.place) == f"old/{NAME}:5:8"


def test_a_psql_command_is_refused() -> None:
    assert refused({NAME: f"-- Up Migration\n{UP}\\echo x\n"}).place.line == 3


def test_sql_files_always_run_in_a_transaction() -> None:
    migration = only({NAME: f"-- Up Migration\n{UP}{UP}"})
    concurrent = only({NAME: "-- Up Migration\ncreate index concurrently i on t (x);\n"})

    assert migration.ups[0].transaction
    assert not concurrent.ups[0].transaction
    assert "can only have failed" in concurrent.judgements[0].message


# --------------------------------------------------------------------------------------------------------------- names


def test_the_number_in_front_is_the_version_and_the_rest_the_name() -> None:
    migration = only({NAME: UP})

    assert (migration.version, migration.name) == ("1760000001000", "boats")


def test_files_sort_by_their_number() -> None:
    assert names("10_b.sql", "9_a.sql", "0008_c.sql") == ["0008_c.sql", "9_a.sql", "10_b.sql"]


def test_seventeen_digits_are_a_date_and_sort_between_milliseconds() -> None:
    before, date, after = "1767225599999_a.sql", "20260101000000001_b.sql", "1767225600002_c.sql"

    assert names(after, date, before) == [before, date, after]


def test_seventeen_digits_that_are_no_date_are_refused() -> None:
    assert "not a date" in refused({"20261301000000000_a.sql": UP}).message


def test_names_of_one_number_sort_as_in_a_locale() -> None:
    """As Node.js sorts them: numbers as numbers, punctuation left out, small letters first."""
    files = ("1_b.sql", "1_a10.sql", "1_a2.sql", "1_A2.sql", "1_a-1.sql")

    assert names(*files) == ["1_a-1.sql", "1_a2.sql", "1_A2.sql", "1_a10.sql", "1_b.sql"]


def test_files_without_a_number_are_left_out_and_named() -> None:
    reading = read({NAME: UP, "seed.sql": UP, "helper.js": "x", "README.md": "x", ".1_hidden.sql": UP})

    assert [each.path for each in reading.migrations] == [NAME]
    assert set(reading.left_out) == {"seed.sql", "helper.js", ".1_hidden.sql"}


def test_sub_directories_are_not_read() -> None:
    reading = read({NAME: UP, f"old/{NAME}": UP})

    assert [each.path for each in reading.migrations] == [NAME]
    assert list(reading.left_out) == [f"old/{NAME}"]


def test_the_one_directory_with_migrations_is_read() -> None:
    assert only({f"app/migrations/{NAME}": UP, "package.json": "{}"}).path == f"app/migrations/{NAME}"


# --------------------------------------------------------------------------------------------------------------- pairs

PAIR = {"1_a.up.sql": UP, "1_a.down.sql": DOWN}


def test_files_of_a_pair_ask_for_the_loader() -> None:
    [question] = read(PAIR).judgements

    assert question.asks
    assert "--option loader=sql" in (question.hint or "")


def test_the_loader_sql_takes_a_pair_for_one_migration() -> None:
    reading = read({**PAIR, "2_b.sql": f"-- Up Migration\n{UP}"}, options={"loader": "sql"})

    one, other = reading.migrations
    assert (one.name, [part.sql for part in one.ups], [part.sql for part in one.downs or ()]) == ("a", [UP], [DOWN])
    assert other.path == "2_b.sql"
    assert reading.judgements == ()


def test_the_loader_sql_does_not_look_for_headers_in_pairs() -> None:
    files = {"1_a.up.sql": f"{UP}-- Down Migration\n{DOWN}"}

    assert only(files, options={"loader": "sql"}).ups[0].sql == files["1_a.up.sql"]


def test_the_default_loader_takes_a_pair_for_two_migrations_and_runs_the_down_file_first() -> None:
    down, up = read(PAIR, options={"loader": "default"}).migrations

    assert (down.path, up.path) == ("1_a.down.sql", "1_a.up.sql")
    assert TOOL.matches(down, Row(key="1_a.down", state=State.APPLIED))
    assert TOOL.matches(up, Row(key="1_a.up", state=State.APPLIED))


def test_the_row_of_a_pair_has_the_name_without_a_direction() -> None:
    migration = only(PAIR, options={"loader": "sql"})

    assert TOOL.matches(migration, Row(key="1_a", state=State.APPLIED))
    assert not TOOL.matches(migration, Row(key="1_a.down", state=State.APPLIED))


@pytest.mark.parametrize("files", [("1_a.down.sql",), ("1_a.sql", "1_a.up.sql"), ("1_a.sql", "1_a.down.sql")])
def test_halves_that_do_not_fit_are_refused(files: tuple[str, ...]) -> None:
    refused(dict.fromkeys(files, UP), options={"loader": "sql"})


# ---------------------------------------------------------------------------------------------------------------- code

CODE = "1760000003000_index.cjs"
INDEX = "create index concurrently i on boats (id);\n"


@pytest.mark.parametrize("extension", ["js", "cjs", "mjs", "ts"])
def test_code_asks_for_its_sql(extension: str) -> None:
    [question] = only({f"1_a.{extension}": "exports.up = 1"}).judgements

    assert question.asks
    assert f"--sql 1_a.{extension}=" in (question.hint or "")
    assert f"--skip 1_a.{extension}" in (question.hint or "")


def test_code_is_left_out_as_asked() -> None:
    reading = read({NAME: UP, CODE: "x"}, skip=frozenset({CODE}))

    assert [each.path for each in reading.migrations] == [NAME]


def test_the_sql_of_code_is_a_file_of_the_project() -> None:
    migration = only({CODE: "x", "given/index.sql": INDEX}, sql_of={CODE: "given/index.sql"})

    assert [(part.sql, part.transaction) for part in migration.ups] == [(INDEX, False)]
    assert "failed" not in migration.judgements[0].message
    assert (migration.path, migration.downs) == (CODE, None)


def test_the_sql_of_code_may_have_sections() -> None:
    given = f"-- Up Migration\n{UP}-- Down Migration\n{DOWN}"

    migration = only({CODE: "x", "9_given.sql": given}, sql_of={CODE: "9_given.sql"})

    assert [part.sql for part in migration.downs or ()] == [DOWN]


def test_sql_of_code_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        read({CODE: "x"}, sql_of={CODE: "gone.sql"})

    assert "gone.sql" in caught.value.message


LOG = fixture("node-pg-migrate", "given").files[0].content


def test_the_log_of_a_dry_run_holds_the_sql_of_code() -> None:
    name = "1760000003000_trips-index.cjs"

    migration = only({name: "x", "dry-run.log": LOG}, sql_of={name: "dry-run.log"})

    assert [(part.sql, part.transaction) for part in migration.ups] == [
        ("CREATE INDEX CONCURRENTLY trips_boat_left ON trips (boat_id, left_at);\n", False)
    ]


def test_the_log_holds_every_migration_as_the_files_do() -> None:
    files = {each.path: each.content for each in fixture("node-pg-migrate").files if each.path.endswith(".sql")}
    plain = {each.path: each for each in read(files).migrations}
    for path, migration in plain.items():
        code = f"{path.removesuffix('.sql')}.js"
        logged = only({code: "x", "dry-run.log": LOG}, sql_of={code: "dry-run.log"})

        text, *rest = [part.sql for part in migration.ups]
        assert not rest
        assert [part.sql.replace("-- Up Migration\n", "").strip("\n;") for part in logged.ups] == [text.strip("\n;")]
        assert [part.transaction for part in logged.ups] == [True]


def test_a_migration_between_begin_and_commit_of_the_log_is_transactional() -> None:
    log = (
        f"### MIGRATION 1_a (UP) ###\nBEGIN;\n{UP}{UP}"
        'INSERT INTO "public"."pgmigrations" (name, run_on) VALUES (\'1_a\', NOW());\nCOMMIT;\n\n\nMigrations complete!'
    )

    assert [(part.sql, part.transaction) for part in only({"1_a.js": "x", "l": log}, sql_of={"1_a.js": "l"}).ups] == [
        (f"{UP}{UP}", True)
    ]


def test_a_migration_that_the_log_does_not_have_is_refused() -> None:
    error = refused({"1_a.js": "x", "dry-run.log": LOG}, sql_of={"1_a.js": "dry-run.log"})

    assert "### MIGRATION 1_a (UP) ###" in error.message


# ------------------------------------------------------------------------------------------------------------- history


def test_every_row_is_applied_and_named_after_the_file() -> None:
    when = datetime(2026, 6, 1, 8, 0, 0, 5)

    found = TOOL.history(lambda sql: [("1_b", when), ("1_a", when)], TABLE, Answers())

    assert [(row.key, row.state) for row in found] == [("1_b", State.APPLIED), ("1_a", State.APPLIED)]
    assert found[0].applied_at == when.replace(tzinfo=UTC)
    assert found[0].checksum is None


def test_rows_are_read_in_the_order_in_which_they_were_run() -> None:
    asked: list[str] = []

    def query(sql: str) -> list[tuple[object, ...]]:
        asked.append(sql)
        return []

    TOOL.history(query, TABLE, Answers())

    assert asked[0].endswith("order by run_on, id")


@pytest.mark.parametrize(
    ("key", "is_it"), [("1_a", True), ("1_a.sql", False), ("01_a", False), ("1_A", False), ("a", False)]
)
def test_a_row_is_that_of_the_file_of_exactly_this_name(key: str, is_it: bool) -> None:
    assert TOOL.matches(only({"1_a.sql": UP}), Row(key=key, state=State.APPLIED)) is is_it


def test_only_the_last_ending_is_no_part_of_the_name() -> None:
    assert TOOL.matches(only({"1_a.b.sql": UP}), Row(key="1_a.b", state=State.APPLIED))


def test_there_are_no_checksums() -> None:
    assert TOOL.verifies(only({NAME: UP}), Row(key="x", state=State.APPLIED)) is None


@pytest.mark.parametrize(
    ("columns", "is_ours"),
    [
        (("id", "name", "run_on"), True),
        (("version", "run_on"), False),
        (("id", "name", "batch", "migration_time"), False),
    ],
)
def test_a_table_is_told_by_its_columns(columns: tuple[str, ...], is_ours: bool) -> None:
    assert TOOL.owns(HistoryTable("x", "anything", columns), frozenset()) is is_ours


@pytest.mark.parametrize(
    ("files", "is_ours"),
    [
        ({"1_a.sql": f"-- Up Migration\n{UP}"}, True),
        ({"1_a.sql": UP}, False),
        ({"a.sql": f"-- Up Migration\n{UP}"}, False),
        ({"1760000003000_a.js": "x"}, True),
        ({"20260101000000000_a.ts": "x"}, True),
        ({"1_a.js": "x"}, False),
        ({"1760000003000-A.ts": "import { MigrationInterface } from 'typeorm'"}, False),
        ({"20260101000000_a.js": "x"}, False),
        (PAIR, True),
    ],
)
def test_a_project_is_recognised_by_headers_timed_code_or_pairs(files: dict, is_ours: bool) -> None:
    assert TOOL.recognises(source(**files)) is is_ours


def test_the_fixture_is_recognised() -> None:
    assert TOOL.recognises(fixture("node-pg-migrate"))
