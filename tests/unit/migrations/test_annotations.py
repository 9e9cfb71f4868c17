"""Annotations: which comments are one, which are meant to be one, which are text."""

from __future__ import annotations

import pytest

from dbmigrate.migrations import parser
from dbmigrate.model import Direction, MigrationFile

UP, DOWN = "-- migrate:up\n", "-- migrate:down\n"
SQL = "CREATE TABLE t ();\n"
OVER_1_MIB = ("-- " + "x" * 200 + "\n") * 6_000
MANY_ROWS = "INSERT INTO t VALUES ('" + "x" * 100 + "');\n"


@pytest.fixture
def read(tmp_path):
    def read(content):
        path = tmp_path / "1_test.sql"
        path.write_bytes(content.encode())
        return parser.read(MigrationFile("1", path.name, str(path)))

    return read


def said(migration):
    return [(each.key, each.value, each.place.line) for each in migration.annotations]


def faults(migration):
    return [(each.code, each.place.line, each.place.column) for each in migration.annotation_faults]


@pytest.mark.parametrize("padding", ["", OVER_1_MIB], ids=["small", "large"])
def test_above_the_first_header_and_below_it_are_the_same_place(read, padding):
    above = read(f"{padding}-- migrate:depends 001, 003\n{UP}{SQL}{DOWN}")
    below = read(f"{padding}{UP}-- a word before\n\n-- migrate:depends 001, 003\n{SQL}{DOWN}")

    for migration in (above, below):
        assert [(each.key, each.value, each.direction) for each in migration.annotations] == [
            ("depends", "001, 003", Direction.UP)
        ]
        assert migration.annotation_faults == migration.problems == ()


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_value_goes_on_in_indented_comment_lines(read, line_end):
    text = f"-- migrate:breaking orders.note is gone;\n--   deploy the application first\n-- a comment\n{UP}{SQL}{DOWN}"

    assert said(read(text.replace("\n", line_end))) == [
        ("breaking", "orders.note is gone;\ndeploy the application first", 1)
    ]


def test_a_line_that_does_not_follow_directly_does_not_go_on(read):
    assert said(read(f"-- migrate:depends 001\n\n--   002\n{UP}{SQL}{DOWN}")) == [("depends", "001", 1)]


def test_versions_may_stand_on_several_lines(read):
    assert said(read(f"-- migrate:depends 001,\n--   003\n{UP}{SQL}{DOWN}")) == [("depends", "001,\n003", 1)]


def test_quoted_text_and_block_comments_say_nothing(read):
    migration = read(
        f"/*\n-- migrate:depends 001\n*/\n{UP}SELECT '\n-- migrate:depends 001\n', $$\n"
        f"-- migrate:depend 001\n$$;\n{DOWN}"
    )

    assert said(migration) == faults(migration) == []
    assert migration.problems == ()


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("-- migrate:depend 001", "-- migrate:depends 001"),
        ("-- migrate:dpeends 001", "-- migrate:depends 001"),
        ("-- migrate:depends: 001", "-- migrate:depends 001"),
        ("-- migrate:depends=001,002", "-- migrate:depends 001,002"),
        ("-- migrate: depends 001", "-- migrate:depends 001"),
        ("-- Migrate:Depends 001", "-- migrate:depends 001"),
        ("-- migrate:requires select true", "-- migrate:require select true"),
        ("-- migrate:braking the API", "-- migrate:breaking the API"),
        ("-- migrate:evn dev", "-- migrate:env dev"),
        ("-- migrate:envs dev, staging", "-- migrate:env dev, staging"),
        ("-- migrate:ENV dev", "-- migrate:env dev"),
        ("-- migrate:dependz 001", "-- migrate:depends 001"),
        ("-- migrate:chekc select true", "-- migrate:check select true"),
        ("-- migrate:var x", "-- migrate:vars x"),
        ("-- migrate:replace 001-050", "-- migrate:replaces 001-050"),
        ("-- migrate:repetable", "-- migrate:repeatable"),
        ("-- migrate:end users", None),
        ("-- migrate:en masse", None),
        ("-- migrate:new users", None),
        ("-- migrate:cars only", None),
        ("-- migrate:speaking of which", None),
        ("-- migrate:environ dev", None),
        ("-- migrate:checked by Anna", None),
        ("-- migrate:depend on the users table", None),
    ],
)
def test_what_is_nearly_an_annotation_is_a_fault_if_its_value_fits(read, line, meant):
    migration = read(f"{line}\n{UP}{SQL}{DOWN}")

    assert said(migration) == []
    assert faults(migration) == ([("E290", 1, 1)] if meant else [])
    if meant:
        assert migration.annotation_faults[0].hint == f"did you mean `{meant}`?"
    else:
        assert [(each.code, each.place.line) for each in migration.problems] == [("W205", 1)]


