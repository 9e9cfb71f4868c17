"""Files that a Go tool reads line by line, with marks in comments: goose and sql-migrate share their way of reading.

A statement ends at a line whose last word before a comment ends with a semicolon, or at the end of a marked block. Our
own rules for statements need none of these marks, so they go; what is left has the lines of the file.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate.importing.scripts import Script
from dbmigrate.importing.texts import statements

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from dbmigrate.importing.texts import Text


def lines_of(text: Text) -> list[str]:
    """As bufio.ScanLines gives them: a carriage return before the end of a line is not a part of it."""
    lines = [line.removesuffix("\r") for line in text.text.split("\n")]
    return lines[:-1] if lines[-1] == "" else lines


def ends_statement(line: str) -> bool:
    """Whether the last word before a word that begins with two dashes ends with a semicolon."""
    last = ""
    for word in line.split():
        if word.startswith("--"):
            break
        last = word
    return last.endswith(";")


def is_closed(text: Text) -> bool:
    """Whether the last statement has its semicolon; in a marked block it needs none."""
    found = statements(text)
    return not found or found[-1].sql.endswith(";")


def kept(text: Text, lines: Sequence[str], numbers: Collection[int], instead: Mapping[int, str] | None = None) -> Text:
    """A text of the same lines, in which all but some are empty, or what stands there `instead`."""
    other = instead or {}
    made = [other.get(number, line if number in numbers else "") for number, line in enumerate(lines)]
    return text.with_text("".join(f"{line}\n" for line in made))


def trimmed(found: Script) -> Script:
    """Without the empty lines at the ends of its parts, where the marks stood."""
    parts = tuple(replace(part, sql=part.sql.strip("\n") + "\n") for part in found.parts)
    return Script(parts, found.judgements)
