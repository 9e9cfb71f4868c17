"""Values as text: durations, the error block with its caret, hostile characters."""

from __future__ import annotations

import pytest

from dbmigrate.errors import ConfigError, Error, MigrationFailed, MigrationFileError
from dbmigrate.model import Direction, Excerpt, Place, Problem, Severity
from dbmigrate.output import text
from dbmigrate.reports import Report, SchemaFile
from tests.support.values import outcome


def error_block(error: Error, width: int = text.WIDEST) -> str:
    return "\n".join(map(str, text.error_lines(error, width)))


def problem_block(problem: Problem) -> str:
    return "\n".join(map(str, text.problem_lines(problem)))


def excerpt_of(*lines: str, column: int, width: int = 1, first: int = 1) -> list[str]:
    """What an error shows of these lines: without the first two lines of the block."""
    shown = Excerpt(tuple(enumerate(lines, first)), column, width)
    error = MigrationFileError("wrong", code="E217", place=Place("f.sql", first, column), excerpt=shown)
    return error_block(error).split("\n")[2:]


# ----------------------------------------------------------------------------------------------------------- durations


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0s"),
        (0.000000001, "1ns"),
        (0.000000999, "999ns"),
        (0.000001, "1µs"),
        (0.000584578, "584.578µs"),
        (0.0009999999, "1ms"),
        (0.001991257, "1.991257ms"),
        (0.010, "10ms"),
        (0.1, "100ms"),
        (0.9999999999, "1s"),
        (1, "1s"),
        (1.003995036, "1.003995036s"),
        (10, "10s"),
        (59.9999999999, "1m0s"),
        (60, "1m0s"),
        (62.5, "1m2.5s"),
        (3599.5, "59m59.5s"),
        (3600, "1h0m0s"),
        (3661.25, "1h1m1.25s"),
        (360000, "100h0m0s"),
    ],
)
def test_durations_are_written_as_go_writes_them(seconds: float, expected: str) -> None:
    assert text.go_duration(seconds) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "1 ms"),
        (0.0141, "14 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.0 s"),
        (7.24, "7.2 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 0 s"),
        (200.4, "3 min 20 s"),
        (7200, "120 min 0 s"),
    ],
)
def test_durations_for_people_never_say_sixty_seconds(seconds: float, expected: str) -> None:
    assert text.duration(seconds) == expected


# --------------------------------------------------------------------------------------------------------- error block


def test_an_error_says_what_where_why_and_what_to_do() -> None:
    error = MigrationFailed(
        'type "intx" does not exist',
        code="E401",
        hint="did you mean `int`?",
        place=Place("db/migrations/1_a.sql", 3, 18),
        excerpt=Excerpt(((2, "-- a table"), (3, "create table a (b intx);")), 19, 4),
        details=(("DETAIL", "first\nsecond"), ("CONTEXT", "SQL statement")),
        sqlstate="42704",
    )
    error.state = "the migration was rolled back"

    assert error_block(error) == (
        'error[E401]: type "intx" does not exist\n'
        "  --> db/migrations/1_a.sql:3:18\n"
        "  2 | -- a table\n"
        "  3 | create table a (b intx);\n"
        "    |                   ^^^^\n"
        "DETAIL: first\n    second\n"
        "CONTEXT: SQL statement\n"
        "state: the migration was rolled back\n"
        "hint: did you mean `int`?"
    )


def test_an_error_without_a_place_is_short() -> None:
    assert error_block(ConfigError("no database", code="E201")) == "error[E201]: no database"


def test_line_numbers_are_aligned_with_the_longest() -> None:
    assert excerpt_of("a", "b", "c", column=1, first=99) == ["   99 | a", "  100 | b", "  101 | c", "      | ^"]


@pytest.mark.parametrize(
    ("line", "column", "width", "caret"),
    [
        ("abc", 1, 1, "^"),
        ("abc", 3, 1, "  ^"),
        ("abc", 2, 2, " ^^"),
        ("abc", 2, 99, " ^^"),
        ("abc", 4, 1, "   ^"),
        ("abc", 99, 1, "   ^"),
        ("", 1, 1, "^"),
        ("\tabc", 2, 3, "\t^^^"),
        ("a\tb\tc", 5, 1, " \t \t^"),
        ("'名前' x", 6, 1, "       ^"),
        ("名前", 2, 1, "  ^^"),
        ("'\U0001f680' x", 5, 1, "     ^"),
        ("cafe\u0301 x", 7, 1, "     ^"),
        ("\uff46\uff55\uff4c\uff4c x", 6, 1, "         ^"),
        ("का x", 4, 1, "   ^"),
        ("a\u200db c", 5, 1, "   ^"),
        ("a\x1bb c", 5, 1, "       ^"),
        ("\x00", 1, 1, "^^^^"),
    ],
)
def test_the_caret_stands_below_what_it_means(line: str, column: int, width: int, caret: str) -> None:
    assert excerpt_of(line, column=column, width=width)[-1] == f"    | {caret}"


