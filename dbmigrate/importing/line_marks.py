"""Files that a Go tool reads line by line, with marks in comments: goose and sql-migrate share their way of reading.

A statement ends at a line whose last word before a comment ends with a semicolon, or at the end of a marked block. Our
own rules for statements need none of these marks, so they go.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen
from dbmigrate.importing.scripts import Script, script
from dbmigrate.importing.texts import statements

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from dbmigrate.importing.scripts import Sending
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


@frozen
class Lines:
    """Numbers of lines that are sent, and what stands instead of some lines."""

    numbers: set[int] = field(default_factory=set)
    instead: dict[int, str] = field(default_factory=dict)

    def __contains__(self, number: int) -> bool:
        return number in self.numbers or number in self.instead


def is_closed(text: Text) -> bool:
    """Whether the last statement has its semicolon; in a marked block it needs none."""
    found = statements(text)
    return not found or found[-1].sql.endswith(";")


def kept(text: Text, lines: Sequence[str], numbers: Collection[int], instead: Mapping[int, str] | None = None) -> Text:
    """A text of the same lines, in which all but some are empty, or what stands there `instead`."""
    other = instead or {}
    made = [other.get(number, line if number in numbers else "") for number, line in enumerate(lines)]
    return text.with_text("".join(f"{line}\n" for line in made))


def script_of(text: Text, lines: Sequence[str], section: Lines, sending: Sending) -> Script:
    """The script of a section: checked with the lines of the file, written without those that are not its own."""
    checked = script(kept(text, lines, section.numbers, section.instead), sending)
    own = [section.instead.get(number, line) for number, line in enumerate(lines) if number in section]
    compact = text.with_text("\n".join(own).strip("\n") + "\n")
    return Script(script(compact, sending).parts, checked.judgements)
