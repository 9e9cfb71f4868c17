"""Whose targets they are, which come first, when to stop, how a run ends."""

from __future__ import annotations

import pytest

from dbmigrate.connection.dsn import Dsn
from dbmigrate.targets import planning
from dbmigrate.targets.planning import Tally
from dbmigrate.targets.values import Failure, Outcome, Result, Rollout, Target

TARGETS = tuple(Target(f"schema:tenant_{number}", Dsn({})) for number in range(200))


def failed(name: str, code: int = 4, *, is_of_files: bool = False) -> Result:
    return Result(name, Outcome.FAILED, code, failure=Failure(f"E{code}01", "no", is_of_files=is_of_files))


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_every_target_is_of_one_shard(count):
    parts = [planning.of_shard(TARGETS, (number, count)) for number in range(1, count + 1)]

    assert sorted(target.name for part in parts for target in part) == sorted(target.name for target in TARGETS)


def test_shards_are_of_similar_size():
    sizes = [len(planning.of_shard(TARGETS, (number, 4))) for number in range(1, 5)]

    assert all(30 < size < 70 for size in sizes)


def test_the_shard_of_a_target_does_not_depend_on_the_others():
    whole, later = planning.of_shard(TARGETS, (2, 4)), planning.of_shard(TARGETS[5:], (2, 4))

    assert list(later) == [target for target in whole if target in TARGETS[5:]]


def test_the_canary_is_the_first_ones_of_the_list():
    first, others = planning.split(TARGETS, Rollout(canary=2))

    assert (first, others) == (TARGETS[:2], TARGETS[2:])


@pytest.mark.parametrize("canary", [0, 200, 300])
def test_without_others_there_is_no_canary(canary):
    assert planning.split(TARGETS, Rollout(canary=canary)) == ((), TARGETS)


@pytest.mark.parametrize(
    ("codes", "gravest"),
    [
        ([], 0),
        ([0, 0], 0),
        ([0, 1], 1),
        ([6, 3, 7, 4, 5], 5),
        ([6, 3, 7, 4], 4),
        ([6, 3, 7], 7),
        ([6, 3], 3),
        ([0, 6, 1], 6),
        ([0, 2, 1], 2),
        ([2, 6], 6),
    ],
)
def test_the_gravest_exit_code_is_that_of_the_run(codes, gravest):
    assert planning.exit_code(codes) == gravest


def test_after_as_many_failures_as_are_allowed_no_target_starts():
    tally, rollout = Tally(3), Rollout(max_failures=2)
    tally.add(failed("a"))
    assert tally.reason_to_stop(rollout) == ""

    tally.add(failed("b"))

    assert tally.reason_to_stop(rollout) == "2 failed, and --max-failures is 2"


def test_without_a_limit_failures_stop_nothing():
    tally = Tally(300)
    for target in TARGETS:
        tally.add(failed(target.name))

    assert tally.reason_to_stop(Rollout()) == ""


def test_a_wrong_file_stops_at_once():
    tally = Tally(3)
    tally.add(failed("a", 2, is_of_files=True))

    assert tally.reason_to_stop(Rollout())


def test_the_totals_count_everything_once():
    tally = Tally(5)
    tally.add(Result("a", Outcome.DONE, seconds=1, value={"large": "x" * 10000}))
    tally.add(failed("b", 6))
    tally.add(Result("c", Outcome.INTERRUPTED, 143))
    tally.add(Result("d", Outcome.NOT_STARTED))
    tally.leave([Target("e", Dsn({}))], "the run was ended")

    found = tally.totals(9.0)

    assert found.counts == {Outcome.DONE: 1, Outcome.FAILED: 1, Outcome.INTERRUPTED: 1, Outcome.NOT_STARTED: 2}
    assert ([each.name for each in found.failures], found.interrupted, found.left) == (["b"], ("c",), ("d", "e"))
    assert found.slowest is not None
    assert (found.slowest.name, found.slowest.value) == ("a", {})
    assert found.exit_code == 6
