"""Numbered files that psql runs: which file takes which one back, what the headers say, and tables made by hand."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest

from dbmigrate.errors import ConfigError, MigrationFileError
from dbmigrate.importing.numbered import TOOL
from dbmigrate.importing.values import Answers, ForeignMigration, HistoryTable, Part, Row, State
from tests.support.importing_states import fixture, source

UP, DOWN = "create table boats (id int);", "drop table boats;"
TABLE = HistoryTable("platform", "schema_migrations", ("id", "migration_name", "applied_at"))
DOCUMENT_HEADER = """\
-- ============================================
-- Migration: 005 - Add Project Limits
-- ============================================
-- Purpose: Add resource limits tracking for projects
--
-- Dependencies:
--   - 001_create_platform_schema.sql
--   - 003_user_management_and_permissions.sql
--
-- Rollback:
--   See rollback-005.sql
-- ============================================

BEGIN;

create table limits (id int);

COMMIT;
"""


def read(files: dict[str, str | bytes], **answers):
    return TOOL.read(source(**files), Answers(**answers))


def only(files: dict[str, str | bytes], **answers) -> ForeignMigration:
    [migration] = read(files, **answers).migrations
    return migration


def refused(files: dict[str, str | bytes], **answers) -> MigrationFileError:
    with pytest.raises(MigrationFileError) as caught:
        read(files, **answers)
    assert caught.value.code == "E281"
    assert caught.value.place
    return caught.value


def downs(migration: ForeignMigration) -> list[str] | None:
    return None if migration.downs is None else [part.sql for part in migration.downs]


def with_header(*lines: str, sql: str = UP) -> str:
    return "".join(f"-- {line}\n" for line in lines) + sql


# --------------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("name", "version", "description"),
    [
        ("001_create_boats.sql", "001", "create_boats"),
        ("7-crew.sql", "7", "crew"),
        ("20260301120000 harbour master.sql", "20260301120000", "harbour master"),
        ("001.sql", "001", ""),
        ("002_X.SQL", "002", "X"),
    ],
)
def test_the_number_in_front_is_the_version(name: str, version: str, description: str) -> None:
    migration = only({name: UP})

    assert (migration.version, migration.name) == (version, description)


def test_files_without_a_number_are_left_out_and_named() -> None:
    reading = read({"001_a.sql": UP, "check.sql": "select 1", "v002_b.sql": UP, "README.md": "001"})

    assert [each.path for each in reading.migrations] == ["001_a.sql"]
    assert set(reading.left_out) == {"check.sql", "v002_b.sql"}


@pytest.mark.parametrize(
    "name",
    [
        "rollback-001.sql",
        "rollback_001.sql",
        "rollback-001-boats.sql",
        "rollback001.sql",
        "undo_001.sql",
        "undo-1.sql",
        "down_001.sql",
        "revert-001_boats.sql",
        "001_boats_rollback.sql",
        "001_boats.rollback.sql",
        "001_boats-undo.sql",
        "001_boats_down.sql",
        "001_rollback.sql",
        "001.down.sql",
        "down/001_boats.sql",
        "down/001_anything.sql",
        "rollbacks/001.sql",
        "undo/1_boats.sql",
    ],
)
def test_a_file_that_takes_another_back_is_told_by_its_name(name: str) -> None:
    migration = only({"001_boats.sql": UP, name: DOWN})

    assert downs(migration) == [DOWN]
    assert [part.sql for part in migration.ups] == [UP]


def test_up_and_down_may_be_the_ends_of_the_names() -> None:
    assert downs(only({"001_boats_up.sql": UP, "001_boats_down.sql": DOWN})) == [DOWN]


@pytest.mark.parametrize("name", ["005_add_rollback.sql", "005_undo.sql", "006_drop_down.sql"])
def test_a_migration_about_a_rollback_is_a_migration(name: str) -> None:
    reading = read({"001_boats.sql": UP, name: "create table rollbacks (id int);"})

    assert [each.path for each in reading.migrations] == ["001_boats.sql", name]


def test_the_rollback_of_a_migration_about_a_rollback() -> None:
    files = {"005_add_rollback.sql": UP, "005_add_rollback_rollback.sql": DOWN}

    assert downs(only(files)) == [DOWN]


@pytest.mark.parametrize(
    "names",
    [
        ("003_a.sql", "003_b.sql"),
        ("3_a.sql", "003_a.sql"),
        ("one/001_a.sql", "two/001_a.sql"),
        ("001_a.sql", "rollback-001.sql", "undo_001.sql"),
        ("001_a.sql", "001_b_rollback.sql"),
    ],
)
def test_two_files_of_one_number_are_refused_and_both_are_named(names: tuple[str, ...]) -> None:
    error = refused(dict.fromkeys(names, UP))

    assert all(name in error.message for name in names[-2:])


def test_what_takes_back_a_file_that_is_not_there_is_left_out() -> None:
    reading = read({"001_a.sql": UP, "rollback-009.sql": DOWN})

    assert list(reading.left_out) == ["rollback-009.sql"]


def test_files_are_left_out_as_asked() -> None:
    reading = read({"001_a.sql": UP, "001_b.sql": "\\bad"}, skip=frozenset({"001_b.sql"}))

    assert [each.path for each in reading.migrations] == ["001_a.sql"]


def test_padded_files_run_in_the_order_of_their_names() -> None:
    reading = read({"010_b.sql": UP, "009_a.sql": UP})

    assert [each.version for each in reading.migrations] == ["009", "010"]
    assert reading.judgements == ()


def test_unpadded_files_run_in_the_order_of_their_numbers_and_that_is_said() -> None:
    reading = read({"10_b.sql": UP, "9_a.sql": UP})

    assert [each.version for each in reading.migrations] == ["9", "10"]
    assert "order of their numbers" in reading.judgements[0].message


def test_unpadded_files_run_in_the_order_of_their_names_where_asked() -> None:
    reading = read({"10_b.sql": UP, "9_a.sql": UP}, options={"order": "name"})

    assert [each.version for each in reading.migrations] == ["10", "9"]
    assert sorted(reading.migrations, key=lambda each: each.sort_key) == list(reading.migrations)


# ------------------------------------------------------------------------------------------------------- transactions


def test_begin_and_commit_around_all_of_it_go() -> None:
    migration = only({"001_a.sql": DOCUMENT_HEADER.replace("Dependencies", "Needs").replace("rollback-005", "backup")})

    [part] = migration.ups
    assert part.transaction
    assert "BEGIN" not in part.sql
    assert "COMMIT" not in part.sql
    assert "-- Purpose: Add resource limits" in part.sql
    assert "create table limits" in part.sql


@pytest.mark.parametrize(
    "sql",
    [
        "begin;\ncreate table a (id int);\ncommit;",
        "BEGIN WORK; create table a (id int); END;",
        "start transaction;\ncreate table a (id int);\ncommit and no chain;\n",
        "begin;\r\ncreate table a (id int);\r\ncommit;\r\n",
    ],
)
def test_the_wrapper_may_be_written_in_many_ways(sql: str) -> None:
    [part] = only({"001_a.sql": sql}).ups

    assert part.transaction
    assert part.sql.split() == ["create", "table", "a", "(id", "int);"]


def test_the_wrapper_of_a_rollback_file_goes_too() -> None:
    migration = only({"001_a.sql": UP, "rollback-001.sql": f"BEGIN;\n{DOWN}\nCOMMIT;\n"})

    assert downs(migration) == [f"{DOWN}\n"]


def test_begin_inside_a_body_is_no_wrapper() -> None:
    sql = "create function f() returns void language plpgsql as $$\nBEGIN\n  perform 1;\nEND;\n$$;\n"

    migration = only({"001_a.sql": sql})

    assert [(part.sql, part.transaction) for part in migration.ups] == [(sql, True)]
    assert migration.judgements == ()


def test_a_wrapper_with_options_stays() -> None:
    sql = "begin isolation level serializable;\ncreate table a (id int);\ncommit;\n"

    assert [(part.sql, part.transaction) for part in only({"001_a.sql": sql}).ups] == [(sql, False)]


def test_a_wrapper_around_a_part_stays_and_is_told() -> None:
    sql = "begin;\ncreate table a (id int);\ncommit;\ncreate index concurrently i on a (id);\n"

    migration = only({"001_a.sql": sql})

    assert [(part.sql, part.transaction) for part in migration.ups] == [(sql, False)]
    assert "not around all of the file" in migration.judgements[0].message


@pytest.mark.parametrize(
    ("sql", "line", "says"),
    [
        ("begin;\ncreate table a (id int);\n", 1, "no COMMIT"),
        ("begin;\ncreate table a (id int);\nrollback;\n", 3, "ROLLBACK"),
        ("create table a (id int);\ncommit;\ncreate table b (id int);\n", 2, "no BEGIN"),
        ("begin;\nbegin;\ncreate table a (id int);\ncommit;\n", 2, "BEGIN inside"),
        ("begin;\ncreate index concurrently i on a (id);\ncommit;\n", 2, "CREATE INDEX CONCURRENTLY"),
    ],
)
def test_a_transaction_that_does_not_mean_what_it_says_is_refused(sql: str, line: int, says: str) -> None:
    error = refused({"001_a.sql": sql})

    assert error.place.line == line
    assert says in error.message


def test_several_statements_without_begin_were_not_atomic_and_that_is_told() -> None:
    migration = only({"001_a.sql": "create table a (id int);\ncreate table b (id int);\n"})

    assert migration.ups[0].transaction
    assert "one by one" in migration.judgements[0].message


def test_one_statement_without_begin_needs_no_word() -> None:
    assert only({"001_a.sql": UP}).judgements == ()


def test_a_statement_that_refuses_transactions_makes_the_file_one_without() -> None:
    migration = only({"001_a.sql": "create table a (id int);\ncreate index concurrently i on a (id);\n"})

    assert not migration.ups[0].transaction
    assert migration.judgements[0].place.line == 2


# ------------------------------------------------------------------------------------------------------- psql's own


@pytest.mark.parametrize(
    "command",
    [
        "\\include_once other.sql",
        "\\set name value",
        "\\copy boats from 'boats.csv'",
        "\\gexec",
        "\\connect harbour",
        "\\if true",
        "\\! rm -rf .",
        "\\echo `date`",
        "\\echo one \\\\ drop table boats;",
        "\\encoding latin1",
        "\\set ON_ERROR_ROLLBACK on",
    ],
)
def test_psql_s_commands_are_refused_with_their_place(command: str) -> None:
    error = refused({"001_a.sql": f"{UP}\n{command}\n"})

    assert error.place.line == 2
    assert command.split()[0] in error.message


@pytest.mark.parametrize(
    "command", ["\\ir parts/boats.sql", "\\i sql/parts/boats.sql", "\\include sql/parts/boats.sql"]
)
def test_files_that_are_included_are_taken_in(command: str) -> None:
    files = {"sql/001_a.sql": f"begin;\n{command}\ncommit;\n", "sql/parts/boats.sql": UP}

    migration = only(files)

    assert [(part.sql.strip(), part.transaction) for part in migration.ups] == [(UP, True)]
    assert command.split()[0] in migration.judgements[0].message


def test_a_file_that_is_included_and_not_there_is_refused() -> None:
    error = refused({"001_a.sql": f"{UP}\n\\ir gone.sql\n"})

    assert "gone.sql" in error.message
    assert error.place.line == 2


def test_a_command_behind_a_statement_is_found() -> None:
    assert refused({"001_a.sql": "select 'drop table ' || 'x' \\gexec\n"}).place.line == 1


@pytest.mark.parametrize(
    "command", ["\\set ON_ERROR_STOP on", "\\echo 'boats'", "\\timing on", "\\pset pager off", "\\encoding UTF8"]
)
def test_commands_that_only_show_something_go_and_are_told(command: str) -> None:
    migration = only({"001_a.sql": f"{command}\n{UP}\n"})

    assert [part.sql for part in migration.ups] == [f"\n{UP}\n"]
    assert command.split()[0] in migration.judgements[0].message


def test_such_a_command_does_not_end_the_statement_that_it_stands_in() -> None:
    [part] = only({"001_a.sql": "create table a (\n\\echo half\nid int);\n"}).ups

    assert part.sql == "create table a (\n\nid int);\n"


def test_a_backslash_in_a_string_is_text() -> None:
    sql = "insert into t values ('\\i other.sql', E'\\\\gexec', $$\n\\copy x\n$$);"

    assert [part.sql for part in only({"001_a.sql": sql}).ups] == [sql]


def test_the_data_of_copy_stay() -> None:
    sql = "copy boats (id) from stdin;\n1\n\\N\n\\.\nselect 1;\n"

    assert only({"001_a.sql": sql}).ups[0].sql == sql


def test_variables_without_a_value_are_asked_for_once() -> None:
    migration = only({"001_a.sql": "select :'owner', :owner;\nalter table boats owner to :\"owner\";\n"})

    [question] = [judgement for judgement in migration.judgements if judgement.asks]
    assert "owner" in question.message
    assert question.place.line == 1


def test_variables_are_replaced_as_psql_quotes_them() -> None:
    sql = "select :'name', :\"name\", :kind::text, ':name', $$:name$$, a[1:n], b := 2;\n-- :name\n"

    migration = only({"001_a.sql": sql}, placeholders={"name": 'O\'Hara "x"', "kind": "now()"})

    written = sql.replace(":kind", "now()").replace(":'name', :\"name\"", '\'O\'\'Hara "x"\', "O\'Hara ""x"""')
    assert migration.ups[0].sql == written


