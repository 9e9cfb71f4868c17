"""The page of capabilities names what exists: every row has a test, a command or a page, or says that it is missing."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "reference" / "capabilities.md").read_text("utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in PAGE.splitlines()
    if re.match(r"\| \d+ \|", line)
]
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
NUMBER = 153


@cache
def functions(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def test_every_row_is_there_once() -> None:
    assert [int(row[0]) for row in ROWS] == list(range(1, NUMBER + 1))
    assert {len(row) for row in ROWS} == {3}
    assert len({row[1] for row in ROWS}) == NUMBER


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_names_something_that_exists_or_says_that_it_does_not(row: list[str]) -> None:
    shown, _, missing = row[2].partition("**not yet**: ")
    evidence = re.findall(r"`[^`]+`|\]\([^)]+\)", shown)

    assert evidence or missing, "a test, a command, a page, or: not yet"
    for path, name in _TEST.findall(shown):
        assert (ROOT / path).is_file(), path
        assert name in functions(path), f"{path} has no {name}"
    assert "not yet" not in shown


def test_commands_and_links_are_held_by_the_tests_of_the_documentation() -> None:
    """Those look at every page below docs/reference; here, that this page is written as they read it."""
    from tests.test_docs import MANUAL, shown_commands

    commands = list(shown_commands(MANUAL["docs/reference/capabilities.md"]))

    assert len(commands) > 50
