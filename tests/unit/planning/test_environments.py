"""Environments side by side: their order, the merged table, and how it is drawn."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest

from dbmigrate.errors import ConnectionFailed
from dbmigrate.model import LogState
from dbmigrate.output import environments as pictures
from dbmigrate.planning import environments
from dbmigrate.planning.environments import Cell, CellState, Look, Reading, gather, in_order, merge
from dbmigrate.reports import MigrationState, Status, StatusRow
from tests.support.values import unfinished

NOON = datetime(2026, 3, 1, 13, 0, tzinfo=timezone(timedelta(hours=1)))
APPLIED, PENDING, MISSING = MigrationState.APPLIED, MigrationState.PENDING, MigrationState.MISSING


def row(name, state=APPLIED, **more):
    digits = name[: len(name) - len(name.lstrip("0123456789"))]
    return StatusRow(digits, f"{name}.sql", state, **more)


def reading(name, *rows):
    return Reading(name, Status(tuple(rows)), where=f"u@{name}:5432/app")


def drawn(*readings, folded=None, **more):
    table = merge(readings, **more)
    return list(pictures.lines(table, folded=table.folded if folded is None else folded))


def numbers(count, state=APPLIED):
    return [row(f"{number}_x", state) for number in range(1, count + 1)]


# ---------------------------------------------------------------------------------------------------------------- order


@pytest.mark.parametrize(
    ("names", "order", "expected"),
    [
        (["production", "staging", "dev"], [], ["dev", "staging", "production"]),
        (["zeta", "production", "alpha", "dev"], [], ["dev", "production", "alpha", "zeta"]),
        (["dev", "staging", "qa"], ["qa", "dev"], ["qa", "dev", "staging"]),
        (["dev"], ["gone", "dev", "dev"], ["dev"]),
    ],
)
def test_the_order_of_environments(names, order, expected):
    assert list(in_order(names, order)) == expected


# -------------------------------------------------------------------------------------------------------------- reading


def answering():
    return lambda: Status(())


def test_answers_come_in_the_order_of_the_questions():
    looks = [Look("slow", lambda: time.sleep(0.2) or Status(())), Look("quick", answering())]

    assert [found.name for found in gather(looks)] == ["slow", "quick"]


def test_a_failure_is_an_answer_and_stops_nobody():
    def fail():
        raise ConnectionFailed("no route", code="E301")

    first, second = gather([Look("a", fail, "u@a"), Look("b", answering())])

    assert (first.status, first.failure, first.where) == (None, "no route", "u@a")
    assert second.status == Status(())


def test_they_are_asked_at_the_same_time():
    barrier = threading.Barrier(8, timeout=10)

    found = gather([Look(str(number), lambda: (barrier.wait(), Status(()))[1]) for number in range(8)])

    assert [each.failure for each in found] == [None] * 8


def test_never_more_than_eight_at_once():
    running, most = [], []

    def ask():
        running.append(1)
        most.append(len(running))
        time.sleep(0.02)
        running.pop()
        return Status(())

    gather([Look(str(number), ask) for number in range(30)])

    assert max(most) <= 8
    assert len(most) == 30


def test_one_that_stays_silent_is_given_up():
    wait = threading.Event()
    started = time.monotonic()

    looks = [Look("a", lambda: (wait.wait(), Status(()))[1], patience=0.2), Look("b", answering(), patience=0.2)]
    silent, other = gather(looks)
    wait.set()

    assert time.monotonic() - started < 5
    assert (silent.failure, other.failure) == ("it did not answer in time", None)


def test_nobody_to_ask():
    assert gather([]) == ()


# -------------------------------------------------------------------------------------------------------------- merging


def test_a_row_has_a_cell_for_each_environment():
    table = merge(
        [
            reading("dev", row("1_a", applied_at=NOON, applied_by="ann"), row("2_b", edited=True)),
            reading("staging", row("1_a"), row("2_b", PENDING), row("3_gone", MISSING)),
            Reading("production", failure="down"),
        ]
    )

    assert [each.name for each in table.rows] == ["1_a.sql", "2_b.sql", "3_gone.sql"]
    assert table.rows[0].cells[0] == Cell(CellState.APPLIED, NOON, "ann")
    assert [[cell.state for cell in each.cells] for each in table.rows[1:]] == [
        [CellState.CHANGED, CellState.PENDING, CellState.UNKNOWN],
        [CellState.ABSENT, CellState.MISSING, CellState.UNKNOWN],
    ]
    assert [column.is_current for column in table.columns] == [True, False, False]


def test_an_unfinished_one_says_where_it_stopped():
    broken = unfinished("1_a", LogState.DONE, LogState.FAILED)
    rows = [row("1_a", MigrationState.UNFINISHED, unfinished=broken)]

    [[cell]] = [each.cells for each in merge([reading("dev", *rows)], totals={"1": 3}).rows]

    assert (cell.state, cell.step, cell.total) == (CellState.UNFINISHED, 2, 3)


@pytest.mark.parametrize(
    ("first", "second", "folded"),
    [
        (numbers(6), numbers(6), 3),
        (numbers(4), numbers(4), 0),  # one line for one migration would save nothing
        (numbers(5), numbers(5), 2),
        (numbers(8), [*numbers(4), row("5_x", PENDING), *numbers(8)[5:]], 4),
        (numbers(8), [row("1_x", PENDING), *numbers(8)[1:]], 0),
        ([], [], 0),
    ],
)
def test_what_is_applied_everywhere_is_folded_but_for_the_newest(first, second, folded):
    assert merge([reading("a", *first), reading("b", *second)]).folded == folded


def test_an_environment_that_is_down_does_not_unfold_the_table():
    assert merge([reading("a", *numbers(9)), Reading("b", failure="down")]).folded == 6


def test_an_edited_or_missing_file_stays_in_sight():
    assert merge([reading("a", row("1_x", edited=True), *numbers(9)[1:])]).folded == 0
    assert merge([reading("a", row("1_x", MISSING), *numbers(9)[1:])]).folded == 0


# -------------------------------------------------------------------------------------------------------------- drawing


def test_the_table_in_columns():
    broken = unfinished("5_reindex", LogState.DONE, LogState.FAILED)
    dev = [*numbers(3), row("4_create_orders", applied_at=NOON), row("5_reindex", PENDING)]
    staging = [*numbers(3), row("4_create_orders"), row("5_reindex", MigrationState.UNFINISHED, unfinished=broken)]

    assert drawn(
        reading("dev", *dev),
        reading("staging", *staging),
        Reading("production", failure="connection failed:\n\tno route"),
        folded=3,
        totals={"5": 3},
    ) == [
        "migration        dev                 staging        production",
        "(3 older)        ✓                   ✓              ?",
        "4_create_orders  ✓ 2026-03-01 12:00  ✓              ?",
        "5_reindex        · pending           ✗ stopped 2/3  ?",
        "                 1 pending           1 unfinished   unreachable",
        "",
        "staging: 5_reindex.sql stopped at statement 2 of 3; continue with `dbmigrate -e staging resume`",
        "production: connection failed:",
    ]


def test_wide_names_take_their_columns():
    lines = drawn(reading("dev", row("1_表を作る"), row("2_a")))

    assert lines[:3] == ["migration   dev", "1_表を作る  ✓", "2_a         ✓"]


def test_control_characters_and_line_feeds_stay_in_their_line():
    lines = drawn(reading("dev", row("1_a\x1b[31m\nb", MISSING)), Reading("x", failure="\x1b[2J" + "z" * 5000))

    assert "\x1b" not in "".join(lines)
    assert "1_a\\x1b[31m\\nb" in lines[1]
    assert max(map(len, lines)) < 220


def test_nothing_at_all_is_a_table_too():
    assert drawn(Reading("a", failure="down")) == ["migration  a", "           unreachable", "", "a: down"]


def test_markdown_is_a_table_in_which_names_stay_text():
    table = merge([reading("dev", row("1_a|b<img>", applied_at=NOON), row("2_b*", PENDING))])

    assert list(pictures.markdown(table, folded=0)) == [
        "| migration | dev |",
        "| --- | --- |",
        r"| 1\_a\|b\<img\> | ✓ 2026-03-01 12:00 |",
        r"| 2\_b\* | · pending |",
        "|  | 1 pending |",
    ]


def test_programs_get_everything_unfolded():
    value = pictures.value(merge([reading("dev", *numbers(9)), Reading("prod", failure="down", where="u@h/d")]))

    assert value["current"] is False
    assert len(value["migrations"]) == 9
    assert value["migrations"][0]["environments"] == {
        "dev": {"state": "applied", "applied_at": None, "applied_by": None, "stopped_at": None},
        "prod": {"state": "unknown", "applied_at": None, "applied_by": None, "stopped_at": None},
    }
    dev, prod = value["environments"]
    assert (dev["reachable"], dev["applied"], dev["current"]) == (True, 9, True)
    assert (prod["reachable"], prod["error"], prod["where"], prod["current"]) == (False, "down", "u@h/d", False)


def test_times_for_programs_are_utc():
    value = pictures.value(merge([reading("dev", row("1_a", applied_at=NOON))]))

    cell = value["migrations"][0]["environments"]["dev"]
    assert cell["applied_at"] == datetime(2026, 3, 1, 12, tzinfo=UTC).isoformat()


def test_a_thousand_migrations_in_ten_environments_are_merged():
    readings = [reading(str(number), *numbers(1000)) for number in range(10)]

    assert len(merge(readings).rows) == 1000
    assert environments.merge(()).rows == ()