def test_array_slices_and_casts_hold_no_variables() -> None:
    assert not only({"001_a.sql": 'select x::int, a[i:j], b[1:2], c::"my type";'}).judgements


# -------------------------------------------------------------------------------------------------------------- headers


def test_the_header_of_the_document_names_dependencies_and_rollback() -> None:
    files = {
        "001_create_platform_schema.sql": UP,
        "003_user_management_and_permissions.sql": UP,
        "005_limits.sql": DOCUMENT_HEADER,
        "rollback-005.sql": DOWN,
    }

    *_, migration = read(files).migrations

    assert migration.depends == ("001", "003")
    assert downs(migration) == [DOWN]
    assert [judgement.message for judgement in migration.judgements if "depend" in judgement.message] == []


@pytest.mark.parametrize(
    "lines",
    [
        ("Dependencies: 001",),
        ("Dependencies: 001_a.sql",),
        ("DEPENDENCIES:", "  * `001_a.sql`"),
        ("Depends on: migration 001",),
        ("Dependencies:", "- Requires `001_a.sql`"),
        ("Requires: 1 and 001_a",),
    ],
)
def test_dependencies_are_written_in_many_ways(lines: tuple[str, ...]) -> None:
    _, migration = read({"001_a.sql": UP, "002_b.sql": with_header(*lines)}).migrations

    assert migration.depends == ("001",)


