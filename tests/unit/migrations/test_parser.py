"""Migration files: what is read from them, what is refused with which place, what is run."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from dbmigrate.errors import CODES, WARNINGS, ConfigError, MigrationFileError
from dbmigrate.migrations import parser, plain_sql
from dbmigrate.model import Direction, Migration, MigrationFile, Severity, StatementKind

UP = "-- migrate:up\n"
DOWN = "-- migrate:down\n"
NO_TRANSACTION = "-- migrate:up transaction:false\n"
OVER_64_KIB = "-- " + "x" * 70_000 + "\n"
OVER_1_MIB = ("-- " + "x" * 200 + "\n") * 6_000


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str | bytes], MigrationFile]:
    """Writes a migration file."""

    def write(content: str | bytes) -> MigrationFile:
        path = tmp_path / "1_test.sql"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return MigrationFile("1", path.name, str(path))

    return write


@pytest.fixture
def read(file) -> Callable[[str | bytes], Migration]:
    return lambda content: parser.read(file(content))


@pytest.fixture
def refused(file) -> Callable[[str | bytes], MigrationFileError]:
    def read(content: str | bytes) -> MigrationFileError:
        with pytest.raises(MigrationFileError) as caught:
            parser.read(file(content))
        assert caught.value.code in CODES
        assert caught.value.hint
        assert caught.value.place is not None
        return caught.value

    return read


def place(error: MigrationFileError) -> tuple[int, int]:
    assert error.place is not None
    return error.place.line, error.place.column


def run_of(migration: Migration, number: int = 0) -> list[str]:
    """The SQL that is run for a section."""
    return [statement.sql for statement in parser.statements(migration, migration.sections[number])]


# ------------------------------------------------------------------------------------------------------------ sections


def test_an_ordinary_file(read):
    text = "-- what it is for\n\n" + UP + "CREATE TABLE t (a int);\n\n" + DOWN + "DROP TABLE t;\n"
    migration = read(text)

    up, down = migration.sections
    assert (up.direction, up.number, up.line, up.count, up.transaction) == (Direction.UP, 0, 3, 1, True)
    assert (down.direction, down.number, down.line, down.count) == (Direction.DOWN, 1, 6, 1)
    assert migration.checksum == hashlib.sha256(text.encode()).hexdigest()
    assert migration.up_sql == UP + "CREATE TABLE t (a int);\n\n"
    assert migration.down_sql == DOWN + "DROP TABLE t;\n"
    assert migration.problems == ()


@pytest.mark.parametrize(
    "header",
    [
        "-- migrate:up",
        "--migrate:up",
        "--\tmigrate:up",
        "--   migrate:up  ",
        "-- migrate:up\ttransaction:true",
        "-- migrate:up words",
    ],
)
def test_headers_of_dbmate_are_accepted(read, header: str):
    assert read(f"{header}\nSELECT 1;\n{DOWN}").sections[0].count == 1


@pytest.mark.parametrize(
    "before", ["", "\n\n", "-- a comment\n", "  -- indented\n", "/* a block\n comment */\n", "\ufeff", "\ufeff-- x\n"]
)
def test_comments_blank_lines_and_a_byte_order_mark_may_stand_before(read, before: str):
    assert read(before + UP + "SELECT 1;\n" + DOWN).sections[0].count == 1


def test_sections_may_be_empty_and_statements_unfinished(read):
    migration = read(UP + "SELECT 1 -- no semicolon\n" + DOWN)

    assert run_of(migration) == ["SELECT 1"]
    assert run_of(migration, 1) == []


def test_carriage_returns_stay_inside_statements(read):
    migration = read("-- migrate:up\r\nSELECT 'a\r\nb';\r\n-- migrate:down transaction:false\r\nDROP\r\n TABLE t;\r\n")

    assert run_of(migration) == ["SELECT 'a\r\nb';"]
    assert run_of(migration, 1) == ["DROP\r\n TABLE t;"]
    assert not migration.sections[1].transaction


def test_several_pairs_keep_their_own_options(read):
    migration = read(UP + "SELECT 1;\n" + DOWN + "SELECT 2;\n" + NO_TRANSACTION + "SELECT 3;\n" + DOWN + "SELECT 4;\n")

    assert [section.transaction for section in migration.sections] == [True, True, False, True]
    assert [section.number for section in migration.run_order(Direction.DOWN)] == [3, 1]
    assert not migration.is_transactional(Direction.UP)
    assert migration.up_sql == UP + "SELECT 1;\n" + NO_TRANSACTION + "SELECT 3;\n"
    assert migration.down_sql == DOWN + "SELECT 2;\n" + DOWN + "SELECT 4;\n"


def test_options_are_kept_as_they_are_written(read):
    migration = read("-- migrate:up lock_timeout:500ms timeout:1h30m\n-- migrate:down irreversible:true timeout:0\n")

    assert dict(migration.sections[0].options) == {"lock_timeout": "500ms", "timeout": "1h30m"}
    assert dict(migration.sections[1].options) == {"irreversible": "true", "timeout": "0"}
    assert migration.is_irreversible


@pytest.mark.parametrize("padding", ["", OVER_1_MIB], ids=["small", "large"])
@pytest.mark.parametrize("quoted", ["'\n-- migrate:down\n'", "$$\n-- migrate:down\n$$", '"\n-- migrate:down\n"'])
def test_a_header_in_quotes_is_text_and_is_told(read, quoted: str, padding: str):
    migration = read(padding + UP + f"SELECT {quoted};\n" + DOWN)

    (problem,) = migration.problems
    assert len(migration.sections) == 2
    assert (problem.code, problem.place.line) == ("W204", padding.count("\n") + 3)


def test_a_header_ends_an_unfinished_statement(read):
    migration = read(UP + "CREATE TABLE t (\n" + DOWN + "CREATE FUNCTION f() BEGIN ATOMIC SELECT 1; END;")

    assert run_of(migration) == ["CREATE TABLE t ("]
    assert run_of(migration, 1) == ["CREATE FUNCTION f() BEGIN ATOMIC SELECT 1; END;"]


# ---------------------------------------------------------------------------------------------------------- statements


def test_statements_have_places_leads_and_kinds(read):
    migration = read(UP + "-- one\nSELECT 'é'; SELECT 2;\n  \tVACUUM;".replace("VACUUM", "SELECT 3") + "\n" + DOWN)

    found = [(s.sql, s.line, s.column, s.lead, s.kind) for s in parser.statements(migration, migration.sections[0])]
    assert found == [
        ("SELECT 'é';", 3, 1, "\n-- one\n", StatementKind.PLAIN),
        ("SELECT 2;", 3, 13, " ", StatementKind.PLAIN),
        ("SELECT 3;", 4, 4, "\n  \t", StatementKind.PLAIN),
    ]


def test_empty_statements_do_not_count(read):
    assert run_of(read(UP + ";;\n ; SELECT 1;;\n" + DOWN)) == ["SELECT 1;"]


COPYING = UP + "COPY t FROM stdin;\n1\tit's\n-- migrate:down\n\\.\n SELECT 1;\n" + DOWN


@pytest.mark.parametrize("padding", ["", OVER_64_KIB, OVER_1_MIB], ids=["small", "medium", "large"])
def test_copy_data_goes_with_its_statement(read, padding: str):
    migration = read(padding + COPYING)

    copy, after = [
        (statement.sql, statement.line - padding.count("\n"), statement.column, tuple(statement.copy_data or ()))
        for statement in parser.statements(migration, migration.sections[0])
    ]
    assert copy == ("COPY t FROM stdin;", 2, 1, ("1\tit's\n-- migrate:down\n",))
    assert after == ("SELECT 1;", 6, 2, ())


def test_small_files_can_be_run_twice(read):
    migration = read(COPYING)
    twice = [
        [(s.sql, tuple(s.copy_data or ())) for s in parser.statements(migration, migration.sections[0])] for _ in "ab"
    ]

    assert twice[0] == twice[1]


@pytest.mark.parametrize(
    ("padding", "is_kept", "has_text"), [("", True, True), (OVER_64_KIB, False, True), (OVER_1_MIB, False, False)]
)
def test_what_is_kept_depends_on_the_size(read, padding: str, is_kept: bool, has_text: bool):
    migration = read(padding + UP + "SELECT 1;\n" + DOWN + "SELECT 2;")

    assert (migration.sections[0].statements is not None) == is_kept
    assert (migration.up_sql is not None, migration.token_checksum is not None) == (has_text, has_text)
    assert (run_of(migration), run_of(migration, 1)) == (["SELECT 1;"], ["SELECT 2;"])


def test_unread_copy_data_does_not_disturb_what_follows(read):
    migration = read(OVER_1_MIB + COPYING)

    last = list(parser.statements(migration, migration.sections[0]))[-1]
    assert (last.sql, last.line) == ("SELECT 1;", 6_006)


def test_a_file_that_changed_after_it_was_checked_is_noticed(read, file):
    migration = read(OVER_64_KIB + UP + "SELECT 1;\n" + DOWN)
    file(OVER_64_KIB + UP + "SELECT 1;\n" + DOWN + "SELECT 2;")

    with pytest.raises(MigrationFileError) as caught:
        list(parser.statements(migration, migration.sections[0]))

    assert caught.value.code == "E222"


def test_a_file_that_is_gone_after_it_was_checked_has_changed(read, file):
    migration = read(OVER_64_KIB + UP + "SELECT 1;\n" + DOWN)
    os.unlink(migration.file.path)

    with pytest.raises(MigrationFileError) as caught:
        list(parser.statements(migration, migration.sections[0]))

    assert caught.value.code == "E222"


def test_a_file_that_broke_after_it_was_checked_has_changed(read, file):
    migration = read(OVER_64_KIB + UP + "SELECT 1;\n" + DOWN)
    file(OVER_64_KIB + UP + "SELECT '1;\n" + DOWN)

    with pytest.raises(MigrationFileError) as caught:
        list(parser.statements(migration, migration.sections[0]))

    assert caught.value.code == "E222"


# ------------------------------------------------------------------------------------------------- redundant wrappers


@pytest.mark.parametrize("padding", ["", OVER_64_KIB])
@pytest.mark.parametrize(
    ("body", "redundant"),
    [
        ("BEGIN;\nSELECT 1;\nCOMMIT;\n", {0, 2}),
        ("-- x\nSTART TRANSACTION;\nSELECT 1;\nEND WORK\n-- done\n", {0, 2}),
        ("SELECT 1;\nCOMMIT;\n", {1}),
    ],
)
def test_a_wrapper_around_the_whole_section_is_left_out_and_told(read, padding: str, body: str, redundant: set[int]):
    migration = read(padding + UP + body + DOWN)

    (problem,) = migration.problems
    assert (migration.sections[0].redundant, migration.sections[0].count) == (redundant, 1)
    assert run_of(migration) == ["SELECT 1;"]
    assert problem.code == "W201"


@pytest.mark.parametrize(
    ("body", "line", "column", "said"),
    [
        ("SELECT 1;\n  BEGIN;\n", 3, 3, "BEGIN begins"),
        ("BEGIN;\nSELECT 1;\n", 2, 1, "BEGIN begins"),
        ("BEGIN READ ONLY;\nSELECT 1;\nCOMMIT;\n", 2, 1, "BEGIN begins"),
        ("SELECT 1;\nBEGIN;\nSELECT 2;\nCOMMIT;\n", 3, 1, "BEGIN begins"),
        ("SELECT 1; COMMIT; SELECT 2;\n", 2, 11, "COMMIT ends"),
        ("BEGIN;\nSELECT 1;\nCOMMIT;\nBEGIN;\nSELECT 2;\nCOMMIT;\n", 4, 1, "COMMIT ends"),
        ("SELECT 1;\nCOMMIT AND CHAIN;\n", 3, 1, "COMMIT AND CHAIN ends"),
        ("SELECT 1;\nROLLBACK;\n", 3, 1, "ROLLBACK undoes"),
        ("BEGIN;\nSELECT 1;\nABORT;\n", 4, 1, "ABORT undoes"),
        ("PREPARE TRANSACTION 'x';\n", 2, 1, "PREPARE TRANSACTION hands"),
    ],
)
def test_other_transaction_control_is_refused(refused, body: str, line: int, column: int, said: str):
    error = refused(UP + body + DOWN)

    assert (error.code, place(error)) == ("E219", (line, column))
    assert error.message.startswith(said)


@pytest.mark.parametrize(
    "body", ["SAVEPOINT a;\nROLLBACK TO a;\nRELEASE a;\n", "DO $$ BEGIN NULL; END $$;\n", 'SELECT "COMMIT";\n']
)
def test_what_only_looks_like_transaction_control_is_run(read, body: str):
    assert read(UP + body + DOWN).problems == ()


def test_without_a_transaction_blocks_may_be_written(read):
    migration = read(NO_TRANSACTION + "SELECT 1; BEGIN READ ONLY; SELECT 2; COMMIT; BEGIN; SELECT 3; END;\n" + DOWN)

    assert migration.sections[0].redundant == frozenset()
    assert migration.sections[0].count == 7


@pytest.mark.parametrize(
    ("body", "column", "said"),
    [
        ("BEGIN; SELECT 1;\n", 1, "BEGIN without a COMMIT"),
        ("SELECT 1; COMMIT;\n", 11, "COMMIT without a BEGIN"),
        ("BEGIN; BEGIN; COMMIT;\n", 8, "BEGIN inside the block that line 2 begins"),
        ("BEGIN; SELECT 1; ROLLBACK;\n", 18, "ROLLBACK inside the block that line 2 begins"),
        ("BEGIN; COMMIT AND CHAIN; COMMIT;\n", 8, "COMMIT AND CHAIN inside the block that line 2 begins"),
        ("BEGIN; PREPARE TRANSACTION 'x';\n", 8, "PREPARE TRANSACTION inside the block that line 2 begins"),
    ],
)
def test_blocks_that_are_not_balanced_are_refused(refused, body: str, column: int, said: str):
    error = refused(NO_TRANSACTION + body + DOWN)

    assert (error.code, place(error), error.message) == ("E219", (2, column), said)


# ------------------------------------------------------------------------------------------- outside of transactions


def test_what_cannot_run_in_a_transaction_is_refused_before_anything_runs(refused):
    error = refused(UP + "SELECT 1;\n CREATE INDEX CONCURRENTLY i ON t (a);\n" + DOWN)

    assert (error.code, place(error)) == ("E220", (3, 2))
    assert error.message == "CREATE INDEX CONCURRENTLY cannot run inside a transaction"
    assert "transaction:false" in error.hint


def test_it_may_stand_in_a_section_without_a_transaction_but_not_in_a_block(read, refused):
    statement = "CREATE INDEX CONCURRENTLY i ON t (a);"

    assert run_of(read(NO_TRANSACTION + statement + "\n" + DOWN)) == [statement]
    assert refused(NO_TRANSACTION + f"BEGIN; {statement} COMMIT;\n" + DOWN).code == "E220"


def test_a_down_section_names_itself_in_the_hint(refused):
    assert "-- migrate:down transaction:false" in refused(UP + DOWN + "VACUUM;").hint


def test_a_subscription_without_a_slot_may_be_dropped_in_a_transaction(read, refused):
    release = "ALTER SUBSCRIPTION s SET (slot_name = NONE);\n"

    assert read(UP + release + "DROP SUBSCRIPTION s;\n" + DOWN).sections[0].count == 2
    assert refused(UP + "DROP SUBSCRIPTION s;\n" + release + DOWN).code == "E220"


@pytest.mark.parametrize("padding", ["", OVER_1_MIB], ids=["small", "large"])
def test_faults_behind_a_megabyte_are_found_with_their_place(refused, padding: str):
    error = refused(padding + UP + "SELECT 1;\n\tVACUUM;\n" + DOWN)

    assert (error.code, place(error)) == ("E220", (padding.count("\n") + 3, 2))
    assert error.excerpt.lines[-1][1] == "\tVACUUM;"


# -------------------------------------------------------------------------------------------------- faults in headers


@pytest.mark.parametrize(
    ("content", "code", "line", "column"),
    [
        ("", "E211", 1, 1),
        ("-- a comment\n", "E211", 1, 1),
        (UP + "SELECT 1;\n", "E212", 1, 1),
        (UP + UP + DOWN, "E212", 1, 1),
        (UP + DOWN + "\n" + UP, "E212", 4, 1),
        (DOWN + UP, "E213", 1, 1),
        (UP + DOWN + "SELECT 1;\n" + DOWN, "E213", 4, 1),
        ("SELECT 1;\n" + UP + DOWN, "E214", 1, 1),
        ("-- x\n  SELECT 1\n" + UP + DOWN, "E214", 2, 3),
        (UP + "  -- migrate:down\n", "E215", 2, 3),
        ("-- MIGRATE:UP\n" + DOWN, "E215", 1, 1),
        (UP + "SELECT 1\n-- migrate: down\n", "E215", 3, 1),
        (UP + "-- migrate:down;\n", "E215", 2, 1),
        (UP + "/* x */ SELECT 1;\n-- Migrate : Down transaction:false \n", "E215", 3, 1),
        ("-- migrate:up transaction:no\n" + DOWN, "E216", 1, 15),
        ("-- migrate:up transaction:FALSE\n" + DOWN, "E216", 1, 15),
        ("-- migrate:up transaction: false\n" + DOWN, "E216", 1, 15),
        ("-- migrate:up  transation:false\n" + DOWN, "E216", 1, 16),
        ("-- migrate:up transaction=false\n" + DOWN, "E216", 1, 15),
        ("-- migrate:up notransaction\n" + DOWN, "E216", 1, 15),
        ("-- migrate:up lock-timeout:5s\n" + DOWN, "E216", 1, 15),
        ("-- migrate:up lock_timeout:5\n" + DOWN, "E216", 1, 15),
        ("-- migrate:up timeout:soon\n" + DOWN, "E216", 1, 15),
        ("-- migrate:up timeout:1s timeout:2s\n" + DOWN, "E216", 1, 26),
        ("-- migrate:up irreversible:true\n" + DOWN, "E216", 1, 15),
        (UP + "-- migrate:down irreversible\n", "E216", 2, 17),
    ],
)
def test_faults_of_headers_have_codes_and_places(refused, content: str, code: str, line: int, column: int):
    error = refused(content)

    assert (error.code, place(error)) == (code, (line, column))


@pytest.mark.parametrize(
    "comment",
    [
        "-- migrate:updates come later",
        "-- migrate:upgrade",
        "-- how to migrate: up and down",
        "--migration up",
        "-- Migrate the data up.",
    ],
)
def test_prose_is_no_header(read, comment: str):
    assert read(UP + f"{comment}\n  {comment}\nSELECT 1; {comment}\n" + DOWN).sections[0].count == 1


def test_errors_name_both_lines(refused):
    assert "on line 2" in refused(UP + DOWN + DOWN).message
    assert (
        "line 1 has no `-- migrate:down` before the next `-- migrate:up` on line 3" in refused(UP + "\n" + UP).message
    )


def test_a_misspelt_option_is_told_with_the_right_one(refused):
    error = refused("-- migrate:up transation:false\n" + DOWN)

    assert "did you mean `transaction:false`?" in error.hint
    assert (error.excerpt.column, error.excerpt.width) == (15, len("transation:false"))


@pytest.mark.parametrize("option", ["env:production", "author:tim", "ticket:AB-12", "a:b:c"])
def test_unknown_options_are_ignored_with_a_note(read, option: str):
    (problem,) = read(f"-- migrate:up {option}\nSELECT 1;\n" + DOWN).problems

    assert (problem.code, problem.severity) == ("W202", Severity.NOTE)
    assert option in problem.message


def test_an_empty_up_section_is_told(read):
    (problem,) = read(UP + "-- nothing yet\n" + DOWN).problems

    assert problem.code == "W203"


@pytest.mark.parametrize(
    ("content", "tool"),
    [
        ("-- +goose Up\nCREATE TABLE t ();\n-- +goose Down\n", "goose"),
        ("-- +migrate Up\nCREATE TABLE t ();\n", "sql-migrate"),
        ("-- Up Migration\nCREATE TABLE t ();\n-- Down Migration\n", "node-pg-migrate"),
        ("---- create above / drop below ----\n", "tern"),
    ],
)
def test_files_of_other_tools_are_recognised(refused, content: str, tool: str):
    assert tool in refused(content).hint


# ------------------------------------------------------------------------------------------------------- other faults


@pytest.mark.parametrize(
    ("content", "line", "column"),
    [
        (b"-- migrate:up\nSELECT 'a\xff';\n", 2, 10),
        ("-- migrate:up\nSELECT 'é".encode() + b"\xc3';\n", 2, 10),
        (b"\xef\xbb\xbf-- migrate:up\n\xc3", 2, 1),
        (b"-- migrate:up\nSELECT 'a\0';\n", 2, 10),
        ("-- migrate:up\n".encode("utf-16"), 1, 1),
        (OVER_1_MIB.encode() + "-- é\0".encode(), 6_001, 5),
        (OVER_1_MIB.encode() + "-- é".encode()[:-1], 6_001, 4),
    ],
    ids=["invalid", "broken", "unfinished", "NUL", "UTF-16", "NUL in a large file", "unfinished large file"],
)
def test_bytes_that_are_no_text_are_refused(refused, content: bytes, line: int, column: int):
    error = refused(content)

    assert (error.code, place(error)) == ("E210", (line, column))


@pytest.mark.parametrize(
    ("body", "line", "column"),
    [
        ("SELECT 'x;\n", 2, 8),
        ("DO $$ BEGIN\n", 2, 4),
        ("SELECT 1;\n /* x\n", 3, 2),
        ("COPY t FROM stdin;\n1\n", 2, 1),
        ("SELECT 1; COPY t FROM stdin; SELECT 2;\n\\.\n", 2, 11),
    ],
)
@pytest.mark.parametrize("padding", ["", OVER_1_MIB], ids=["small", "large"])
def test_what_is_not_closed_is_refused_at_its_opening(refused, padding: str, body: str, line: int, column: int):
    error = refused(padding + UP + body + DOWN)

    assert (error.code, place(error)) == ("E217", (line + padding.count("\n"), column))


@pytest.mark.parametrize(
    ("body", "column", "command"),
    [
        ("\\connect other\n", 1, "\\connect"),
        ("\\restrict abc\n", 1, "\\restrict"),
        ("  \\i it's.sql\n", 3, "\\i"),
        ("SELECT 1 \\gexec\n", 10, "\\gexec"),
        ("SELECT 1\\;\n", 9, "\\;"),
        ("\\.\n", 1, "\\."),
    ],
)
def test_psql_commands_are_refused_by_name(refused, body: str, column: int, command: str):
    error = refused(UP + body + DOWN)

    assert (error.code, place(error)) == ("E218", (2, column))
    assert f"`{command}`" in error.message


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("<<<<<<< HEAD\n" + UP + DOWN, 1),
        (UP + "<<<<<<< HEAD\nSELECT 1;\n=======\nSELECT 2;\n>>>>>>> theirs\n" + DOWN, 2),
        (UP + "CREATE TABLE t (\n<<<<<<< HEAD\n a int\n);\n" + DOWN, 3),
    ],
)
def test_merge_conflicts_are_named(refused, content: str, line: int):
    error = refused(content)

    assert (error.code, place(error)) == ("E223", (line, 1))


def test_merge_conflicts_are_found_in_large_files(refused):
    assert refused(OVER_1_MIB + UP + "SELECT 1\n<<<<<<< HEAD\n;\n" + DOWN).code == "E223"


def test_conflict_markers_in_strings_are_text(read):
    assert read(UP + "SELECT '\n<<<<<<< HEAD\n';\n" + DOWN).sections[0].count == 1


def test_a_file_that_cannot_be_read_is_no_traceback(tmp_path):
    with pytest.raises(ConfigError) as caught:
        parser.read(MigrationFile("1", "1.sql", os.fspath(tmp_path / "1.sql")))

    assert caught.value.code == "E207"


def test_the_excerpt_shows_the_lines_before(refused):
    excerpt = refused("-- migrate:up\r\nSELECT 1;\r\nVACUUM;\r\n" + DOWN).excerpt

    assert excerpt.lines == ((1, "-- migrate:up"), (2, "SELECT 1;"), (3, "VACUUM;"))
    assert (excerpt.column, excerpt.width) == (1, 7)


def test_warnings_are_listed():
    assert {"W201", "W202", "W203", "W204"} <= set(WARNINGS)


# ---------------------------------------------------------------------------------------- kept down SQL, plain SQL


def test_down_sql_that_was_kept_can_be_run_without_its_file(read):
    kept = read(UP + DOWN + "SELECT 1;\n" + UP + "-- migrate:down transaction:false\nVACUUM;\n").down_sql
    restored = parser.read_kept(MigrationFile("1", "1_test.sql", "1_test.sql"), kept)

    assert [section.number for section in restored.run_order(Direction.DOWN)] == [1, 0]
    assert [run_of(restored, number) for number in (0, 1)] == [["SELECT 1;"], ["VACUUM;"]]
    assert not restored.is_transactional(Direction.DOWN)


@pytest.mark.parametrize(
    "kept", ["DROP TABLE t;", "-- migrate:down\r\nDROP TABLE t;", "--migrate:down x:y\nDROP TABLE t;"]
)
def test_kept_down_sql_may_lack_its_header(kept: str):
    restored = parser.read_kept(MigrationFile("1", "1.sql", "1.sql"), kept)

    assert run_of(restored) == ["DROP TABLE t;"]
    assert len(restored.sections) == 1


def test_plain_sql_is_split_with_the_lines_of_pg_dump():
    text = (
        "-- migrate:up is a comment here\n\\restrict abc\nSELECT 1;\n\\connect x\n"
        "COPY t FROM stdin;\n1\n\\.\n\\unrestrict abc\n"
    )
    found = [(s.sql, s.line, s.kind.value, "".join(s.copy_data or ())) for s in plain_sql.split_sql(text)]

    assert found == [
        ("\\restrict abc", 2, "meta", ""),
        ("SELECT 1;", 3, "plain", ""),
        ("\\connect x", 4, "meta", ""),
        ("COPY t FROM stdin;", 5, "plain", "1\n"),
        ("\\unrestrict abc", 8, "meta", ""),
    ]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("SELECT 1;\n\\i x\n", "E218"),
        ("SELECT 1 \\connect x\n", "E218"),
        ("\\restrictive\n", "E218"),
        ("SELECT 'x", "E217"),
    ],
)
def test_plain_sql_has_faults_too(text: str, code: str):
    with pytest.raises(MigrationFileError) as caught:
        list(plain_sql.split_sql(text, path="schema.sql"))

    assert caught.value.code == code
    assert str(caught.value.place).startswith("schema.sql:")


# ----------------------------------------------------------------------------------------------------------- checksums


def test_the_checksum_is_that_of_the_bytes(file):
    content = b"\xef\xbb\xbf" + UP.encode()

    assert parser.checksum(file(content).path) == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT a=1", "select A = 1"),
        ("SELECT 1;\r\n", "SELECT 1;\n"),
        ("SELECT f(a,b)", "SELECT f ( a\n, b ) -- x"),
        ("SELECT E'a\\'b'", "select /* x */ E'a\\'b'"),
        ("SELECT E'a'\n'b'", "SELECT E'a'\r\n   'b'"),
        (UP + DOWN, "--migrate:up\n\n-- x\n--  migrate:down  \n"),
    ],
)
def test_formatting_does_not_change_the_checksum_of_tokens(one: str, other: str):
    assert parser.token_checksum(one) == parser.token_checksum(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT - -1", "SELECT --1"),
        ("SELECT 'a'", "SELECT 'A'"),
        ('SELECT "a"', 'SELECT "A"'),
        ('SELECT "a"', "SELECT a"),
        ("SELECT 'a b'", "SELECT 'a  b'"),
        ("DO $$ a $$", "DO $$ A $$"),
        ("DO $$ a $$", "DO $x$ a $x$"),
        ("SELECT ab", "SELECT a b"),
        ("SELECT E'a'", "SELECT 'a'"),
        ("SELECT @-1", "SELECT @ -1"),
        ("COPY t FROM stdin;\na\n\\.\n", "COPY t FROM stdin;\nA\n\\.\n"),
        (UP + "SELECT 1;\n" + DOWN, UP + DOWN + "SELECT 1;\n"),
        (UP + DOWN, NO_TRANSACTION + DOWN),
    ],
)
def test_other_tokens_change_the_checksum_of_tokens(one: str, other: str):
    assert parser.token_checksum(one) != parser.token_checksum(other)


@pytest.mark.parametrize("padding", ["", OVER_64_KIB], ids=["small", "medium"])
def test_a_migration_carries_the_checksum_of_its_tokens(read, padding: str):
    assert read(padding + COPYING).token_checksum == parser.token_checksum(COPYING)
