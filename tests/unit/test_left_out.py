"""The last line of a test run says what was not run, and how to run it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import dbmigrate

ROOT = Path(dbmigrate.__file__).parent.parent
_TESTS = """
import pytest

def test_quick(): pass

@pytest.mark.matrix
def test_slow(): pass

@pytest.mark.parametrize("number", range(3))
def test_needs_npm(number): pytest.skip("dbmate 2.36.0: npm is not installed")
"""


@pytest.fixture
def outcome(tmp_path):
    """Run those tests with the project's own conftest; what was said at the end."""
    (tmp_path / "test_x.py").write_text(_TESTS)

    def run(*options: str) -> list[str]:
        words = [
            "-q",
            "-p",
            "no:cacheprovider",
            "-c",
            ROOT / "pyproject.toml",
            "--rootdir",
            tmp_path,
            "-p",
            "tests.conftest",
        ]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *words, *options, tmp_path / "test_x.py"],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.splitlines()

    return run


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_one_line_says_what_was_left_out_and_why(outcome, workers):
    lines = outcome(*workers)

    told = [line for line in lines if line.startswith("left out:")]
    assert told == [
        "left out: 1 of the matrix (`make test-matrix` runs them); "
        "3 skipped (dbmate 2.36.0: npm is not installed: install Node.js)"
    ]
    assert "1 passed" in lines[-1]


@pytest.mark.parametrize("option", ["--everything", "--server-versions=18", "-mmatrix or not matrix"])
def test_the_matrix_leaves_no_test_out(outcome, option):
    assert "2 passed" in outcome(option)[-1]
