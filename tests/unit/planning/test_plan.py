"""Every decision of `plan`: values in, values out."""

from __future__ import annotations

import pytest

from dbmigrate.errors import NeedsAttention, PlanError, Refused
from dbmigrate.model import (
    ALL,
    LAST,
    Action,
    Applied,
    Direction,
    Goal,
    History,
    LogState,
    Migration,
    MigrationFile,
    Plan,
    Policy,
    Problem,
    Severity,
)
from dbmigrate.planning import plan
from dbmigrate.reports import MigrationState
from tests.support.values import NOON, applied, file, files, history, migration, parsed, unfinished

UP, DOWN = Direction.UP, Direction.DOWN
LENIENT, STRICT = Policy(), Policy(strict=True)
ABC = files("1_a", "2_b", "3_c")


def up(found: tuple[MigrationFile, ...], known: History, *, goal: Goal = ALL, policy: Policy = LENIENT) -> Plan:
    everything = {each.version: migration(each.name.removesuffix(".sql")) for each in found}
    return plan.up(found, known, migrations=everything, goal=goal, policy=policy)


def down(
    found: tuple[MigrationFile, ...], known: History, *, goal: Goal = LAST, more: tuple[Migration, ...] = ()
) -> Plan:
    everything = {each.version: migration(each.name.removesuffix(".sql")) for each in found}
    return plan.down(found, known, migrations=everything | parsed(*more), goal=goal)


def names(planned: Plan) -> list[str]:
    return [step.name.removesuffix(".sql") for step in planned.steps]


def codes(problems: tuple[Problem, ...]) -> list[str]:
    return [problem.code for problem in problems]


# ------------------------------------------------------------------------------------------------------------------ up


@pytest.mark.parametrize(
    ("known", "goal", "expected"),
    [
        ([], ALL, ["1_a", "2_b", "3_c"]),
        (["1"], ALL, ["2_b", "3_c"]),
        (["1", "2", "3"], ALL, []),
        (["3"], ALL, ["1_a", "2_b"]),
        (["7"], ALL, ["1_a", "2_b", "3_c"]),
        (["01"], ALL, ["1_a", "2_b", "3_c"]),
        ([], Goal(steps=1), ["1_a"]),
        (["1"], Goal(steps=1), ["2_b"]),
        (["1"], Goal(steps=9), ["2_b", "3_c"]),
        ([], Goal(version="1"), ["1_a"]),
        ([], Goal(version="2"), ["1_a", "2_b"]),
        (["2"], Goal(version="2"), ["1_a"]),
        (["1", "2"], Goal(version="1"), []),
        (["1", "2"], Goal(version="3"), ["3_c"]),
    ],
)
def test_up_applies_what_is_pending_as_far_as_the_goal(known: list[str], goal: Goal, expected: list[str]) -> None:
    planned = up(ABC, history(*known), goal=goal)

    assert names(planned) == expected


def test_every_step_of_up_runs_its_parsed_file_upwards() -> None:
    (step,) = up(files("1_a"), history()).steps

    assert (step.version, step.direction, step.action) == ("1", UP, Action.RUN)
    assert step.migration == migration("1_a")
    assert step.done == frozenset()


def test_up_follows_the_order_of_the_files_it_is_given() -> None:
    planned = up(files("10_b", "9_a"), history())

    assert names(planned) == ["10_b", "9_a"]


def test_up_needs_only_the_files_it_runs() -> None:
    planned = plan.up(ABC, history("1"), migrations=parsed("2_b"), goal=Goal(version="2"), policy=LENIENT)

    assert names(planned) == ["2_b"]


def test_up_to_a_version_that_no_file_has_is_an_error() -> None:
    with pytest.raises(PlanError) as caught:
        up(ABC, history("4"), goal=Goal(version="4"))

    assert caught.value.code == "E232"


def test_a_goal_is_compared_as_text_so_a_padded_number_is_another_version() -> None:
    with pytest.raises(PlanError):
        up(ABC, history(), goal=Goal(version="01"))


# -------------------------------------------------------------------------------------------------------- out of order


def test_a_late_migration_is_applied_and_noted() -> None:
    planned = up(ABC, history("1", "3"))

    assert names(planned) == ["2_b"]
    (problem,) = planned.problems
    assert (problem.code, problem.severity) == ("W301", Severity.NOTE)
    assert problem.message == "2_b.sql is applied out of order: 3 is already applied"


