"""What a migration does, in its own words: the comments before its first statement, read for people.

Nothing here decides anything: a comment that says ``Rollback: none`` is shown, and changes nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dbmigrate.reports import Description

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["TICKETS", "details", "of"]

# FLOW-123, but not UTF-8, SHA-256, ISO-8601, RFC-2119
TICKETS = r"\b(?!(?:AES|CP|ISO|MD|RFC|SHA|UTF|WIN)-)[A-Z][A-Z0-9]+-[0-9]+\b"

_HEADER = re.compile(r"--[ \t\f]*migrate:up(?:\s|\Z)")
_LINE = re.compile(r"--([^\n]*)\n?")
_BLOCK_MARKS = re.compile(r"/\*+!?|\*+/")
# lines for tools, and lines that say nothing
_FOR_TOOLS = re.compile(r"\s*(?:migrate:|imported:|dbmigrate:ignore|squawk-ignore|noqa\b|sqlfluff:)", re.IGNORECASE)
_GOES_ON = re.compile(r"   \s*\S")  # the value of an annotation, in the lines below it
_RULE = re.compile(r"[\s\W_]*")
_LICENCE = re.compile(
    r"SPDX-License-Identifier|copyright\b|\u00a9|\blicen[cs]ed under\b|all rights reserved", re.IGNORECASE
)
_FIELD = re.compile(
    r"[\s*]*(author|created|date|dependencies|depends on|description|issue|jira|migration|name|notes?|owner|purpose|"
    r"related|reviewers?|rollback|services?|summary|tickets?|title|version)\s*:\s*(.*)",
    re.IGNORECASE,
)
_SAYING = ("description", "purpose", "summary", "title", "migration", "name")  # fields that may be all there is
_LINK = re.compile(r"https?://[^\s<>\"'`]+")
_AFTER_A_LINK = ".,;:!?)]}"  # a bracket belongs to the link if it opens there
_LONGEST = 2000

_Paragraph = list[str]


def of(head: str, tickets: str = TICKETS) -> Description | None:
    """What the comments in `head` say: the first one below the header, else the first one above it.

    Annotations, the origin of an imported file, licences and rulers do not count. Tickets and links count wherever in
    these comments they stand. None if there is nothing.
    """
    above, below = _paragraphs(head.replace("\r\n", "\n"))
    everything = [*above, *below]
    fields = tuple(field for paragraph in everything for field in _fields(paragraph))
    first = next(iter(below or above), [])
    whole = "\n".join(line for paragraph in everything for line in paragraph)
    links = tuple(dict.fromkeys(map(_without_end, _LINK.findall(whole))))
    known = tuple(dict.fromkeys(found[0] for found in re.finditer(tickets, whole) if found[0])) if tickets else ()
    said = _free_text(first) or _said_by(_fields(first)) or _said_by(fields)
    made = Description(said[:_LONGEST], known, links, fields)
    return made if made != Description() else None


def details(description: Description | None) -> dict[str, object]:
    """How the log keeps it."""
    if description is None:
        return {}
    kept: dict[str, object] = {"description": description.text} if description.text else {}
    lists = {"tickets": list(description.tickets), "links": list(description.links)}
    return kept | {name: value for name, value in lists.items() if value}


# ------------------------------------------------------------------------------------------------------------- details


def _paragraphs(head: str) -> tuple[list[_Paragraph], list[_Paragraph]]:
    """The comments above and below the header, without what is not for people."""
    above: list[_Paragraph] = []
    below: list[_Paragraph] = []
    current: _Paragraph = []
    side, is_annotation = above, False
    for line in _comment_lines(head):
        if line is _SECTION or line is None or _RULE.fullmatch(line):
            side.append(current)
            current, is_annotation = [], False
            side = below if line is _SECTION else side
        elif _FOR_TOOLS.match(line):
            is_annotation = line.lstrip().lower().startswith("migrate:")
        elif not (is_annotation and _GOES_ON.match(line)):
            current.append(line.strip())
            is_annotation = False
    side.append(current)
    return _for_people(above), _for_people(below)


def _for_people(paragraphs: Sequence[_Paragraph]) -> list[_Paragraph]:
    return [each for each in paragraphs if each and not any(map(_LICENCE.search, each))]


_SECTION = "migrate:up"


def _comment_lines(head: str) -> Iterator[str | None]:
    """The text of each line of a comment; `_SECTION` for the header, None for a line without a comment."""
    at, is_line_start = 0, True
    while at < len(head):
        if head.startswith("--", at):
            found = _LINE.match(head, at)
            assert found is not None
            yield _SECTION if is_line_start and _HEADER.match(found[0]) else found[1].rstrip()
            at, is_line_start = found.end(), True
        elif head.startswith("/*", at):
            end = _block_end(head, at)
            for line in head[at:end].splitlines():
                yield _BLOCK_MARKS.sub("", line).strip().removeprefix("* ").rstrip()
            yield None
            at, is_line_start = end, False
        else:
            is_blank = is_line_start and head[at] == "\n"
            if is_blank:
                yield None
            is_line_start = head[at] == "\n"
            at += 1


def _block_end(head: str, start: int) -> int:
    depth = 0
    for found in re.finditer(r"/\*|\*/", head[start:]):
        depth += 1 if found[0] == "/*" else -1
        if depth == 0:
            return start + found.end()
    return len(head)


def _without_end(link: str) -> str:
    cut = link.rstrip(_AFTER_A_LINK)
    return f"{cut})" if cut.count("(") > cut.count(")") and link.startswith(f"{cut})") else cut


def _fields(paragraph: _Paragraph) -> list[tuple[str, str]]:
    """Lines ``Purpose: ...`` of a paragraph, each with the lines that it goes on in."""
    found: list[tuple[str, str]] = []
    for line in paragraph:
        if field := _FIELD.fullmatch(line):
            found.append((field[1].capitalize(), field[2].strip()))
        elif found:
            name, value = found[-1]
            found[-1] = name, f"{value} {line}".strip()
    return [(name, value) for name, value in found if value]


def _free_text(paragraph: _Paragraph) -> str:
    """The lines before the first field."""
    free: list[str] = []
    for line in paragraph:
        if _FIELD.fullmatch(line):
            break
        free.append(line)
    return " ".join(" ".join(free).split())


def _said_by(fields: Sequence[tuple[str, str]]) -> str:
    by_name = {name.lower(): value for name, value in reversed(fields)}
    return next((by_name[name] for name in _SAYING if name in by_name), "")