@pytest.mark.parametrize(
    "lines", [("Dependencies: None",), ("Dependencies:", "  - None (initial migration)"), ("Dependencies: N/A",)]
)
def test_no_dependencies_are_none(lines: tuple[str, ...]) -> None:
    migration = only({"001_a.sql": with_header(*lines)})

    assert migration.depends == ()
    assert migration.judgements == ()


@pytest.mark.parametrize(
    "text", ["PostgreSQL 14", "the users table", "009_gone.sql", "002_b.sql", "003_c.sql", "001 or 003"]
)
def test_what_is_no_list_of_earlier_files_stays_a_comment_and_is_told(text: str) -> None:
    files = {"001_a.sql": UP, "002_b.sql": with_header(f"Dependencies: {text}"), "003_c.sql": UP}

    _, migration, _ = read(files).migrations

    assert migration.depends == ()
    assert text in migration.judgements[0].message
    assert migration.judgements[0].place.line == 1


def test_a_rollback_file_may_have_the_name_that_the_header_gives() -> None:
    reading = read({"001_a.sql": with_header("Rollback: see scripts/take_back.sql"), "scripts/take_back.sql": DOWN})

    assert downs(reading.migrations[0]) == [DOWN]
    assert reading.left_out == {}


def test_a_rollback_file_that_is_named_and_not_there_is_told() -> None:
    migration = only({"001_a.sql": with_header("Rollback:", "  See rollback-001.sql")})

    assert migration.downs is None
    assert "rollback-001.sql" in migration.judgements[0].message