def test_a_late_migration_beyond_the_goal_is_not_noted() -> None:
    planned = up(files("1_a", "2_b", "3_c", "4_d"), history("4"), goal=Goal(version="2"))

    assert [problem.message[:7] for problem in planned.problems] == ["1_a.sql", "2_b.sql"]


@pytest.mark.parametrize(
    ("known", "pending"),
    [
        (["2"], "1_a"),
        (["100"], "050_x"),
        (["20260101000000"], "20251231235959_x"),
        (["9"], "10_x"),  # texts are compared, as in dbmate: "10" is below "9"
        (["zzz"], "1_a"),
    ],
)
def test_strict_refuses_a_version_below_the_highest_applied_one(known: list[str], pending: str) -> None:
    with pytest.raises(Refused) as caught:
        up(files(pending), history(*known), policy=STRICT)

    assert caught.value.code == "E702"
    assert f"`{known[0]}` in --strict mode" in caught.value.message


@pytest.mark.parametrize(("known", "pending"), [([], "1_a"), (["1"], "2_b"), (["09"], "10_x"), (["1"], "10_x")])
def test_strict_lets_higher_versions_through(known: list[str], pending: str) -> None:
    planned = up(files(pending), history(*known), policy=STRICT)

    assert names(planned) == [pending]
    assert planned.problems == ()


def test_strict_with_nothing_pending_has_nothing_to_refuse() -> None:
    assert up(ABC, history("1", "2", "3", "4"), policy=STRICT).steps == ()


class Counted(tuple):
    """Applied versions that count how often somebody goes through them."""

    times = 0

    def __iter__(self):
        Counted.times += 1
        return super().__iter__()


def test_up_does_not_go_through_the_history_once_for_every_file() -> None:
    found = tuple(file(f"{number:03}_x") for number in range(200))
    known = History(Counted(applied(f"{number:03}") for number in range(100, 200)))

    planned = up(found, known)

    assert len(planned.steps) == len(planned.problems) == 100
    assert Counted.times < 10


@pytest.mark.parametrize(
    ("ordered", "message"),
    [
        (("10_a", "9_b"), "10_a.sql runs before 9_b.sql: files are ordered by name, not by number"),
        (("1_a", "100_b", "20_c"), "100_b.sql runs before 20_c.sql: files are ordered by name, not by number"),
    ],
)
def test_names_whose_order_is_not_that_of_their_numbers_are_warned_of(ordered: tuple[str, ...], message: str) -> None:
    assert [problem.message for problem in up(files(*ordered), history()).problems] == [message]
    assert [problem.message for problem in plan.status(files(*ordered), history()).problems] == [message]


@pytest.mark.parametrize("ordered", [("09_a", "10_b"), ("1_a", "1a_b"), ("20260101_a", "20260102_b"), ("1_a",)])
def test_names_in_the_order_of_their_numbers_are_not(ordered: tuple[str, ...]) -> None:
    assert plan.status(files(*ordered), history()).problems == ()


def test_the_order_of_the_longest_possible_numbers_is_found_out() -> None:
    assert codes(plan.status(files("9" * 250, "8" * 250), history()).problems) == ["W302"]


def test_what_the_parser_found_in_a_file_is_part_of_the_plan_that_runs_it() -> None:
    odd = migration("1_a", problems=(Problem("W203", "an empty up section"),))

    upward = plan.up(files("1_a"), history(), migrations=parsed(odd), policy=LENIENT)
    downward = plan.down(files("1_a"), history("1"), migrations=parsed(odd))

    assert codes(upward.problems) == ["W203"]
    assert codes(downward.problems) == []


# ---------------------------------------------------------------------------------------------------------- unfinished


@pytest.mark.parametrize("command", [up, down])
@pytest.mark.parametrize(
    ("states", "where"),
    [
        ((LogState.DONE, LogState.FAILED), "it stopped at statement 2"),
        ((LogState.STARTED,), "it stopped at statement 1"),
        ((LogState.DONE, LogState.DONE), "it stopped after statement 2"),
        ((), "it stopped after statement 0"),
    ],
)
def test_nothing_runs_past_an_unfinished_migration(command, states: tuple[LogState, ...], where: str) -> None:
    broken = unfinished("2_b", *states)

    with pytest.raises(NeedsAttention) as caught:
        command(ABC, history("1", unfinished=(broken,)))

    assert caught.value.code == "E502"
    assert caught.value.message == f"2_b.sql (up, without a transaction) is unfinished: {where}"
    assert "dbmigrate resume" in (caught.value.hint or "")


