"""The list of intended differences is proven row by row, and the documentation repeats it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.conformance.differences import INTENDED_DIFFERENCES, markdown

HERE = Path(__file__).parent
PAGE = HERE.parent.parent / "docs" / "reference" / "coming-from-dbmate.md"
IDS = [row.id for row in INTENDED_DIFFERENCES]


def proofs() -> list[str]:
    """The names of the tests in the modules beside this one, without ``test_``."""
    trees = [ast.parse(path.read_text()) for path in sorted(HERE.glob("test_differences_*.py"))]
    functions = [node.name for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef)]
    return [name.removeprefix("test_") for name in functions if name.startswith("test_")]


@pytest.mark.parametrize("id", IDS)
def test_every_difference_is_proven(id):
    name = id.replace("-", "_")

    assert [proof for proof in proofs() if f"{proof}_".startswith(f"{name}_")]


def test_every_proof_is_of_a_difference():
    names = [f"{id.replace('-', '_')}_" for id in IDS]

    assert [proof for proof in proofs() if not f"{proof}_".startswith(tuple(names))] == []


def test_an_id_stands_for_one_difference():
    assert len(set(IDS)) == len(IDS)


def test_texts_fit_into_a_table():
    assert [row.id for row in INTENDED_DIFFERENCES if set("|\n") & set(row.dbmate + row.dbmigrate + row.why)] == []


def test_the_documentation_has_this_list_and_no_other():
    page = PAGE.read_text()

    assert markdown() in page
    assert page.count("\n| id |") == 1
