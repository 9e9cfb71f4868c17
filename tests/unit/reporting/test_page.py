"""The page without a browser: nothing is loaded, nothing foreign runs, the same report is the same bytes."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from dbmigrate.model import LogState, Problem
from dbmigrate.planning.environments import Table as Environments
from dbmigrate.reporting import page, schema, timeline
from dbmigrate.reporting.values import Lane, Pending
from tests.support import hostile, reports
from tests.support.pages import Page

SECRET = "s3cret-pass"


def written(report, **given):
    return page.write(report, **given)


def test_the_same_report_is_the_same_bytes():
    assert written(reports.report(60)) == written(reports.report(60))


@pytest.mark.parametrize("tables", [0, 1, 15, 60, 61, 300])
def test_a_page_of_any_size_is_well_formed_and_loads_nothing(tables):
    found = Page.of(written(reports.report(tables)))

    assert found.loaded == []
    assert found.handlers == []
    data, script = found.scripts
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert found.policy == f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    assert len(json.loads(data)) == len(reports.report(tables).schema.tables)


def test_three_hundred_tables_are_far_below_two_megabytes():
    assert len(written(reports.report(300)).encode()) < 1_000_000


def test_hostile_names_stay_text():
    source = written(hostile.report())
    found = Page.of(source)

    assert (found.loaded, found.handlers, len(found.scripts)) == ([], [], 2)
    assert "<img" not in source
    assert source.count("<script") == 2
    assert "\x00" not in source
    assert "\u202e" not in source
    assert "\\u202eevil\\x07" in source
    source.encode()  # no half of a surrogate pair
    assert {name for name, _ in json.loads(found.scripts[0])} >= {hostile.NAMES[0], hostile.NAMES[3], hostile.NAMES[4]}


def test_every_object_of_a_hostile_schema_is_in_the_picture():
    found = Page.of(written(hostile.report()))

    assert len(found.states("change")) == 2 * len(hostile.NAMES)  # the tables, and a column of each
    assert set(found.states("change").values()) == {"chg", "add"}


def test_secrets_are_hidden_wherever_they_stand():
    made = hostile.report()
    told = f"postgres://u:{SECRET}@h/d {SECRET}"
    table = reports.CatalogMaker()
    table.table(f"public.{SECRET}", {"id": SECRET})
    problem = Problem("L101", told, hint=told)
    entry = reports.entry(1, file=told, error=told, reason=told)
    made = replace(
        made,
        origin=replace(made.origin, target=told, command=told),
        lanes=(Lane("a", (entry,)), Lane("b", failure=told)),
        pending=(Pending(1, told, told, breaking=told, findings=(problem,), losses=(problem,)),),
        refusal=told,
        notes=(problem,),
        schema=schema.of(reports.CatalogMaker().catalog(), table.catalog()),
    )

    assert SECRET not in written(made, hide=lambda text: text.replace(SECRET, "****"))


def test_without_anything_it_says_so():
    made = reports.report(0)
    empty = replace(
        made, environments=Environments((), ()), lanes=(), pending=(), digest="", schema=None, measured=None
    )
    found = Page.of(written(empty))

    for sentence in (
        "No environment is configured.",
        "Nothing is pending.",
        "No run is logged.",
        "The schema could not be read.",
    ):
        assert sentence in found.text


def test_each_sign_is_in_words_too():
    found = Page.of(written(reports.report(15)))

    for sign in (
        "+ added",
        "− removed",
        "~ changed",
        "● applied",
        "◆ rolled back",
        "✕ failed",
        "+ shipments_4",
        "− products_3",
    ):
        assert sign in found.text
    assert "far unreachable" in found.text


def test_a_plan_that_was_tried_in_part_is_said_to_be():
    found = Page.of(written(replace(reports.report(15), measured=1)))

    assert "1 of 2 pending migrations could be tried; what the others change is not known." in found.text


@pytest.mark.parametrize(
    ("given", "sign", "words"),
    [
        ({}, "●", "applied"),
        ({"kind": "down"}, "◆", "rolled back"),
        ({"state": LogState.FAILED, "error": "x"}, "✕", "failed"),
        ({"state": LogState.STARTED, "error": "x"}, "✕", "unknown"),
        ({"state": LogState.STARTED}, "◌", "started"),
        ({"kind": "mark"}, "■", "mark"),
        ({"kind": "repeatable"}, "●", "applied"),
    ],
)
def test_each_kind_of_event_has_a_sign(given, sign, words):
    entry = reports.entry(1, **given)

    assert (timeline.sign(entry), timeline.words(entry)) == (sign, words)


def test_many_events_of_a_day_wrap():
    entries = [reports.entry(number, started_at=reports.NOON) for number in range(50)]
    found = written(replace(reports.report(0), lanes=(Lane("a", entries),)))

    drawn = found[found.index("<h2>History") :]
    assert drawn.count('class="v up"') == 50
    assert 'width="' in drawn
    assert float(drawn.split('width="')[1].split('"')[0]) < 400


def test_what_is_only_recorded_and_what_is_too_long_are_said_to_be():
    pending = (
        Pending(1, "1_squash.sql", "select 1;", is_run=False),
        Pending(2, "2_data.sql", "x" * 60_000),
        Pending(3, "3_huge.sql", None),
    )
    found = Page.of(written(replace(reports.report(15), pending=pending, measured=2)))

    assert "It is only recorded: nothing runs." in found.text
    assert "select 1;" not in found.text
    assert "… 10000 more characters" in found.text
    assert "The file is too large to be shown." in found.text
    assert "could be tried" not in found.text


def test_old_days_are_left_out_of_the_picture_and_this_is_said():
    entries = [reports.entry(number, started_at=reports.NOON + timedelta(days=number)) for number in range(50)]
    found = Page.of(written(replace(reports.report(0), lanes=(Lane("a", entries[::-1]),))))

    assert "the last 40 days with events" in found.text
    assert found.source.count('class="v up"') == 40