def test_restore_from_backup_is_no_down() -> None:
    migration = only({"001_a.sql": with_header("Rollback:", "  None: restore from backup")})

    assert migration.downs is None
    assert "restore from backup" in migration.judgements[0].message


ROLLBACKS = [
    with_header("Rollback:", "  DROP TABLE boats;", "  DROP TABLE crew;", "=====", sql=UP),
    with_header("Rollback: DROP TABLE boats; DROP TABLE crew;"),
    UP + "\n\n-- Rollback:\n-- DROP TABLE boats;\n-- DROP TABLE crew;\n",
]


@pytest.mark.parametrize("sql", ROLLBACKS)
def test_a_rollback_in_a_comment_is_not_taken_and_that_is_told(sql: str) -> None:
    migration = only({"001_a.sql": sql})

    assert migration.downs is None
    assert "--option rollback-comments=true" in (migration.judgements[0].hint or "")


@pytest.mark.parametrize("sql", ROLLBACKS)
def test_a_rollback_in_a_comment_is_taken_when_asked(sql: str) -> None:
    migration = only({"001_a.sql": sql}, options={"rollback-comments": "true"})

    assert " ".join(" ".join(downs(migration) or ()).split()) == "DROP TABLE boats; DROP TABLE crew;"


def test_prose_is_never_taken_as_a_rollback() -> None:
    prose = with_header("Rollback: drop it, but don't drop the crew's table;")

    assert only({"001_a.sql": prose}, options={"rollback-comments": "true"}).downs is None


