"""The options of a backfill's header."""

from __future__ import annotations

import pytest

from dbmigrate.backfill.options import settings
from dbmigrate.migrations import headers


def test_all_options_are_read():
    header = headers.parse(
        '-- migrate:up backfill:"My s"."T ""x" key:a,"B b" batch:50 target:1.5s pause:0 max_lag:1m'
        " max_rate:9/s vacuum:25%"
    )
    found = settings(header.options)

    assert (found.table, found.key) == (("My s", 'T "x'), ("a", "B b"))
    assert (found.batch, found.target, found.pause, found.max_rate, found.vacuum) == (50, 1.5, 0.0, 9, 0.25)
    assert (found.max_lag, found.asks_for_lag) == (60.0, True)
    assert not header.transaction


def test_what_is_not_written_has_a_default():
    found = settings(headers.parse("-- migrate:up backfill:App.Users").options)

    assert (found.table, found.key, found.batch, found.target) == (("app", "users"), (), 1000, 0.1)
    assert (found.pause, found.max_lag, found.asks_for_lag, found.max_rate, found.vacuum) == (
        None,
        10.0,
        False,
        None,
        None,
    )
    assert settings(headers.parse("-- migrate:up backfill:t max_lag:off").options).max_lag is None


@pytest.mark.parametrize(
    "options",
    [
        "backfill:",
        "backfill:a.b.c",
        "backfill:1a",
        "backfill:t key:a,",
        "backfill:t batch:100001",
        "backfill:t target:5",
        "backfill:t pause:-1s",
        "backfill:t max_lag:never",
        "backfill:t max_rate:0/s",
        "backfill:t vacuum:101%",
        "backfill:t transaction:true",
        "backfill:t irreversible:true",
        "backfill:t batch:1 batch:2",
        "key:id",
    ],
)
def test_what_is_wrong_is_refused(options):
    with pytest.raises(headers.HeaderError):
        headers.parse(f"-- migrate:up {options}")


def test_words_of_other_tools_stay_what_they_were():
    header = headers.parse("-- migrate:up some:thing batched another:one")

    assert header.ignored == ("some:thing", "another:one")
