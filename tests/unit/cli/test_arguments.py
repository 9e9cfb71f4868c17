"""Command lines as they were written for dbmate, as typer wants them."""

from __future__ import annotations

import pytest

from dbmigrate.cli.arguments import normalised

LONG = (
    "--url",
    "--env",
    "--env-file",
    "--migrations-dir",
    "--no-dump-schema",
    "--steps",
    "--to",
    "--help",
    "--version",
)


def rewritten(*arguments: str) -> list[str]:
    return normalised(arguments, is_long=LONG.__contains__)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["-url", "U", "up"], ["--url", "U", "up"]),
        (["-url=U", "up"], ["--url=U", "up"]),
        (["-url=postgres://h/d?a=b&c=d"], ["--url=postgres://h/d?a=b&c=d"]),
        (["-url="], ["--url="]),
        (["-u=U"], ["-u", "U"]),
        (["-u=a=b"], ["-u", "a=b"]),
        (["-e="], ["-e", ""]),
        (["-env-file=x", "-env=y"], ["--env-file=x", "--env=y"]),
        (["-migrations-dir", "a,b"], ["--migrations-dir", "a,b"]),
        (["up", "-to", "5"], ["up", "--to", "5"]),
        (["-help"], ["--help"]),
        (["-version"], ["--version"]),
        (["-no-dump-schema", "up"], ["--no-dump-schema", "up"]),
    ],
)
def test_options_in_the_way_of_go_are_rewritten(given: list[str], expected: list[str]) -> None:
    assert rewritten(*given) == expected


@pytest.mark.parametrize(
    "given",
    [
        [],
        ["up"],
        ["--url", "U"],
        ["--url=U", "up", "--steps", "1"],
        ["-u", "U", "-d", "dir"],
        ["-v"],
        ["-qv"],
        ["-n3"],
        ["new", "url"],
        ["new", "a=b"],
        ["new", ""],
        ["-"],
        ["-="],
        ["-unknown"],
        ["-unknown=x"],
        ["-urls"],
        ["-steps5"],
    ],
)
def test_everything_else_stays_as_it_is(given: list[str]) -> None:
    assert rewritten(*given) == given


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["dump", "--", "-url", "-u=U", "--"], ["dump", "--", "-url", "-u=U", "--"]),
        (["-url", "U", "dump", "--", "-url"], ["--url", "U", "dump", "--", "-url"]),
        (["--"], ["--"]),
    ],
)
def test_what_follows_two_dashes_is_left_alone(given: list[str], expected: list[str]) -> None:
    assert rewritten(*given) == expected


def test_rewriting_twice_changes_nothing_more() -> None:
    once = rewritten("-url", "U", "-e=x", "up", "-to=5", "--", "-url")

    assert rewritten(*once) == once
