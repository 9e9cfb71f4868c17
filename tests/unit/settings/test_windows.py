"""Maintenance windows: how they are written, when they are open, when they open next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from dbmigrate.settings import windows

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str, zone=UTC) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


# 2026-12-05 is a Saturday
@pytest.mark.parametrize(
    ("text", "moment", "is_open"),
    [
        ("Sat 02:00-04:00 UTC", "2026-12-05T02:00", True),
        ("Sat 02:00-04:00 UTC", "2026-12-05T03:59", True),
        ("Sat 02:00-04:00 UTC", "2026-12-05T04:00", False),
        ("Sat 02:00-04:00 UTC", "2026-12-05T01:59", False),
        ("Sat 02:00-04:00 UTC", "2026-12-06T03:00", False),
        ("saturday 2:00 - 4:00 utc", "2026-12-05T03:00", True),
        ("Sat 23:00-02:00 UTC", "2026-12-05T23:30", True),
        ("Sat 23:00-02:00 UTC", "2026-12-06T01:59", True),
        ("Sat 23:00-02:00 UTC", "2026-12-05T01:00", False),
        ("Sat 23:00-02:00 UTC", "2026-12-06T23:30", False),
        ("Sun 23:00-02:00 UTC", "2026-12-07T01:00", True),
        ("Mon-Fri 22:00-24:00 UTC", "2026-12-04T23:59", True),
        ("Mon-Fri 22:00-24:00 UTC", "2026-12-05T22:30", False),
        ("Fri-Mon 01:00-02:00 UTC", "2026-12-06T01:30", True),
        ("Fri-Mon 01:00-02:00 UTC", "2026-12-08T01:30", False),
        ("Sat,Sun 01:00-02:00 UTC", "2026-12-06T01:30", True),
        ("Sat, Sun 01:00-02:00 UTC", "2026-12-05T01:30", True),
        ("daily 00:00-24:00 UTC", "2026-12-03T12:00", True),
        ("Sat 02:00-04:00 Europe/Berlin", "2026-12-05T01:30", True),
        ("Sat 02:00-04:00 Europe/Berlin", "2026-12-05T03:30", False),
        ("Sat 02:00-04:00 Europe/Berlin", "2026-07-04T00:30", True),
        ("Sat 02:00-04:00 Asia/Kolkata", "2026-12-04T20:30", True),
    ],
)
def test_a_window_is_open_from_its_begin_to_before_its_end(text: str, moment: str, is_open: bool) -> None:
    assert windows.parse(text).contains(at(moment)) is is_open


def test_an_hour_that_the_clocks_skip_is_in_no_window() -> None:
    """2026-03-29, a Sunday, 02:00 to 03:00 does not exist in Berlin."""
    window = windows.parse("Sun 02:00-03:00 Europe/Berlin")
    day = [at("2026-03-29T00:00") + timedelta(minutes=minute) for minute in range(24 * 60)]

    assert [moment for moment in day if window.contains(moment)] == []
    assert windows.next_opening((window,), at("2026-03-28T12:00")) == at("2026-04-05T02:00", BERLIN)


def test_an_hour_that_comes_twice_is_open_twice() -> None:
    """2026-10-25, 02:00 to 03:00 comes twice in Berlin."""
    window = windows.parse("Sun 02:00-03:00 Europe/Berlin")

    assert [window.contains(at(f"2026-10-25T{hour:02}:30")) for hour in range(4)] == [True, True, False, False]


def test_of_several_windows_one_has_to_be_open() -> None:
    both = (windows.parse("Sat 02:00-04:00 UTC"), windows.parse("Wed 22:00-23:00 UTC"))

    assert windows.is_open(both, at("2026-12-02T22:30"))
    assert not windows.is_open(both, at("2026-12-02T23:30"))
    assert windows.next_opening(both, at("2026-12-02T23:30")) == at("2026-12-05T02:00")
    assert windows.next_opening(both, at("2026-12-05T03:00")) == at("2026-12-09T22:00")
    assert windows.is_open((), at("2026-12-02T23:30"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Sat",
        "02:00-04:00 UTC",
        "Sat 02:00-04:00",
        "Sat 02:00 UTC",
        "Sat 25:00-26:00 UTC",
        "Sat 02:60-04:00 UTC",
        "Sat 02:00-02:00 UTC",
        "Sat 24:00-02:00 UTC",
        "Satur 02:00-04:00 UTC",
        "Sat-Foo 02:00-04:00 UTC",
        "Sat 02:00-04:00 Mars/Olympus",
        "Sat 02:00-04:00 ../../etc/passwd",
        "Sat 02:00-04:00 UTC extra",
    ],
)
def test_anything_else_is_refused_with_what_it_should_be(text: str) -> None:
    with pytest.raises(ValueError, match=r"^a window"):
        windows.parse(text)
