"""Every code has its page, wherever the package is."""

from __future__ import annotations

import pytest

from dbmigrate import explanations
from dbmigrate.check import CODES as CHECKS
from dbmigrate.errors import CODES, WARNINGS, ConfigError
from dbmigrate.lint import RULES
from dbmigrate.lint.squawk_rules import SQUAWK_RULES


def test_every_code_there_is_can_be_explained() -> None:
    known = set(explanations.pages())

    assert known == {*RULES, *CHECKS, *CODES, *WARNINGS, *(f"squawk:{name}" for name in SQUAWK_RULES)}


@pytest.mark.parametrize("code", ["E301", "e301", " E301 "])
def test_an_error_is_explained_by_the_reference(code: str) -> None:
    page = explanations.explain(code)

    assert (page.code, page.title) == ("E301", CODES["E301"])
    assert "libpq" in page.text


@pytest.mark.parametrize("code", ["squawk:ban-char-field", "ban-char-field", "SQUAWK:BAN-CHAR-FIELD"])
def test_a_rule_of_squawk_is_explained_with_a_link(code: str) -> None:
    assert "https://squawkhq.com/docs/ban-char-field" in explanations.explain(code).text


def test_a_page_ends_where_the_next_heading_begins() -> None:
    assert "###" not in "".join(page.text for page in explanations.pages().values())
    assert "\n## " not in explanations.explain("L109").text


@pytest.mark.parametrize(
    ("code", "meant"),
    [
        ("squawk:prefer-text-fields", "squawk:prefer-text-field"),
        ("ban-char-fields", "squawk:ban-char-field"),
        ("?", ""),
    ],
)
def test_an_unknown_code_is_an_error_that_guesses(code: str, meant: str) -> None:
    with pytest.raises(ConfigError) as caught:
        explanations.explain(code)

    assert caught.value.code == "E251"
    assert meant in str(caught.value.hint)
