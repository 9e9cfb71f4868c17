"""What the benchmark makes of its runs: medians of ratios within a round, verdicts, and tables."""

import pytest

from bench import report, revisions
from bench.harness import Case, Measured, Program, Result, Run, Target


def runs(*walls, client=40.0, backend=5.0):
    return [Run(wall, wall / 2, wall / 4, client, backend) for wall in walls]


def measured(*targets, **results):
    programs = [Program(name, ()) for name in results]
    case = Case("the case", programs, lambda _: {}, targets=targets)
    return Measured(case, {name: result for name, result in results.items()}, 3)


def result(name, *walls, why="", **peaks):
    return Result(name, runs(*walls, **peaks), why)


def test_a_ratio_is_the_median_of_ratios_within_a_round():
    ours, theirs = result("dbmigrate", 1.0, 6.0, 3.0), result("dbmate", 2.0, 4.0, 10.0)

    assert ours.ratio(theirs) == 0.5  # of 0.5, 1.5 and 0.3; the ratio of the medians is 0.75


@pytest.mark.parametrize(("limit", "met"), [(0.5, True), (0.49, False)])
def test_a_target_is_met_up_to_its_limit(limit, met):
    chapter = report.chapter(
        measured(Target(limit, "dbmate"), dbmate=result("dbmate", 2.0), dbmigrate=result("dbmigrate", 1.0))
    )

    (verdict,) = chapter.verdicts
    assert (verdict.wanted, verdict.reached, verdict.is_met) == (f"<= {limit} x dbmate", "0.50", met)
    assert verdict.values == {"dbmate": "2000 ms", "dbmigrate": "1000 ms"}


def test_a_peak_of_memory_is_the_highest_of_all_runs():
    ours = Result("dbmigrate", [*runs(1.0, client=71.0), *runs(1.0, client=40.0)])

    (verdict,) = report.chapter(measured(Target(70, what="client"), dbmigrate=ours)).verdicts

    assert (verdict.wanted, verdict.reached, verdict.is_met) == ("client <= 70 MB", "71 MB", False)


def test_memory_can_be_measured_by_that_of_another_program():
    at_1000, ours = result("few", 1.0, client=40.0), result("dbmigrate", 5.0, client=44.0)

    (verdict,) = report.chapter(measured(Target(1.25, "few", "client"), few=at_1000, dbmigrate=ours)).verdicts

    assert (verdict.wanted, verdict.reached, verdict.is_met) == ("client <= 1.25 x few", "1.10", True)


def test_a_program_that_failed_is_shown_with_its_reason_and_without_times():
    chapter = report.chapter(
        measured(
            Target(0.7, "dbmate"),
            dbmate=result("dbmate", 2.0),
            dbmigrate=result("dbmigrate", 1.0),
            Alembic=result("Alembic", why="out of shared memory"),
        )
    )

    assert (
        "| Alembic | fails: out of shared memory | | | | | |".replace("| |", "|  |").replace("| |", "|  |")
        in chapter.text
    )
    assert chapter.verdicts[0].values["Alembic"] == "fails"
    assert chapter.verdicts[0].is_met


@pytest.mark.parametrize("which", ["dbmigrate", "dbmate"])
def test_what_failed_meets_no_target(which):
    results = {"dbmate": result("dbmate", 2.0), "dbmigrate": result("dbmigrate", 1.0)}
    results[which] = result(which, why="the server went away")

    (verdict,) = report.chapter(measured(Target(0.7, "dbmate"), **results)).verdicts

    assert (verdict.reached, verdict.is_met) == ("-", False)


def test_a_target_against_a_program_that_is_not_here_is_not_met():
    (verdict,) = report.chapter(measured(Target(0.7, "dbmate"), dbmigrate=result("dbmigrate", 1.0))).verdicts

    assert (verdict.wanted, verdict.reached, verdict.is_met) == ("<= 0.7 x dbmate", "-", False)


def test_the_targets_are_counted():
    verdicts = [report.Verdict("one", "<= 1", "1", True), report.Verdict("two", "<= 1", "2", False, {"dbmate": "3"})]

    text = report.targets(verdicts)

    assert text.startswith("1 of 2 are met.")
    assert "| one | <= 1 | 1 | yes |" in text
    assert "| two | <= 1 | 2 | **no** |  | 3 |  |  |" in text


def test_revisions_are_a_chain_in_the_order_of_the_files(tmp_path):
    directory = tmp_path / "db" / "migrations"
    directory.mkdir(parents=True)
    for number in (2, 1):
        text = (
            f"-- migrate:up\ncreate table t{number} (a text default 'it''s');\n-- migrate:down\ndrop table t{number};\n"
        )
        (directory / f"{number}_t.sql").write_text(text)
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)

    revisions.write(tmp_path, alembic=python.with_name("alembic"))

    first, second = (
        (tmp_path / "alembic" / "versions" / f"{number}_t.py").read_text().splitlines() for number in (1, 2)
    )
    assert first[2:4] == ["revision = '1'", "down_revision = None"]
    assert second[2:4] == ["revision = '2'", "down_revision = '1'"]
    assert "    op.execute(\"create table t1 (a text default 'it''s');\")" in first