@pytest.mark.parametrize(
    "line", ["Environment: production", "Env: staging, dev", "for production only", "Note: PRODUCTION-ONLY data"]
)
def test_a_file_for_one_environment_is_told(line: str) -> None:
    migration = only({"001_a.sql": with_header(line)})

    assert "one environment" in migration.judgements[0].message
    assert "`-- migrate:env NAME`" in (migration.judgements[0].hint or "")


@pytest.mark.parametrize("line", ["Environment: all", "Purpose: a read-only view"])
def test_a_file_for_all_environments_needs_no_word(line: str) -> None:
    assert only({"001_a.sql": with_header(line)}).judgements == ()


def test_a_key_in_a_body_is_no_header() -> None:
    sql = "do $$\n-- Rollback: DROP TABLE boats;\n-- Dependencies: 001\nbegin end $$;\nselect 1;"

    migration = only({"001_a.sql": "begin;\n" + sql + "\ncommit;"}, options={"rollback-comments": "true"})

    assert migration.downs is None
    assert migration.depends == ()


# ---------------------------------------------------------------------------------------------------------------- text


def test_a_byte_order_mark_goes_and_carriage_returns_stay() -> None:
    content = b"\xef\xbb\xbf-- Dependencies: None\r\ncreate table a (id int);\r\n"

    assert only({"001_a.sql": content}).ups[0].sql == content[3:].decode()


def test_an_empty_file_has_nothing_to_run() -> None:
    assert only({"001_a.sql": "-- nothing yet\n"}).ups == (Part("-- nothing yet\n"),)


def test_an_open_quote_is_refused_with_its_place() -> None:
    error = refused({"001_a.sql": UP, "rollback-001.sql": "drop table boats;\nselect $body$ x"})

    assert str(error.place) == "old/rollback-001.sql:2:8"


# ------------------------------------------------------------------------------------------------------------- history


def history(*answer: tuple[object, ...], table: HistoryTable = TABLE, **options: str) -> tuple[Row, ...]:
    return TOOL.history(lambda sql: answer, table, Answers(options=options))


@pytest.mark.parametrize(
    ("said", "is_it"),
    [
        ("007_boats.sql", True),
        ("007_boats", True),
        ("007", True),
        ("7", True),
        (" 007_boats.sql ", True),
        ("migrations/007_boats.sql", True),
        ("007_boats.SQL", True),
        ("007_other.sql", False),
        ("0071", False),
        ("boats", False),
    ],
)
def test_the_column_holds_the_file_s_name_the_bare_name_or_the_number(said: str, is_it: bool) -> None:
    migration = only({"007_boats.sql": UP})

    assert TOOL.matches(migration, Row(key=said, state=State.APPLIED)) is is_it


def test_the_column_is_found_by_its_name_or_named() -> None:
    asked: list[str] = []

    def query(sql: str) -> list[tuple[object, ...]]:
        asked.append(sql)
        return []

    TOOL.history(query, TABLE, Answers())
    TOOL.history(query, HistoryTable("app", "log", ("what", "at")), Answers(options={"column": "what"}))

    assert '"migration_name"::text' in asked[0]
    assert 'order by "id"' in asked[0]
    assert '"what"::text' in asked[1]


