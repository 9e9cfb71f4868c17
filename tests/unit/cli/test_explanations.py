"""Every code has its page, wherever the package is."""

from __future__ import annotations

import pytest

from dbmigrate.check import CODES as CHECKS
from dbmigrate.cli import explanations
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


def test_on_a_terminal_a_page_has_no_second_title_and_no_links_into_the_documentation() -> None:
    pages = explanations.pages().values()

    assert [page.code for page in pages if page.body.startswith(f"**{page.title}")] == []
    assert [page.code for page in pages if "](" in page.body.replace("](http", "")] == []
    assert "[protected](" in explanations.explain("E707").text
    assert "what else is protected," in " ".join(explanations.explain("E707").body.split())


def test_the_list_is_in_the_order_of_the_codes() -> None:
    codes = [code for code, _ in explanations.every_title()]

    assert codes == sorted(codes)


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
