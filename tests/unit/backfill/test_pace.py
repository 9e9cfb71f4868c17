"""The size of pages, their pauses, and how long they wait for a lock."""

from __future__ import annotations

import pytest

from dbmigrate.backfill.options import settings
from dbmigrate.backfill.pace import Pace, largest, lock_timeout


def pace(**options: str) -> Pace:
    wanted = settings({"backfill": "t", **options})
    return Pace(wanted, wanted.batch)


def test_pages_grow_to_the_target_and_at_most_double():
    steered = pace(batch="1000", target="100ms")
    sizes = []
    for _ in range(8):
        sizes.append(steered.rows)
        steered.done(steered.rows, steered.rows * 20e-6)

    assert sizes == [1000, 2000, 4000, 5000, 5000, 5000, 5000, 5000]


def test_pages_shrink_where_rows_are_dear_but_not_below_their_floor():
    steered = pace(batch="1000", target="100ms")
    steered.done(1000, 10.0)
    assert steered.rows == 250
    for _ in range(10):
        steered.done(steered.rows, 10.0)
    assert steered.rows == 50
    for _ in range(10):
        steered.halve()
    assert steered.rows == 1


def test_a_limit_of_rows_per_second_holds_for_pages_and_pauses():
    steered = pace(batch="1000", target="1h", max_rate="400/s")
    steered.done(1000, 0.01)

    assert steered.rows == 400
    assert steered.pause(400, 0.25, is_blind=False) == pytest.approx(0.75)


def test_the_pause_is_half_of_the_page_twice_that_without_a_lag_to_read_or_what_the_file_says():
    steered = pace()
    steered.done(1000, 0.1)

    assert steered.pause(1000, 0.2, is_blind=False) == pytest.approx(0.05)
    assert steered.pause(1000, 0.2, is_blind=True) == pytest.approx(0.1)
    assert pace(pause="0").pause(1000, 0.2, is_blind=True) == 0


def test_a_page_waits_for_a_lock_for_less_than_the_server_waits_with_looking_for_deadlocks():
    assert lock_timeout(1.0, 0, None) == 0.5
    assert lock_timeout(0.2, 0, None) == 0.1
    assert lock_timeout(1.0, 2, None) == 0.1
    assert lock_timeout(1.0, 0, 0.02) == 0.02
    assert lock_timeout(1.0, 0, 9.0) == 0.5


def test_a_page_locks_a_small_share_of_the_table():
    wanted = settings({"backfill": "t"})

    assert [largest(wanted, rows) for rows in (-1, 100, 400_000, 5_000_000, 1e9)] == [
        100_000,
        1000,
        2000,
        25_000,
        100_000,
    ]
    steered = Pace(wanted, 1000, largest(wanted, 300_000))
    for _ in range(4):
        steered.done(steered.rows, 0.001)
    assert steered.rows == 1500
