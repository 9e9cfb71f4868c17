"""The pictures of the README show what the program prints."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.support import png, scripts

ROOT = Path(__file__).resolve().parent.parent
_LINE = "{http://www.w3.org/2000/svg}g[@class='line']"
_VARIABLE = ((r"\b[\d.]+ ?(?:µs|ms|s)\b", "DURATION"), (r"\b[0-9a-f]{12}(?:[0-9a-f]{52})?\b", "HASH"))


pictures = scripts.load("scripts/terminal_pictures.py")


def drawn_lines(picture: str) -> list[str]:
    return ["".join(line.itertext()) for line in ElementTree.fromstring(picture).iterfind(f".//{_LINE}")]


def unified(lines: list[str]) -> str:
    """One text without wraps: a duration of another length wraps its line elsewhere."""
    text = "\n".join(line if len(line) < pictures.COLUMNS else f"{line}\t" for line in lines).replace("\t\n", "")
    for pattern, name in _VARIABLE:
        text = re.sub(pattern, name, text)
    return text


def committed(name: str) -> str:
    return (pictures.PICTURES / f"{name}.svg").read_text("utf-8")


@pytest.mark.parametrize("session", pictures.SESSIONS, ids=lambda session: session.name)
def test_a_picture_is_well_formed_and_no_line_leaves_it(session) -> None:
    lines = drawn_lines(committed(session.name))

    assert lines[0] == f"$ {session.command}"
    assert max(map(len, lines)) <= pictures.COLUMNS


def test_the_first_page_shows_every_picture_with_a_text_for_those_who_do_not_see_it() -> None:
    shown = re.findall(r"!\[([^\]]+)\]\(docs/pictures/([\w-]+)\.svg\)", (ROOT / "README.md").read_text("utf-8"))

    assert [name for _, name in shown] == [session.name for session in pictures.SESSIONS]
    assert {path.stem for path in pictures.PICTURES.glob("*.svg")} == {name for _, name in shown}


def test_a_picture_of_a_page_is_small_shows_something_and_stands_on_a_page_with_a_text() -> None:
    pages = "".join(path.read_text("utf-8") for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
    shown = re.findall(r"!\[[^\]]{20,}\]\((?:\.\./|docs/)pictures/([\w-]+)\.png\)", pages)
    taken = {path.stem: path.read_bytes() for path in pictures.PICTURES.glob("*.png")}

    assert set(shown) == set(taken) == {"report-dark", "report-light"}
    assert [name for name, data in taken.items() if len(data) > 200_000 or png.is_empty(data)] == []


@pytest.mark.slow
@pytest.mark.matrix
@pytest.mark.parametrize("session", pictures.SESSIONS, ids=lambda session: session.name)
def test_a_picture_shows_what_the_program_prints(session) -> None:
    now = pictures.svg(session.title, pictures.shown_lines(session))

    assert unified(drawn_lines(now)) == unified(drawn_lines(committed(session.name))), (
        "run: python scripts/terminal_pictures.py"
    )


def test_a_carriage_return_writes_over_the_line_and_a_long_line_is_wrapped() -> None:
    lines = pictures.screen("waiting\r       \r\x1b[32mdone\x1b[0m\r\n" + "x" * (pictures.COLUMNS + 1))

    assert lines[0] == [(character, "32") for character in "done"]
    assert [len(line) for line in lines[1:]] == [pictures.COLUMNS, 1]
