"""For which environments a migration is, and what follows from it: values in, values out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dbmigrate.errors import PlanError, Refused
from dbmigrate.model import Annotation, Direction, Migration, Place, Policy, Problem, Severity, Step
from dbmigrate.planning import plan, target_environments
from dbmigrate.planning.approval import to_prove
from dbmigrate.reports import MigrationState
from tests.support.values import files, history, migration

ABC = files("1_a", "2_b", "3_c")


def said(name: str, **values: str) -> Migration:
    found = tuple(Annotation(key, value, Place(f"{name}.sql", 1), Direction.UP) for key, value in values.items())
    return replace(migration(name), annotations=found)


def up(
    environment: str | None, *known: str, strict: bool = False, b: Migration, c: Migration | None = None
) -> list[str]:
    migrations = {"1": migration("1_a"), "2": b, "3": c or migration("3_c")}
    policy = Policy(strict=strict, environment=environment)
    return [step.version for step in plan.up(ABC, history(*known), migrations=migrations, policy=policy).steps]


@pytest.mark.parametrize(
    ("names", "environment", "here"),
    [
        ("dev", "dev", True),
        ("dev, staging", "staging", True),
        ("dev,\nstaging", "staging", True),
        ("Eu-West.dev", "eu_west_dev", True),
        ("DEV_DATABASE_URL", "dev", True),
        ("dev", "development", False),
        ("dev", "production", False),
        ("production", "prod", False),
    ],
)
def test_a_plan_has_what_is_for_its_environment(names: str, environment: str, here: bool) -> None:
    b = said("2_b", env=names)

    assert up(environment, b=b) == (["1", "2", "3"] if here else ["1", "3"])
    assert target_environments.is_elsewhere(b, environment) is not here


def test_what_is_elsewhere_is_not_out_of_order() -> None:
    b = said("2_b", env="dev")

    assert up("production", "1", "3", strict=True, b=b) == []
    with pytest.raises(Refused) as caught:
        up("dev", "1", "3", strict=True, b=b)
    assert caught.value.code == "E702"


def test_without_an_environment_there_is_no_plan_while_such_a_file_is_pending() -> None:
    b = said("2_b", env="dev")

    with pytest.raises(PlanError) as caught:
        up(None, b=b)
    assert (caught.value.code, caught.value.place) == ("E208", Place("2_b.sql", 1))
    assert up(None, "2", b=b) == ["1", "3"]


def test_a_faulty_file_is_left_out_nowhere() -> None:
    fault = Problem("E290", "x", Severity.ERROR, Place("2_b.sql", 2))
    b = replace(said("2_b", env="dev"), annotation_faults=(fault,))

    assert not target_environments.is_elsewhere(b, "production")


@pytest.mark.parametrize(
    ("mine", "theirs", "fits"),
    [
        ({}, {}, True),
        ({"env": "dev"}, {}, True),
        ({"env": "dev"}, {"env": "DEV, qa"}, True),
        ({"env": "dev, qa"}, {"env": "dev"}, False),
        ({}, {"env": "dev"}, False),
    ],
)
def test_a_dependency_is_applied_wherever_the_dependent_one_is(
    mine: dict[str, str], theirs: dict[str, str], fits: bool
) -> None:
    c = said("3_c", **mine, depends="1, 2")
    known = {"1": migration("1_a"), "2": said("2_b", **theirs), "3": c}

    found = list(target_environments.faults([c], known))

    assert [(each.code, each.place) for each in found] == ([] if fits else [("E294", Place("3_c.sql", 1))])


def test_status_knows_what_is_elsewhere_and_what_is_applied_all_the_same() -> None:
    b, c = said("2_b", env="dev"), said("3_c", env="qa, dev")
    status = plan.status(ABC, history("1", "2"))

    marked = target_environments.marked(status, [b, c], "production")
    assert [row.state for row in marked.rows] == [
        MigrationState.APPLIED,
        MigrationState.APPLIED,
        MigrationState.ELSEWHERE,
    ]
    assert (marked.pending, marked.rows[2].env, marked.problems) == ((), ("qa", "dev"), ())
    unnamed = target_environments.marked(status, [c], None)
    assert [row.version for row in unnamed.pending] == ["3"]
    assert [problem.code for problem in unnamed.problems] == ["W310"]


def test_what_is_for_some_environments_is_not_to_be_proved_in_another() -> None:
    steps = tuple(
        Step(each.version, each.name, Direction.UP, migration=each) for each in (migration("1_a"), said("2_b", env="x"))
    )

    assert [step.version for step in to_prove(plan.Plan(steps), history())] == ["1"]