@pytest.mark.parametrize(
    ("line", "meant"),
    [("-- migrate:enb dev", "-- migrate:env dev"), ("-- migrate:end users", "-- migrate:env users")],
)
def test_a_comment_near_a_short_key_names_the_annotation_that_it_may_be_meant_to_be(read, line, meant):
    (problem,) = read(f"{line}\n{UP}{SQL}{DOWN}").problems

    assert problem.code == "W205"
    assert meant in problem.hint


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        pytest.param(f"-- migrate:depends 1\n-- migrate:depends 2\n{UP}{SQL}{DOWN}", (2, 1), id="twice"),
        pytest.param(f"-- migrate:depends 1\n{UP}-- migrate:depends 1\n{SQL}{DOWN}", (3, 1), id="above-and-below"),
        pytest.param(f"{UP}{SQL}-- migrate:depends 1\n{DOWN}", (3, 1), id="below-the-sql"),
        pytest.param(f"{UP}{SQL}{DOWN}-- migrate:depends 1\n", (4, 1), id="in-the-down-section"),
        pytest.param(f"{UP}{SQL}{DOWN}-- migrate:breaking x\n", (4, 1), id="breaking-in-the-down-section"),
        pytest.param(f"{UP}  -- migrate:depends 1\n{SQL}{DOWN}", (2, 3), id="indented"),
        pytest.param(f"{UP}CREATE TABLE t (\n-- migrate:depends 1\n);\n{DOWN}", (3, 1), id="inside-a-statement"),
        pytest.param(f"{UP}CREATE TABLE t (); -- migrate:breaking x\n{DOWN}", (2, 20), id="behind-a-statement"),
    ],
)
@pytest.mark.parametrize("padding", ["", OVER_1_MIB], ids=["small", "large"])
def test_doubled_and_misplaced_annotations_are_faults_with_their_place(read, text, fault, padding):
    line, column = fault

    assert faults(read(padding + text)) == [("E291", line + padding.count("\n"), column)]


def test_each_section_may_be_breaking(read):
    migration = read(f"-- migrate:breaking a\n{UP}{SQL}{DOWN}{UP}-- migrate:breaking b\n{SQL}{DOWN}")

    assert [each.value for each in migration.annotated("breaking")] == ["a", "b"]


@pytest.mark.parametrize(
    "text",
    [
        f"-- ⚠️ BREAKING CHANGE: users.name is gone\n{UP}{SQL}{DOWN}",
        f"/*\n * ⚠️ BREAKING CHANGE: users.name is gone */\n{UP}{SQL}{DOWN}",
        f"{UP}-- \u26a0 BREAKING CHANGE: users.name is gone\n{SQL}{DOWN}",
        f"{UP}{SQL}\n   -- ⚠️ BREAKING CHANGE users.name is gone\n{DOWN}",
        f"{UP}CREATE TABLE t ( -- ⚠️ BREAKING CHANGE - users.name is gone\n);\n{DOWN}",
        f"{UP}{MANY_ROWS * 20_000}-- ⚠️ BREAKING CHANGE: users.name is gone\n{MANY_ROWS}{DOWN}",
    ],
    ids=["above", "in-a-block-comment", "below", "behind", "inside", "among-rows-of-a-large-file"],
)
def test_the_warning_sign_in_a_comment_means_breaking(read, text):
    assert [each.value for each in read(text).annotated("breaking")] == ["users.name is gone"]


@pytest.mark.parametrize(
    "text",
    [
        f"{UP}-- not a BREAKING CHANGE\n{SQL}{DOWN}",
        f"{UP}SELECT '-- ⚠️ BREAKING CHANGE';\n{DOWN}",
        f"{UP}{SQL}{DOWN}-- ⚠️ BREAKING CHANGE\n",
    ],
    ids=["without-the-sign", "in-a-string", "in-the-down-section"],
)
def test_what_does_not_mean_breaking(read, text):
    assert read(text).annotations == ()


def test_comments_do_not_change_the_token_checksum(read):
    plain, annotated = read(f"{UP}{SQL}{DOWN}"), read(f"-- migrate:depends 001\n{UP}{SQL}{DOWN}")

    assert plain.token_checksum == annotated.token_checksum
