"""`docs/explanation/failure-modes.md` names every test of this directory, and no other."""

from __future__ import annotations

import ast
import re
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parent.parent / "docs" / "explanation" / "failure-modes.md"


def existing() -> set[str]:
    modules = [ast.parse(path.read_text()) for path in HERE.glob("test_*.py") if path != Path(__file__)]
    functions = [node for module in modules for node in module.body if isinstance(node, ast.FunctionDef)]
    return {function.name for function in functions if function.name.startswith("test_")}


def lines() -> list[str]:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("|")]
    return [line for line in rows if not re.match(r"\|(---| fault )", line)]


def test_every_line_of_the_page_is_backed_by_a_test():
    unbacked = [line for line in lines() if not re.search(r"`test_\w+`[^|]*\|$", line)]

    assert len(lines()) > 40
    assert unbacked == []


def test_the_page_and_the_tests_name_each_other():
    assert {name for line in lines() for name in re.findall(r"`(test_\w+)`", line)} == existing()
