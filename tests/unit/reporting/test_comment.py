"""The text of the comment: nothing in it calls people, it ends whole, and its first line is found again."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from dbmigrate.catalog import Catalog, Item, Key, Kind
from dbmigrate.catalog.kinds import aspects
from dbmigrate.model import Excerpt, Place, Problem, Severity
from dbmigrate.reporting import comment, schema
from dbmigrate.reporting.comment import Change, markdown, marker

EVIL = (
    "@all #12 GH-7 <img src=x onerror=y> ![x](http://evil) `a` *b* www.evil.example | </details> https://evil deadbee"
)
PARSER = MarkdownIt("commonmark").enable("table")


def problem(number: int = 1, text: str = "is wrong", line: str = "select 1") -> Problem:
    place = Place(f"db/migrations/{number}_a.sql", 3, 1)
    return Problem("C103", f"{text} {number}", Severity.ERROR, place, "mend it", Excerpt(((3, line),), 1))


def values(kind: Kind, *first: str) -> tuple[str | None, ...]:
    """The first aspects of an object; the others are not set."""
    return (*first, *(None for _ in aspects(kind)[len(first) :]))


def tables(number: int, columns: int = 1, type_: str = "bigint") -> Catalog:
    names = [f"public.t{each:03}" for each in range(number)]
    keys = {Key(Kind.TABLE, name): tuple(f"c{each}" for each in range(columns)) for name in names}
    items = {
        Kind.TABLE: {name: Item(values(Kind.TABLE, "permanent")) for name in names},
        Kind.COLUMN: {
            f"{key.name}.{name}": Item(values(Kind.COLUMN, type_, "NOT NULL"), key)
            for key, own in keys.items()
            for name in own
        },
        Kind.CONSTRAINT: {
            f"{name}.pk": Item(values(Kind.CONSTRAINT, "PRIMARY KEY (c0)"), Key(Kind.TABLE, name)) for name in names
        },
    }
    return Catalog(180000, items, keys)


def outside_of_code(text: str) -> Iterator[Token]:
    for token in PARSER.parse(text):
        yield from (each for each in token.children or () if each.type != "code_inline")
        if token.type == "html_block":
            yield token


# --------------------------------------------------------------------------------------------------------------- words


def test_nothing_in_a_name_or_message_calls_people_or_is_markup() -> None:
    name = f"1_{EVIL}.sql"
    found = Problem("C101", EVIL, Severity.ERROR, Place(name, 1), EVIL, Excerpt(((1, f"```{EVIL}````"),), 1))

    shown = list(outside_of_code(markdown(Change([found], EVIL, [name], run="https://github.example/run"))))

    texts = [each.content for each in shown if each.type == "text"]
    assert not [text for text in texts if re.search(r"@|#\d|GH-|://|www\.|deadbee", text)]
    html = [each.content for each in shown if each.type in ("html_inline", "html_block")]
    assert set(html) == {"<sub>", "</sub>"}
    assert [each.attrs["href"] for each in shown if each.type == "link_open"] == ["https://github.example/run"]
    assert not [each for each in shown if each.type == "image"]


def test_a_fence_is_longer_than_any_inside() -> None:
    text = markdown(Change([problem(line="select '`````' -- ```")], "ran"))

    (block,) = (token for token in PARSER.parse(text) if token.type == "fence")
    assert block.content == "select '`````' -- ```\n"


def test_bytes_of_a_name_that_are_no_text_are_shown_as_numbers() -> None:
    text = markdown(Change([Problem("C101", "x", Severity.ERROR, Place("a\udcff.sql", 1))], "ran"))

    assert "a\\udcff.sql" in text
    text.encode()


# -------------------------------------------------------------------------------------------------------------- length


@pytest.mark.parametrize("number", [10, 400, 5000])
def test_it_is_cut_between_findings(number: int) -> None:
    problems = [problem(each, "long " * 20) for each in range(number)]

    text = markdown(Change(problems, "ran to the end", [f"{each}_a.sql" for each in range(number)]))

    assert len(text) <= comment.LARGEST
    whole = re.findall(r"\*\*error\*\* `C103` .*?\n\nHint: mend it\n", text, re.DOTALL)
    assert len(whole) == text.count("**error**") > 0
    left = number - len(whole)
    assert (f"and {left} more finding" in text) == (left > 0)
    assert "ran to the end" in text
    assert text.count("```") % 2 == 0


def test_one_finding_that_is_too_long_is_counted() -> None:
    text = markdown(Change([problem(1, line="x" * 100_000)], "ran"))

    assert len(text) <= comment.LARGEST
    assert "and 1 more finding" in text


# ------------------------------------------------------------------------------------------------------------- picture


def picture(before: Catalog, after: Catalog) -> tuple[str, list[str]]:
    text = markdown(Change([], "ran", schema=schema.of(before, after)))
    found = re.search(r"```mermaid\n(.*?)\n```", text, re.DOTALL)
    lines = found[1].split("\n") if found else []
    return text, [line.split()[0] for line in lines if line.endswith("{")]


@pytest.mark.parametrize("number", [1, 20, 21, 300])
def test_at_most_twenty_tables_are_drawn(number: int) -> None:
    text, drawn = picture(tables(0), tables(number))

    assert len(drawn) == min(number, 20)
    assert (f"Not drawn: {number - 20} more table" in text) == (number > 20)
    assert text.count("+ table `public.t") == number


def test_a_picture_that_would_be_too_large_has_fewer_tables() -> None:
    text, drawn = picture(tables(15, 200), tables(15, 200, "text"))

    assert len(text) <= comment.LARGEST
    assert 0 < len(drawn) < 15
    assert f"Not drawn: {15 - len(drawn)} more tables" in text


def test_types_are_letters_digits_and_underscores() -> None:
    text, _ = picture(tables(1), tables(1, 1, 'numeric(10,2)[] "x"'))

    assert "        numeric_10_2_x c0 PK" in text


def test_without_a_difference_there_is_no_picture() -> None:
    text, drawn = picture(tables(3), tables(3))

    assert drawn == []
    assert "What changes" not in text


# -------------------------------------------------------------------------------------------------------------- marker


def test_the_marker_names_service_directory_and_environment() -> None:
    assert marker("", "db/migrations", "") == "<!-- dbmigrate:check::db/migrations -->"
    assert marker("shop", "db/shop", "production") == "<!-- dbmigrate:check:shop:db/shop:production -->"


def test_a_directory_cannot_end_the_marker() -> None:
    names = ["a--> b", "a-->\nb", "a:b", "a--b-", "a%3Ab", "ä\udcff"]
    made = [marker("", name, "") for name in names]

    assert len(set(made)) == len(names)
    for each in made:
        assert re.fullmatch(r"<!-- dbmigrate:check::[A-Za-z0-9/_.%-]+ -->", each)
        assert "--" not in each[4:-3]
