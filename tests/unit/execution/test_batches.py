"""How statements are grouped into messages to the server. Nothing is sent here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dbmigrate.execution import batches
from dbmigrate.model import Statement
from tests.support.values import statement

HALF = batches.BATCH_CHARACTERS // 2


def sizes(*statements: Statement) -> list[int]:
    return [batch.count for batch in batches.group(statements)]


def of_length(length: int) -> Statement:
    return statement("x" * (length - 1) + ";")


def test_without_statements_there_is_no_batch() -> None:
    assert sizes() == []


def test_small_statements_travel_together() -> None:
    assert sizes(*[statement("select 1;")] * 1000) == [1000]


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([HALF, HALF], [2]),
        ([HALF, HALF + 1], [1, 1]),
        ([HALF, HALF, 1], [2, 1]),
        ([1, 3 * HALF, 1], [1, 1, 1]),
        ([9 * HALF], [1]),
        ([9 * HALF, 9 * HALF], [1, 1]),
    ],
)
def test_a_batch_ends_before_it_gets_too_long_and_no_statement_is_cut(lengths: list[int], expected: list[int]) -> None:
    assert sizes(*map(of_length, lengths)) == expected


def test_what_stands_between_statements_counts_too() -> None:
    commented = statement("select 1;", lead="-" * batches.BATCH_CHARACTERS)

    assert sizes(statement("select 0;"), commented, statement("select 2;")) == [1, 1, 1]


def test_the_text_of_a_batch_is_that_of_the_file_between_its_first_and_last_statement() -> None:
    (batch,) = batches.group(
        [statement("select 1;", lead="-- first\n"), statement("select 2;", lead=" /* then */\r\n"), statement("x")]
    )

    assert batch.sql == b"select 1; /* then */\r\nselect 2;x"


@pytest.mark.parametrize(
    ("first", "title"),
    [
        ("select\n  1;\n", "select 1"),
        ("select 'a;b'\n;", "select 'a;b' ; select 2;"),
        ("create table t (a int)", "create table t (a int)"),
        ("-" * 3000, "-" * 60),
        ("select '" + "\u20ac" * 999, "select '" + "\u20ac" * 52),
    ],
)
def test_a_batch_is_called_after_the_beginning_of_its_first_statement(first: str, title: str) -> None:
    (batch,) = batches.group(
        [statement(first), statement("select 2;", lead=" ")] if ";" in first else [statement(first)]
    )

    assert batch.title == title


def test_a_copy_with_its_data_ends_a_batch() -> None:
    copy = statement("copy t from stdin;", copy_data=["1\n", "é\n"])

    assert sizes(statement("a;"), copy, statement("b;"), copy, copy) == [2, 2, 1]
    assert [list(batch.copy_data or ()) for batch in batches.group([copy])] == [[b"1\n", "é\n".encode()]]
    assert [batch.copies for batch in batches.group([statement("a;"), copy, statement("b;")])] == [True, False]


def test_an_empty_copy_is_a_copy() -> None:
    (batch,) = batches.group([statement("copy t from stdin;", copy_data=[])])

    assert batch.copies


def test_nothing_is_read_past_a_copy_before_its_batch_was_used() -> None:
    """The data of a COPY can be read only until the next statement is asked for."""
    asked: list[str] = []

    def source() -> Iterator[Statement]:
        for name, data in (("a;", None), ("copy t from stdin;", ["1\n"]), ("b;", None)):
            asked.append(name)
            yield statement(name, copy_data=data)

    next(batches.group(source()))

    assert asked == ["a;", "copy t from stdin;"]


def test_a_long_file_is_not_read_at_once() -> None:
    asked = 0

    def source() -> Iterator[Statement]:
        nonlocal asked
        while True:
            asked += 1
            yield of_length(1000)

    next(batches.group(source()))

    assert asked == batches.BATCH_CHARACTERS // 1000 + 1


def test_no_statement_is_lost_or_moved() -> None:
    given = [of_length(1 + (number * 7919) % (HALF // 2)) for number in range(300)]

    regrouped = [each for batch in batches.group(given) for each in batch.split()]

    assert regrouped == given


@pytest.mark.parametrize(
    ("tags", "statements", "rows"),
    [
        ([], 0, None),
        ([b"CREATE TABLE"], 1, None),
        ([b"INSERT 0 3"], 1, 3),
        ([b"INSERT 0 3", b"CREATE TABLE"], 2, None),
        ([b"CREATE TABLE", b"UPDATE 0"], 2, 0),
        ([b"COPY 1000000"], 1, 1_000_000),
        ([b"SELECT 1", b""], 2, None),
    ],
)
def test_the_tally_counts_statements_and_the_rows_of_the_last(
    tags: list[bytes], statements: int, rows: int | None
) -> None:
    tally = batches.Tally()

    tally.add(tags)

    assert (tally.statements, tally.rows) == (statements, rows)


def test_the_tally_of_several_batches_remembers_the_last_command() -> None:
    tally = batches.Tally()

    tally.add([b"INSERT 0 3"])
    tally.add([])

    assert (tally.statements, tally.rows) == (1, 3)
