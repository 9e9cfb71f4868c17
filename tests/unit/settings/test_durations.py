"""Durations in Go's and PostgreSQL's spelling, truth values in Go's."""

import pytest

from dbmigrate.errors import ConfigError
from dbmigrate.settings.durations import boolean, duration, seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0.0),
        ("0s", 0.0),
        ("5s", 5.0),
        ("1m0s", 60.0),
        ("1m30s", 90.0),
        ("1h2m3s", 3723.0),
        ("500ms", 0.5),
        ("1.5h", 5400.0),
        (".5s", 0.5),
        ("2.s", 2.0),
        ("1500us", 0.0015),
        ("1500µs", 0.0015),
        ("1500μs", 0.0015),
        ("5min", 300.0),
        ("1min30s", 90.0),
        ("1 d", 86400.0),
        (" 3 s ", 3.0),
    ],
)
def test_durations_are_read_in_seconds(text, expected):
    assert seconds(text) == pytest.approx(expected)


@pytest.mark.parametrize(
    "text", ["", " ", "5", "-5s", "+5s", "5 parsecs", "s", "5s5", "1,5s", "5S", "0x5s", "٣s", "1e3s"]
)
def test_other_words_are_no_durations(text):
    assert seconds(text) is None


def test_a_number_without_a_unit_is_an_error_that_names_units():
    with pytest.raises(ConfigError) as caught:
        duration("5", "--wait-timeout")

    assert caught.value.code == "E205"
    assert caught.value.message == '--wait-timeout: "5" is not a duration'
    assert caught.value.hint == "add the unit: 5s, 5ms or 5m"


@pytest.mark.parametrize("text", ["25d", "1us", "1ns", "9" * 400 + "s"])
def test_a_duration_that_postgresql_would_misunderstand_is_refused(text):
    with pytest.raises(ConfigError, match="is out of range") as caught:
        duration(text, "--timeout")

    assert caught.value.code == "E205"


@pytest.mark.parametrize("text", ["1ms", "24d", "0"])
def test_the_limits_themselves_are_durations(text):
    assert duration(text, "--timeout") == seconds(text)


@pytest.mark.parametrize("text", ["1", "t", "T", "true", "TRUE", "True", " true "])
def test_true_in_the_spellings_of_go(text):
    assert boolean(text, "DBMATE_WAIT") is True


@pytest.mark.parametrize("text", ["0", "f", "F", "false", "FALSE", "False"])
def test_false_in_the_spellings_of_go(text):
    assert boolean(text, "DBMATE_WAIT") is False


@pytest.mark.parametrize("text", ["yes", "no", "on", "tRUE", "2", "", "banana"])
def test_any_other_truth_value_is_an_error(text):
    with pytest.raises(ConfigError, match=r"DBMATE_WAIT: .* is neither true nor false") as caught:
        boolean(text, "DBMATE_WAIT")

    assert caught.value.code == "E205"


def test_a_hostile_value_is_shown_short_and_on_one_line():
    with pytest.raises(ConfigError) as caught:
        boolean("\x1b[31m\n" + "x" * 1000, "DBMATE_WAIT")

    assert "\x1b" not in caught.value.message
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 120
