"""Who has to say what before something is changed: tables of cases."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dbmigrate.errors import Refused
from dbmigrate.model import Action, Applied, Direction, LogState, Plan
from dbmigrate.planning.approval import (
    Approval,
    Need,
    Target,
    name_to_type,
    need_of_plan,
    need_to_destroy,
    refuse_other,
    refuse_untested,
    to_prove,
)
from tests.support.values import history, step, unfinished

PRODUCTION = Target("production", "shop", is_protected=True)
STAGING = Target("staging", "shop")
ASKED, ALONE = Approval(can_ask=True), Approval()
UP, DOWN = Direction.UP, Direction.DOWN


def refusal(function, *arguments):
    with pytest.raises(Refused) as caught:
        function(*arguments)
    assert caught.value.state == "nothing was changed"
    return caught.value


# ------------------------------------------------------------------------------------------------------- what is needed


@pytest.mark.parametrize(
    ("steps", "applied", "target", "approval", "expected"),
    [
        ([step("2_b")], ["1"], PRODUCTION, ALONE, Need.ENVIRONMENT),
        ([step("2_b")], ["1"], STAGING, ALONE, Need.NOTHING),
        ([], ["1"], PRODUCTION, ALONE, Need.NOTHING),
        ([], ["1"], PRODUCTION, Approval(everything=True), Need.NOTHING),
        ([step("1_a", DOWN)], ["1"], PRODUCTION, ALONE, Need.ENVIRONMENT),
        ([step("1_a", DOWN)], ["1"], PRODUCTION, Approval(everything=True), Need.DATABASE),
        ([step("1_a", DOWN)], ["1"], STAGING, Approval(everything=True), Need.NOTHING),
        ([step("2_b", DOWN)], ["1", "2"], PRODUCTION, ALONE, Need.ENVIRONMENT),
        ([step("3_c", DOWN), step("2_b", DOWN)], ["1", "2", "3"], PRODUCTION, ALONE, Need.ENVIRONMENT),
        ([step("2_b", DOWN), step("1_a", DOWN)], ["1", "2"], PRODUCTION, ALONE, Need.DATABASE),
        ([step("2_b", DOWN), step("2_b", UP)], ["1", "2"], PRODUCTION, ALONE, Need.ENVIRONMENT),
        ([step("1_a", DOWN), step("1_a", UP)], ["1"], PRODUCTION, ALONE, Need.ENVIRONMENT),
        (
            [replace(step("1_a", DOWN), action=Action.RECORD), replace(step("2_b", DOWN), action=Action.RECORD)],
            ["1", "2"],
            PRODUCTION,
            ALONE,
            Need.ENVIRONMENT,
        ),
        ([replace(step("1_a"), action=Action.ACCEPT)], ["1"], PRODUCTION, ALONE, Need.ENVIRONMENT),
    ],
)
def test_what_a_plan_needs(steps, applied, target, approval, expected):
    assert need_of_plan(Plan(tuple(steps)), history(*applied), target, approval) is expected


def test_what_destroys_needs_the_name_of_the_database():
    assert need_to_destroy(PRODUCTION) is Need.DATABASE
    assert need_to_destroy(STAGING) is Need.NOTHING


# ------------------------------------------------------------------------------------------------- what has to be typed


@pytest.mark.parametrize(
    ("need", "approval", "typed"),
    [
        (Need.NOTHING, ALONE, None),
        (Need.NOTHING, ASKED, None),
        (Need.NOTHING, Approval(database="shop"), None),
        (Need.ENVIRONMENT, ASKED, "production"),
        (Need.ENVIRONMENT, Approval(yes=True), None),
        (Need.ENVIRONMENT, Approval(yes=True, can_ask=True), None),
        (Need.ENVIRONMENT, Approval(database="shop"), None),
        (Need.DATABASE, ASKED, "shop"),
        (Need.DATABASE, Approval(yes=True, can_ask=True), "shop"),
        (Need.DATABASE, Approval(database="shop"), None),
    ],
)
def test_what_has_to_be_typed(need, approval, typed):
    assert name_to_type(need, PRODUCTION, approval) == typed


@pytest.mark.parametrize(
    ("need", "approval", "hint"),
    [
        (Need.ENVIRONMENT, ALONE, "no terminal to ask on: pass --yes"),
        (Need.DATABASE, ALONE, "no terminal to ask on: pass --confirm DBNAME"),
        (Need.DATABASE, Approval(yes=True), "--yes is not enough: pass --confirm DBNAME"),
    ],
)
def test_where_nobody_can_be_asked_it_is_refused(need, approval, hint):
    error = refusal(name_to_type, need, PRODUCTION, approval)

    assert (error.code, error.exit_code, error.hint) == ("E707", 7, hint)


@pytest.mark.parametrize("need", list(Need))
@pytest.mark.parametrize("name", ["Shop", "shop ", "", "production", "shop_test"])
def test_the_name_of_another_database_is_always_refused(need, name):
    assert refusal(name_to_type, need, PRODUCTION, Approval(yes=True, database=name, can_ask=True)).code == "E709"


@pytest.mark.parametrize("typed", ["shop\n", " shop \r\n", "shop"])
def test_blanks_around_a_name_do_not_count(typed):
    refuse_other(typed, "shop")


@pytest.mark.parametrize("typed", ["", "\n", "Shop\n", "sho\n", "shop shop\n", "y\n"])
def test_what_is_not_the_name_is_refused(typed):
    assert refusal(refuse_other, typed, "shop").code == "E709"


# ---------------------------------------------------------------------------------------------------- applied elsewhere


def test_only_what_applies_a_migration_has_to_be_proved():
    steps = (step("1_a", DOWN), step("1_a"), replace(step("2_b"), action=Action.RECORD), step("3_c"), step("4_d"))
    begun = history("1", unfinished=(unfinished("3_c", LogState.FAILED),))

    assert [each.name for each in to_prove(Plan(steps), begun)] == ["1_a.sql", "4_d.sql"]


def of_log(version, name, checksum=None):
    return Applied(version, f"{name}.sql", checksum or f"sum of {name}")


@pytest.mark.parametrize(
    "elsewhere",
    [history("1", "2"), history(of_log("1", "1_a"), of_log("2", "2_b")), history(of_log("1", "1_a"), "2", "3")],
    ids=["no log", "log", "both"],
)
def test_what_is_applied_there_may_run_here(elsewhere):
    refuse_untested((step("1_a"), step("2_b")), elsewhere, "staging")


@pytest.mark.parametrize(
    ("elsewhere", "message"),
    [
        (history(), "not applied in staging: 1_a.sql, 2_b.sql"),
        (history("2"), "not applied in staging: 1_a.sql"),
        (
            history("1", unfinished=(unfinished("2_b", LogState.DONE, LogState.FAILED),)),
            "not applied in staging: 2_b.sql",
        ),
        (
            history(of_log("1", "1_a", "another"), "2"),
            "applied in staging, but from another file of that version: 1_a.sql",
        ),
        (
            history(of_log("1", "1_a", "another")),
            "not applied in staging: 2_b.sql; applied in staging, but from another file of that version: 1_a.sql",
        ),
    ],
)
def test_what_is_not_applied_there_is_named(elsewhere, message):
    error = refusal(refuse_untested, (step("1_a"), step("2_b")), elsewhere, "staging")

    assert (error.code, error.message) == ("E708", message)


def test_a_long_list_is_cut():
    steps = tuple(step(f"{number:03}_x") for number in range(200))

    assert refusal(refuse_untested, steps, history(), "staging").message.endswith("004_x.sql and 195 more")
