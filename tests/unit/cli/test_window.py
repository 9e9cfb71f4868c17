"""The maintenance window of a run: when it is looked at, and what an error says."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dbmigrate.cli.window import Guard, reason
from dbmigrate.errors import ConfigError, Refused
from dbmigrate.settings import windows

WINDOW = (windows.parse("Sat 02:00-04:00 UTC"),)
INSIDE, OUTSIDE = datetime(2026, 12, 5, 3, 59, tzinfo=UTC), datetime(2026, 12, 5, 4, 0, tzinfo=UTC)


def test_inside_the_window_everything_may_run():
    Guard("production", WINDOW, None, was_open=True).check(INSIDE)
    Guard("production", WINDOW, None, was_open=False).check(INSIDE)


def test_outside_it_is_refused_with_the_next_opening():
    with pytest.raises(Refused) as caught:
        Guard("production", WINDOW, None, was_open=False).check(OUTSIDE)

    assert caught.value.code == "E788"
    assert "it opens Sat 2026-12-12 02:00 UTC" in (caught.value.hint or "")
    assert caught.value.state == "nothing was changed"


@pytest.mark.parametrize("allowed", [None, "just in case"])
def test_a_window_that_closed_while_the_command_waited_is_an_error_of_its_own(allowed):
    """Also with a reason: when the window was open, the log was told nothing of it."""
    with pytest.raises(Refused) as caught:
        Guard("production", WINDOW, allowed, was_open=True).check(OUTSIDE)

    assert caught.value.code == "E789"


def test_a_reason_that_is_logged_opens_it():
    guard = Guard("production", WINDOW, "the shop is down", was_open=False)

    guard.check(OUTSIDE)

    assert guard.is_outside
    assert reason("OPS-7", "the shop is down") == "OPS-7; --outside-window: the shop is down"


def test_a_reason_says_something():
    with pytest.raises(ConfigError):
        reason(None, "  ")
