"""A library that is in use: every hazard is named where it stands, and nothing is said about what is safe."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbmigrate.lint import LintConfig, lint, selection
from dbmigrate.lint.squawk import find_program
from dbmigrate.model import Severity
from tests.support.lint_corpus import name_of
from tests.support.lint_library import BASE, EXPECTED, HAZARDS, SAFE, expected


def found_in(path: Path, tmp_path: Path, config: LintConfig) -> list[tuple[str, Severity]]:
    """What is found in a migration that runs behind the base."""
    for file in {*BASE, path}:
        (tmp_path / file.name).write_bytes(file.read_bytes())
    chosen = selection.named([str(tmp_path / path.name)])
    problems = (*chosen.problems, *lint(chosen.migrations, config=config, only=chosen.only))
    return sorted((f"{each.code}:{each.place.line if each.place else ''}", each.severity) for each in problems)


@pytest.mark.parametrize("path", [*BASE, *SAFE, *HAZARDS], ids=name_of)
def test_each_hazard_is_named_and_nothing_else(path: Path, tmp_path: Path) -> None:
    found = found_in(path, tmp_path, LintConfig(uses_squawk=False))

    assert [code for code, _ in found] == expected(path)


@pytest.mark.skipif(find_program() is None, reason="squawk is not installed")
@pytest.mark.parametrize("path", [*BASE, *SAFE], ids=name_of)
def test_squawk_and_our_rules_together_pass_what_is_safe(path: Path, tmp_path: Path) -> None:
    found = found_in(path, tmp_path, LintConfig())

    assert [code for code, severity in found if severity is not Severity.NOTE] == []


def test_the_corpus_has_its_size() -> None:
    assert (len(BASE), len(HAZARDS), len(SAFE)) == (6, 33, 17)
    assert {name_of(path) for path in HAZARDS} == set(EXPECTED)
