"""The exception tree, its codes, and what the package makes of them."""

from __future__ import annotations

import ast
import inspect
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

import dbmigrate
from dbmigrate import errors
from dbmigrate.model import Excerpt, Place

SOURCES = sorted(Path(dbmigrate.__file__).parent.rglob("*.py"))
TREE = {name: kind for name, kind in vars(errors).items() if inspect.isclass(kind) and issubclass(kind, errors.Error)}


def calls_with_a_code() -> Iterator[tuple[str, str, str]]:
    """Where, which class, which code: every error that the package makes with a literal code."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                if name == "recast":
                    name = getattr(node.args[0], "id", "")
                for keyword in node.keywords:
                    if keyword.arg == "code" and isinstance(keyword.value, ast.Constant) and name in TREE:
                        yield f"{path.name}:{node.lineno}", name, str(keyword.value.value)


CALLS = list(calls_with_a_code())


def test_the_package_makes_errors_with_codes() -> None:
    assert len(CALLS) > 50


@pytest.mark.parametrize(("where", "name", "code"), CALLS, ids=[f"{where}-{code}" for where, _, code in CALLS])
def test_the_first_digit_of_a_code_is_the_exit_code_of_its_class(where: str, name: str, code: str) -> None:
    assert code in errors.CODES, where
    assert int(code[1]) == TREE[name].exit_code, where


def test_every_warning_that_the_package_can_give_is_listed_and_the_other_way_round() -> None:
    texts = [path.read_text(encoding="utf-8") for path in SOURCES if path.name != "errors.py"]
    used = {code for text in texts for code in re.findall(r'"(W[0-9]{3})"', text)}

    assert used == set(errors.WARNINGS)


def test_codes_are_written_the_same_way_and_in_order() -> None:
    numbers = [int(code[1:]) for code in errors.CODES if code not in ("E130", "E143")]

    assert all(re.fullmatch(r"E[1-7][0-9]{2}", code) for code in errors.CODES)
    assert numbers == sorted(numbers)


@pytest.mark.parametrize("texts", [errors.CODES, errors.WARNINGS], ids=["CODES", "WARNINGS"])
def test_no_two_codes_mean_the_same_and_each_is_one_plain_sentence(texts: dict[str, str]) -> None:
    assert len(set(texts.values())) == len(texts)
    assert not [text for text in texts.values() if "\n" in text or text.endswith(".") or text != text.strip()]


@pytest.mark.parametrize(
    ("name", "exit_code"),
    [
        ("ConfigError", 2),
        ("ToolMissing", 2),
        ("MigrationFileError", 2),
        ("PlanError", 2),
        ("ConnectionFailed", 3),
        ("DatabaseError", 4),
        ("MigrationFailed", 4),
        ("NeedsAttention", 5),
        ("LockNotAcquired", 6),
        ("Refused", 7),
    ],
)
def test_every_kind_of_failure_has_its_exit_code(name: str, exit_code: int) -> None:
    assert TREE[name].exit_code == exit_code
    assert re.search(rf"{name} [.]+ {exit_code} ", errors.__doc__ or "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_exits_as_a_shell_would_say_it(number: signal.Signals) -> None:
    error = errors.Interrupted("interrupted", signal_number=number)

    assert error.exit_code == 128 + number
    assert error.code == f"E{128 + number}"
    assert error.code in errors.CODES


def test_sigterm_gets_past_handlers_of_exceptions() -> None:
    assert not issubclass(errors.Terminated, Exception)


def test_all_names_are_exported() -> None:
    assert set(TREE) | {"Terminated", "CODES", "WARNINGS", "unchanged"} == set(errors.__all__)


def test_an_error_shows_its_message_and_keeps_its_parts() -> None:
    error = errors.PlanError("nothing to do", code="E231", hint="go home", details=(("DETAIL", "x"),), sqlstate="00000")

    assert str(error) == error.message == "nothing to do"
    assert (error.code, error.hint, error.details, error.sqlstate) == ("E231", "go home", (("DETAIL", "x"),), "00000")
    assert (error.place, error.excerpt, error.state, error.report) == (None, None, None, None)


def test_a_recast_error_keeps_what_is_known_of_the_failure() -> None:
    place, excerpt = Place("1_a.sql", 3, 4), Excerpt(((3, "select 1/0;"),), 4)
    error = errors.DatabaseError(
        "division by zero",
        code="E402",
        hint="do not",
        place=place,
        excerpt=excerpt,
        details=(("DETAIL", "zero"),),
        sqlstate="22012",
    )
    error.state = "nothing was changed"

    same = error.recast(errors.NeedsAttention, code="E501")
    other = error.recast(errors.PlanError, "no plan", code="E260", hint="look")

    assert type(same) is errors.NeedsAttention
    assert (same.message, same.code, same.exit_code, same.hint) == ("division by zero", "E501", 5, "do not")
    assert (other.message, other.code, other.exit_code, other.hint) == ("no plan", "E260", 2, "look")
    for found in (same, other):
        assert (found.place, found.excerpt, found.details, found.sqlstate) == (place, excerpt, error.details, "22012")
        assert (found.state, found.report) == (None, None)