@pytest.mark.parametrize(("columns", "options"), [(("what", "at"), {}), (("version",), {"column": "nam"})])
def test_a_column_that_is_not_there_is_refused(columns: tuple[str, ...], options: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        history(table=HistoryTable("app", "log", columns), **options)

    assert "--column" in (caught.value.hint or "")
    assert all(column in (caught.value.hint or "") for column in columns)


def test_a_row_is_an_applied_file_with_its_time() -> None:
    when = datetime(2026, 6, 1, 8, tzinfo=UTC)

    [row] = history(("001_a.sql", when, "anna", None))

    assert (row.key, row.state, row.applied_at, row.applied_by) == ("001_a.sql", State.APPLIED, when, "anna")


@pytest.mark.parametrize(
    ("column", "value", "state"),
    [
        ("success", "true", State.APPLIED),
        ("success", "false", State.FAILED),
        ("dirty", "true", State.FAILED),
        ("status", "FAILED", State.FAILED),
        ("status", "completed", State.APPLIED),
        ("status", "rolled_back", State.PENDING),
        ("is_applied", "false", State.PENDING),
        ("rolled_back_at", "2026-06-01", State.PENDING),
        ("rolled_back_at", None, State.APPLIED),
    ],
)
def test_columns_that_say_how_it_went_count(column: str, value: str | None, state: State) -> None:
    table = HistoryTable("app", "migrations", ("id", "name", column))

    [row] = history(("001_a", None, None, None, value), table=table)

    assert row.state is state


def test_a_file_that_was_taken_back_and_applied_again_has_its_newest_row_last() -> None:
    table = HistoryTable("app", "migrations", ("id", "name", "status"))

    found = history(
        ("001", None, None, None, "done"),
        ("001", None, None, None, "reverted"),
        ("001", None, None, None, "done"),
        table=table,
    )

    assert [row.state for row in found] == [State.APPLIED, State.PENDING, State.APPLIED]


def test_the_usual_checksums_are_tried_and_others_say_nothing() -> None:
    migration = only({"001_a.sql": UP})

    for algorithm in ("sha256", "sha1", "md5"):
        row = Row(key="001", state=State.APPLIED, checksum=hashlib.new(algorithm, UP.encode()).hexdigest())
        assert TOOL.verifies(migration, row) is True
    assert TOOL.verifies(migration, Row(key="001", state=State.APPLIED, checksum="0" * 32)) is None


@pytest.mark.parametrize(
    ("name", "columns", "is_ours"),
    [
        ("schema_migrations", ("id", "migration_name", "applied_at"), True),
        ("migrations", ("filename",), True),
        ("schema_migrations", ("version",), False),
        ("schema_migrations", ("version", "dirty"), False),
        ("boats", ("id", "name"), False),
        ("goose_db_version", ("id", "version_id", "is_applied", "tstamp"), False),
    ],
)
def test_a_table_made_by_hand_is_told_by_its_name_and_columns(
    name: str, columns: tuple[str, ...], is_ours: bool
) -> None:
    assert TOOL.owns(HistoryTable("public", name, columns), frozenset()) is is_ours


# ---------------------------------------------------------------------------------------------------------- recognised


@pytest.mark.parametrize(
    ("files", "is_ours"),
    [
        ({"001_a.sql": UP, "rollback-001.sql": DOWN}, True),
        ({"migrations/001_a.sql": UP}, True),
        ({"a.sql": UP}, False),
        ({"supabase/migrations/20260101000000_a.sql": UP}, False),
        ({"001_a.sql": "-- +goose Up\n" + UP}, False),
        ({"001_a.sql": "-- migrate:up\n" + UP}, False),
        ({"001_a.sql": "-- Up Migration\n" + UP}, False),
        ({"001_a.up.sql": UP, "001_a.down.sql": UP}, False),
    ],
)
def test_a_project_is_recognised_by_numbers_without_another_tool_s_marks(files: dict, is_ours: bool) -> None:
    assert TOOL.recognises(source(**files)) is is_ours


def test_the_fixture_is_recognised() -> None:
    assert TOOL.recognises(fixture("numbered"))


def test_what_a_file_sets_before_its_first_statement_is_put_in() -> None:
    sql = "\\set who 'it''s ann'\n\\set n 5\nselect :'who', :\"who\", :n;\n"

    migration = only({"001_a.sql": sql}, placeholders={"n": "6"})

    assert migration.ups[0].sql.strip() == "select 'it''s ann', \"it's ann\", 5;"
    assert migration.variables == ()


@pytest.mark.parametrize(
    "sql",
    ["select 1;\n\\set who ann\n", "\\set a 1\n\\set a 2\n", "\\set a `date`\n", "\\set a :b\n", "\\set a 'x\\n'\n"],
)
def test_another_use_of_set_is_refused(sql: str) -> None:
    refused({"001_a.sql": sql + "select :'a';\n"})
