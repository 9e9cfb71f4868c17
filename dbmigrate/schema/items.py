"""Splits a schema file into its top-level items: statements, comments, psql commands and COPY blocks.

Knows what can hide a semicolon or a line: ``'..'``, ``E'..'``, ``".."``, dollar quotes, nested block comments, the
parentheses of ``CREATE RULE`` and ``BEGIN ATOMIC`` bodies (PostgreSQL, src/bin/psql/psqlscan.l, is the reference).
Linear in the size of the text; never fails: what has no end becomes one last item of the kind `UNFINISHED`.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Item", "Kind", "quoted_end", "split"]


class Kind(Enum):
    STATEMENT = auto()
    COMMENT = auto()  # lines that begin with --, one right below the other
    COMMAND = auto()  # one line that begins with a backslash
    COPY = auto()  # COPY ... FROM stdin; its data lines; and the closing \.
    UNFINISHED = auto()  # a statement without its semicolon, or a quote that is not closed


class Item(NamedTuple):
    """One top-level item, verbatim: ``text == whole[start:end]``, without the white space around it.

    `breaks` counts the newlines between the item before and this one.
    """

    kind: Kind
    text: str
    start: int
    end: int
    breaks: int


# PostgreSQL takes every character above ASCII for a letter (scan.l, ident_start).
_WORD = r"[^\x00-#%-/:-@\[-\^`{-\x7f]"  # letters, digits, _ and $
_LITERAL = re.compile(r"'[^']*+(?:''[^']*+)*'(?!')")
_ESCAPED = re.compile(r"'[^'\\]*+(?:(?:''|\\.)[^'\\]*+)*'(?!')", re.DOTALL)
_NAME = re.compile(r'"[^"]*+(?:""[^"]*+)*"(?!")')
_DOLLAR = re.compile(r"\$(?:[^\x00-@\[-\^`{-\x7f][^\x00-/:-@\[-\^`{-\x7f]*)?\$")
_ESCAPE_PREFIX = re.compile(rf"(?<!{_WORD})[eE]\Z")
_WORD_END = re.compile(rf"{_WORD}\Z")
_FENCE = re.compile(r"/\*|\*/")
_BLANKS = " \t\n\r\f\v"
_SPACE = re.compile(f"[{_BLANKS}]*")
# Nearly all that pg_dump writes, in one step: a comment, or a statement in which nothing but quotes hides a semicolon.
# Without a backslash every kind of literal ends alike, and a doubled quote is the end of one and the begin of another.
# The limits are for the memory of the match.
_LINE = rf"--(?:[^\n]*[^{_BLANKS}])?"
_EASY = re.compile(
    rf"[{_BLANKS}]*+(?:({_LINE}(?:\n{_LINE}){{0,99}})"
    r"|((?!\\|(?i:COPY\s|CREATE\s+(?:OR\s+REPLACE\s+)?(?:FUNCTION|PROCEDURE|RULE)\b))"
    r"""(?:[^'"$;/-]++|'[^'\\]*+'|"[^"]*+"|-(?!-)|/(?!\*)){0,999};))"""
)
_COPY = re.compile(r"COPY\s.*\sFROM\s+STDIN\b", re.IGNORECASE | re.DOTALL)
_COPY_END = re.compile(r"^\\\.[ \t]*\r?$", re.MULTILINE)

# What the search for the closing semicolon stops at. Words and parentheses count only where they can hide one.
_STOPS = r"""['"$;]|--|/\*"""
_PLAIN = re.compile(_STOPS)
_RULE = re.compile(_STOPS + "|[()]")
_ROUTINE = re.compile(_STOPS + rf"|(?<!{_WORD})(?:BEGIN\s+ATOMIC|CASE|END)(?!{_WORD})", re.IGNORECASE)
_HEADS = (
    (re.compile(r"CREATE\s+(?:OR\s+REPLACE\s+)?(?:FUNCTION|PROCEDURE)\b", re.IGNORECASE), _ROUTINE),
    (re.compile(r"CREATE\s+(?:OR\s+REPLACE\s+)?RULE\b", re.IGNORECASE), _RULE),
)


def split(text: str) -> Iterator[Item]:
    """The items of `text` in their order. Their texts and the white space between them are the whole of it."""
    position = 0
    while (item := _easy(text, position) or _hard(text, position)) is not None:
        yield item
        position = item.end


def quoted_end(text: str, start: int) -> int:
    """Where the quoted thing that opens at `start` (a quote or a dollar) ends; `start` if nothing opens; -1 if open."""
    if text[start] == "$":
        return _dollar_end(text, start)
    if text[start] == '"':
        match = _NAME.match(text, start)
    else:
        match = (_ESCAPED if _ESCAPE_PREFIX.search(text, max(0, start - 2), start) else _LITERAL).match(text, start)
    return match.end() if match else -1


def _easy(text: str, position: int) -> Item | None:
    match = _EASY.match(text, position)
    if not match:
        return None
    group = match.lastindex or 0
    start, end = match.span(group)
    kind = Kind.COMMENT if group == 1 else Kind.STATEMENT
    return Item(kind, match[group], start, end, text.count("\n", position, start))


def _hard(text: str, position: int) -> Item | None:
    """Any item, by looking at all that can hide its end; None where there is none any more."""
    space = _SPACE.match(text, position)
    start = space.end() if space else position
    if start == len(text):
        return None
    kind, end = _item_end(text, start)
    return Item(kind, text[start:end], start, end, text.count("\n", position, start))


def _item_end(text: str, start: int) -> tuple[Kind, int]:
    if text[start] == "\\":
        return Kind.COMMAND, _line_end(text, start)
    end = _statement_end(text, start)
    if end < 0:
        return Kind.UNFINISHED, len(text.rstrip(_BLANKS))
    if _COPY.match(text, start, end):
        return _copy_end(text, end)
    return Kind.STATEMENT, end


def _line_end(text: str, start: int) -> int:
    newline = text.find("\n", start)
    end = len(text) if newline < 0 else newline
    return start + len(text[start:end].rstrip(_BLANKS))


def _copy_end(text: str, start: int) -> tuple[Kind, int]:
    closing = _COPY_END.search(text, start)
    return (Kind.COPY, closing.end()) if closing else (Kind.UNFINISHED, len(text.rstrip(_BLANKS)))


def _statement_end(text: str, start: int) -> int:
    """Behind the semicolon that closes the statement at `start`; -1 if there is none."""
    stops = next((stops for head, stops in _HEADS if head.match(text, start)), _PLAIN)
    depth, position = 0, start
    while match := stops.search(text, position):
        word = match.group()
        if word == ";" and depth == 0:
            return match.end()
        depth = _new_depth(depth, word)
        position = _stop_end(text, match)
        if position < 0:
            break
    return -1


def _new_depth(depth: int, word: str) -> int:
    """How many things that can hide a semicolon are open after `word`."""
    first = word[0].upper()
    if first in "(B":
        return depth + 1
    if first == "C":  # CASE ends with END too, but means something inside an ATOMIC body only
        return depth + 1 if depth else 0
    if first in ")E":
        return max(0, depth - 1)
    return depth


def _stop_end(text: str, match: re.Match[str]) -> int:
    word = match.group()
    if word in ("'", '"', "$"):
        end = quoted_end(text, match.start())
        return match.end() if end == match.start() else end
    if word == "--":
        return _newline(text, match.end())
    return _comment_end(text, match.end()) if word == "/*" else match.end()


def _newline(text: str, start: int) -> int:
    newline = text.find("\n", start)
    return len(text) if newline < 0 else newline


def _comment_end(text: str, position: int) -> int:
    depth = 1
    while depth:
        match = _FENCE.search(text, position)
        if not match:
            return -1
        depth += 1 if match.group() == "/*" else -1
        position = match.end()
    return position


def _dollar_end(text: str, start: int) -> int:
    match = _DOLLAR.match(text, start)
    if not match or _WORD_END.search(text, max(0, start - 1), start):
        return start  # a parameter such as $1, or part of a name
    end = text.find(match.group(), match.end())
    return -1 if end < 0 else end + len(match.group())