@pytest.mark.parametrize("column", [1, 79, 80, 81, 160, 161, 500, 9_999, 10_000])
def test_a_long_line_is_cut_around_the_caret(column: int) -> None:
    line = "".join(chr(ord("a") + number % 26) for number in range(10_000))

    shown, caret = excerpt_of(line, column=column)

    assert len(shown) <= len("  1 | ") + 160
    assert shown[caret.index("^")] == line[column - 1]


def test_short_lines_above_a_long_one_are_cut_at_the_same_place() -> None:
    first, second, _ = excerpt_of("begin;", "x" * 1000, column=900)

    assert first == "  1 |"
    assert second == "  2 | " + "x" * 160


def test_a_carriage_return_at_the_end_of_a_line_is_not_shown() -> None:
    assert excerpt_of("select 1\r", column=1)[0] == "  1 | select 1"


# ---------------------------------------------------------------------------------------------------------- characters


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x07\x08\x00", "\\x07\\x08\\x00"),
        ("over\rwritten", "over\\x0dwritten"),
        ("\x9b31m", "\\x9b31m"),
        ("\x7f", "\\x7f"),
        ("a\tb\nc", "a\tb\nc"),
        ("a\r\nb", "a\nb"),
        ("größe 名前 \U0001f680", "größe 名前 \U0001f680"),
        ("C:\\x1b", "C:\\x1b"),
    ],
)
def test_control_characters_are_made_visible(hostile: str, shown: str) -> None:
    assert text.safe(hostile) == shown
    assert text.safe(shown) == shown


def test_every_part_of_an_error_is_made_safe() -> None:
    evil = "\x1b]0;owned\x07"
    error = MigrationFailed(
        evil,
        code="E401",
        hint=evil,
        place=Place(evil, 1),
        excerpt=Excerpt(((1, evil),), 1),
        details=((evil, evil),),
    )
    error.state = evil

    assert "\x1b" not in error_block(error)
    assert error_block(error).count("\\x1b") == 7


def test_a_problem_is_made_safe() -> None:
    evil = Problem("W1", "\x1b", place=Place("\x1b", 1), hint="\x1b")

    assert problem_block(evil) == "warning[W1]: \\x1b (\\x1b:1:1)\n  hint: \\x1b"


def test_a_name_with_a_line_feed_stays_in_its_line() -> None:
    assert text.one_line("1_a\n[X] 2_forged.sql\r\n\t") == "1_a\\n[X] 2_forged.sql\\n\\t"


@pytest.mark.parametrize(
    ("line", "width", "expected"),
    [
        ("abc", 5, "abc"),
        ("abcdef", 3, "abc"),
        ("名前名前", 5, "名前"),
        ("e\u0301e\u0301", 1, "e\u0301"),
        ("", 3, ""),
    ],
)
def test_a_line_is_cut_to_the_columns_it_takes(line: str, width: int, expected: str) -> None:
    assert text.cut(line, width) == expected


# -------------------------------------------------------------------------------------------------------- closing line


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (Report(), "Nothing to do"),
        (Report(current="3"), "Nothing to do: version 3 is current"),
        (Report((outcome("1_a"),), current="1", seconds=2), "1 applied in 2.0 s · version 1"),
        (Report((outcome("1_a", Direction.DOWN),), seconds=0.004), "1 rolled back in 4 ms · no version is applied"),
        (Report((outcome("1_a"),), seconds=2), "1 applied in 2.0 s"),
        (
            Report((outcome("1_a", Direction.DOWN), outcome("1_a")), current="1", seconds=1),
            "1 rolled back, 1 applied in 1.0 s · version 1",
        ),
        (
            Report((outcome("1_a"), outcome("2_b")), current="2", schema=SchemaFile("s.sql", 14, 3), seconds=1),
            "2 applied in 1.0 s · version 2 · wrote s.sql (+14 -3)",
        ),
    ],
)
def test_the_closing_line_says_what_is_different_now(report: Report, expected: str) -> None:
    assert text.closing_line("up", report) == expected


def test_a_report_without_a_time_of_its_own_takes_that_of_its_steps() -> None:
    report = Report((outcome("1_a", seconds=1.5), outcome("2_b", seconds=2)), current="2")

    assert text.closing_line("up", report) == "2 applied in 3.5 s · version 2"


@pytest.mark.parametrize(("number", "expected"), [(0, "0 files"), (1, "1 file"), (2, "2 files")])
def test_counts_have_a_plural(number: int, expected: str) -> None:
    assert text.count(number, "file") == expected


@pytest.mark.parametrize("severity", list(Severity))
def test_a_problem_begins_with_its_severity_and_its_code(severity: Severity) -> None:
    assert problem_block(Problem("W302", "odd", severity)) == f"{severity.value}[W302]: odd"


@pytest.mark.parametrize("width", [40, 80, 160])
@pytest.mark.parametrize("column", [1, 60, 250])
def test_what_is_underlined_ends_where_its_line_is_cut(width: int, column: int) -> None:
    shown = Excerpt(((7, "select " + "x" * 400),), column, 400)
    error = MigrationFileError("wrong", code="E217", place=Place("f.sql", 7, column), excerpt=shown)

    _, _, line, caret = error_block(error, width).split("\n")

    assert len(caret) <= len(line) == width + len("  7 | ")
    assert caret.count("^") > 1
