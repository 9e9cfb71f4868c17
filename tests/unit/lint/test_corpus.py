"""Sixty migrations by hand, half of them safe: what has to be found is found, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbmigrate.lint import LintConfig, lint, selection
from dbmigrate.lint.squawk import find_program
from tests.support.lint_corpus import BASE, DANGEROUS, EXPECTED, SAFE, expected, name_of


def found_in(path: Path, tmp_path: Path, *, config: LintConfig) -> list[str]:
    """Codes with lines, of a migration that runs behind the base."""
    for file in (BASE, path):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    chosen = selection.named([str(tmp_path / path.name)])
    problems = (*chosen.problems, *lint(chosen.migrations, config=config, only=chosen.only))
    return sorted(f"{problem.code}:{problem.place.line if problem.place else ''}" for problem in problems)


@pytest.mark.parametrize("path", [*SAFE, *DANGEROUS], ids=name_of)
def test_the_own_rules_find_what_is_there_and_nothing_else(path: Path, tmp_path: Path) -> None:
    assert found_in(path, tmp_path, config=LintConfig(uses_squawk=False)) == expected(path)


@pytest.mark.skipif(find_program() is None, reason="squawk is not installed")
@pytest.mark.parametrize("path", [*SAFE, *DANGEROUS], ids=name_of)
def test_squawk_beside_them_adds_nothing_false(path: Path, tmp_path: Path) -> None:
    assert found_in(path, tmp_path, config=LintConfig()) == expected(path)


def test_the_base_itself_is_clean(tmp_path: Path) -> None:
    assert found_in(BASE, tmp_path, config=LintConfig()) == []


def test_there_are_thirty_of_each_and_every_dangerous_one_has_a_finding() -> None:
    assert (len(SAFE), len(DANGEROUS)) == (30, 30)
    assert {name_of(path) for path in DANGEROUS} == set(EXPECTED)
    assert all(EXPECTED.values())