def test_resume_goes_on_in_the_direction_that_was_interrupted() -> None:
    broken = unfinished("2_b", LogState.DONE, LogState.FAILED, direction=DOWN)

    (step,) = plan.resume(broken, migration("2_b", transaction=False), history=history("2"), done=broken.done).steps

    assert (step.version, step.direction, step.done) == ("2", DOWN, frozenset({1}))


# ------------------------------------------------------------------------------------------------------------ rollback


@pytest.mark.parametrize(
    ("known", "goal", "expected"),
    [
        (["1", "2", "3"], LAST, ["3_c"]),
        (["3", "1", "2"], LAST, ["3_c"]),
        (["1", "2"], LAST, ["2_b"]),
        (["1", "2", "3"], Goal(steps=2), ["3_c", "2_b"]),
        (["1", "2", "3"], Goal(steps=9), ["3_c", "2_b", "1_a"]),
        (["1", "2", "3"], ALL, ["3_c", "2_b", "1_a"]),
        (["1", "2", "3"], Goal(version="1"), ["3_c", "2_b"]),
        (["1", "2", "3"], Goal(version="3"), []),
        (["1", "3"], Goal(version="1"), ["3_c"]),
    ],
)
def test_rollback_undoes_the_last_in_file_order_first(known: list[str], goal: Goal, expected: list[str]) -> None:
    planned = down(ABC, history(*known), goal=goal)

    assert names(planned) == expected
    assert {step.direction for step in planned.steps} <= {DOWN}


def test_rollback_goes_by_file_names_not_by_numbers() -> None:
    assert names(down(files("10_b", "9_a"), history("9", "10"))) == ["9_a"]


def test_a_version_whose_file_is_gone_is_undone_in_its_place_with_the_kept_text() -> None:
    known = history("1", applied("2", "2_gone"), "3")

    planned = down(files("1_a", "3_c"), known, goal=Goal(steps=2), more=(migration("2_gone"),))

    assert names(planned) == ["3_c", "2_gone"]


def test_a_recorded_name_decides_the_place_of_a_version_whose_file_is_gone() -> None:
    known = history("10", applied("1", "1_gone"))

    assert [item.version for item in plan.rollback_order(files("10_b"), known, ALL)] == ["1", "10"]


@pytest.mark.parametrize(("record", "called"), [(applied("2", "2_gone"), "2_gone.sql"), (applied("2"), "2")])
def test_a_version_without_file_and_without_kept_text_stops_the_rollback_before_it_begins(record, called: str) -> None:
    with pytest.raises(PlanError) as caught:
        down(files("1_a"), history("1", record), goal=ALL)

    assert caught.value.code == "E234"
    assert f"the file of applied migration {called} is gone" in caught.value.message


@pytest.mark.parametrize("command", [plan.down, plan.redo])
def test_with_nothing_applied_there_is_nothing_to_undo(command) -> None:
    with pytest.raises(PlanError) as caught:
        command(ABC, history(), migrations={})

    assert caught.value.code == "E231"
    assert caught.value.message == "can't rollback: no migrations have been applied"


def test_rolling_back_to_a_version_that_is_not_applied_is_an_error() -> None:
    with pytest.raises(PlanError) as caught:
        down(ABC, history("1", "2"), goal=Goal(version="3"))

    assert caught.value.code == "E232"


def test_one_irreversible_migration_stops_the_whole_rollback_before_it_begins() -> None:
    with pytest.raises(PlanError) as caught:
        down(ABC, history("1", "2", "3"), goal=ALL, more=(migration("2_b", irreversible=True),))

    assert caught.value.code == "E233"
    assert caught.value.message == "2_b.sql is irreversible"


def test_an_irreversible_migration_outside_the_goal_does_not_matter() -> None:
    assert names(down(ABC, history("1", "2", "3"), more=(migration("2_b", irreversible=True),))) == ["3_c"]


def test_an_empty_down_section_is_warned_of() -> None:
    planned = down(ABC, history("1"), more=(migration("1_a", downs=0),))

    assert names(planned) == ["1_a"]
    assert codes(planned.problems) == ["W303"]
    assert "nothing is undone" in planned.problems[0].message


