"""`docs/explanation/failure-modes.md` names every test of this directory, and none that is not there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parent.parent / "docs" / "explanation" / "failure-modes.md"
HAZARDS = 38


def functions_of(paths) -> set[str]:
    modules = [ast.parse(path.read_text()) for path in paths]
    functions = [node for module in modules for node in module.body if isinstance(node, ast.FunctionDef)]
    return {function.name for function in functions if function.name.startswith("test_")}


def existing() -> set[str]:
    return functions_of(path for path in HERE.glob("test_*.py") if path != Path(__file__))


def lines() -> list[str]:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("|")]
    return [line for line in rows if not re.match(r"\|(---| fault | nr )", line)]


def hazards() -> list[str]:
    return [line for line in lines() if re.match(r"\| \d+ \|", line)]


def named(among: list[str]) -> set[str]:
    return {name for line in among for name in re.findall(r"`(test_\w+)`", line)}


def elsewhere() -> dict[str, str]:
    """Tests of other directories, with their files."""
    found = re.findall(r"(tests/\w+/test_\w+\.py): `(test_\w+)`", PAGE.read_text())
    return {name: path for path, name in found}


def test_every_line_of_the_page_is_backed_by_a_test():
    unbacked = [line for line in lines() if not re.search(r"`test_\w+`[^|]*\|$", line)]

    assert len(lines()) > 40
    assert unbacked == []


def test_the_page_and_the_tests_name_each_other():
    described = [line for line in lines() if line not in hazards()]

    assert named(described) == existing()


def test_every_hazard_has_a_test():
    assert [int(line.split("|")[1]) for line in hazards()] == list(range(1, HAZARDS + 1))
    assert named(hazards()) <= existing() | elsewhere().keys()
    for name, path in elsewhere().items():
        assert name in functions_of([HERE.parent.parent / path])