def test_an_empty_up_section_is_no_matter_of_rollback() -> None:
    assert down(ABC, history("1"), more=(migration("1_a", ups=0),)).problems == ()


# ---------------------------------------------------------------------------------------------------------------- redo


def test_redo_undoes_the_last_migration_and_applies_it_again() -> None:
    planned = plan.redo(ABC, history("1", "2"), migrations=parsed("2_b"))

    assert [(step.name, step.direction) for step in planned.steps] == [("2_b.sql", DOWN), ("2_b.sql", UP)]


def test_redo_says_what_both_directions_have_to_say() -> None:
    odd = migration("1_a", downs=0, problems=(Problem("W202", "an unknown option"),))

    planned = plan.redo(files("1_a"), history("1"), migrations=parsed(odd))

    assert codes(planned.problems) == ["W303", "W202"]


def test_redo_needs_the_file_even_where_the_log_could_undo_it() -> None:
    with pytest.raises(PlanError) as caught:
        plan.redo(files("1_a"), history("1", applied("2", "2_gone")), migrations=parsed("2_gone"))

    assert caught.value.code == "E234"
    assert caught.value.hint


# -------------------------------------------------------------------------------------------------------------- status


def test_status_shows_files_and_versions_in_file_order() -> None:
    known = history("1", applied("2", "2_gone"), unfinished=(unfinished("4_d", LogState.FAILED),))

    found = plan.status(files("1_a", "3_c", "4_d"), known)

    assert [(row.name, row.state) for row in found.rows] == [
        ("1_a.sql", MigrationState.APPLIED),
        ("2_gone.sql", MigrationState.MISSING),
        ("3_c.sql", MigrationState.PENDING),
        ("4_d.sql", MigrationState.UNFINISHED),
    ]


def test_what_is_missing_is_neither_applied_nor_pending_in_the_totals() -> None:
    found = plan.status(files("1_a", "3_c"), history("1", "2"))

    assert ([row.version for row in found.applied], [row.version for row in found.pending]) == (["1"], ["3"])


def test_a_missing_file_that_no_log_knows_is_called_by_its_version() -> None:
    assert [row.name for row in plan.status((), history("20260101000000")).rows] == ["20260101000000"]


def test_an_unfinished_migration_counts_as_pending_and_carries_its_story() -> None:
    broken = unfinished("1_a", LogState.DONE, LogState.FAILED, error="boom")

    found = plan.status(files("1_a"), history(unfinished=(broken,)))

    assert [row.unfinished for row in found.pending] == [broken]


def test_an_unfinished_rollback_is_unfinished_although_its_version_is_recorded() -> None:
    broken = unfinished("1_a", LogState.FAILED, direction=DOWN)

    (row,) = plan.status(files("1_a"), history("1", unfinished=(broken,))).rows

    assert row.state is MigrationState.UNFINISHED


def test_an_unfinished_migration_is_shown_even_when_its_file_is_gone() -> None:
    (row,) = plan.status((), history(unfinished=(unfinished("5_x", LogState.FAILED),))).rows

    assert (row.name, row.state) == ("5_x.sql", MigrationState.UNFINISHED)


def test_status_knows_when_and_by_whom_a_version_was_applied() -> None:
    record = Applied("1", "1_a.sql", applied_at=NOON, applied_by="deploy")

    (row,) = plan.status(files("1_a"), history(record)).rows

    assert (row.applied_at, row.applied_by) == (NOON, "deploy")


def test_the_name_of_the_file_wins_over_the_one_that_was_recorded() -> None:
    (row,) = plan.status(files("1_new_name"), history(applied("1", "1_old_name"))).rows

    assert row.name == "1_new_name.sql"


# ------------------------------------------------------------------------------------------------------------- details


@pytest.mark.parametrize(
    ("found", "versions", "expected"),
    [
        (ABC, ["1", "3", "2"], "3"),
        (ABC, ["1"], "1"),
        (files("10_b", "9_a"), ["9", "10"], "9"),
        (ABC, ["1", "4"], "4"),
        (ABC, [], None),
    ],
)
def test_the_newest_version_is_the_last_in_file_order(
    found: tuple[MigrationFile, ...], versions: list[str], expected: str | None
) -> None:
    assert plan.newest(found, versions) == expected


def test_pending_versions_are_those_that_the_database_does_not_know() -> None:
    assert list(plan.pending_versions(ABC, history("2", "9"))) == ["1", "3"]
