"""One token that begins at a given place, by the rules of PostgreSQL's ``scan.l``.

Each function takes the text, the place of a special character, and where the plain text before it began; it returns the
kind of the token, its start and its end. UnclosedAtError is raised where the text ends too early.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlparse import tokens as T  # noqa: N812 (sqlparse's own habit)

from dbmigrate.lexer.tokens import END, META, PLAIN, Span, Unclosed, UnclosedAtError

if TYPE_CHECKING:
    from collections.abc import Iterator

BLANK = r"[ \t\n\r\f\v]"
LETTER = r"A-Za-z_\x80-\U0010ffff"  # every character beyond ASCII is a letter to PostgreSQL, a no-break space too
NAME_PART = r"A-Za-z0-9_$\x80-\U0010ffff"
TAG = rf"\$(?:[{LETTER}][A-Za-z0-9_\x80-\U0010ffff]*+)?\$"

_QUOTED = re.compile(r"'[^']*+'(?:'[^']*+')*+").match
_ESCAPED = re.compile(r"'(?:[^'\\]++|\\[\s\S]|'')*+'").match
_IDENTIFIER = re.compile(r'"[^"]*+"(?:"[^"]*+")*+').match
_CONTINUED = re.compile(rf"[ \t\f\v]*+(?:--[^\n\r]*+)?+[\n\r](?:{BLANK}++|--[^\n\r]*+[\n\r])*+(?=')").match
_COMMENT_MARK = re.compile(r"/\*|\*/").finditer
_DOLLAR = re.compile(TAG).match
_NAME_REST = re.compile(rf"[{NAME_PART}]++").match
_NUMBER = re.compile(r"\$?[0-9]+").fullmatch
_META_LINE = re.compile(r"\\[^\n\r]*+").match
_OPERATOR = re.compile(r"(?:(?!--|/\*)[~!@#^&|`?+\-*/%<>=])++").match
_KEEPS_SIGN = re.compile(r"[~!@#^&|`?%]").search


def string(text: str, at: int, floor: int) -> Span:
    if at > floor and text[at - 1] in "eE" and not (at - 1 > floor and _continues_name(text[at - 2])):
        return T.String.Single, at, _end_of_escaped(text, at)
    match = _QUOTED(text, at)
    if match is None:
        raise UnclosedAtError(Unclosed.STRING, at)
    return T.String.Single, at, match.end()


def _end_of_escaped(text: str, at: int) -> int:
    """The end of E'..' whose quote is at `at`, with its continuations."""
    ends = [_escaped(text, at)]
    ends += [end for _, _, end in continuations(text, ends[0])]
    return ends[-1]


def continuations(text: str, position: int) -> Iterator[Span]:
    """The strings, and what is between them, that continue an E'' string on further lines, still with escapes."""
    while (between := _CONTINUED(text, position)) is not None:
        yield T.Whitespace, position, between.end()
        position = _escaped(text, between.end())
        yield T.String.Escape, between.end(), position


def _escaped(text: str, at: int) -> int:
    match = _ESCAPED(text, at)
    if match is None:
        raise UnclosedAtError(Unclosed.ESCAPE, at)
    return match.end()


def symbol(text: str, at: int, _floor: int) -> Span:
    match = _IDENTIFIER(text, at)
    if match is None:
        raise UnclosedAtError(Unclosed.IDENTIFIER, at)
    return T.String.Symbol, at, match.end()


def block_comment(text: str, at: int, _floor: int) -> Span:
    depth = 0
    for mark in _COMMENT_MARK(text, at):
        depth += 1 if mark.group() == "/*" else -1
        if not depth:
            return T.Comment.Multiline, at, mark.end()
    raise UnclosedAtError(Unclosed.COMMENT, at)


def dollar(text: str, at: int, floor: int) -> Span:
    start = at
    while start > floor and _continues_name(text[start - 1]):
        start -= 1
    if start < at and not _NUMBER(text, start, at):
        rest = _NAME_REST(text, at)  # a$b$ is a name
        return PLAIN, at, rest.end() if rest else at + 1
    match = _DOLLAR(text, at)
    if match is None:
        return PLAIN, at, at + 1
    end = text.find(match.group(), match.end())
    if end < 0:
        raise UnclosedAtError(Unclosed.DOLLAR, at)
    return T.Literal, at, end + len(match.group())


def semicolon(_text: str, at: int, _floor: int) -> Span:
    return END, at, at + 1


def meta(text: str, at: int, _floor: int) -> Span:
    match = _META_LINE(text, at)
    return META, at, match.end() if match else at + 1


def fine_string(text: str, at: int, _floor: int) -> Span:
    """A string with its prefix: E'', B'', X'', N'', U&''."""
    if text[at] in "eE":
        return T.String.Escape, at, _escaped(text, at + 1)
    quote = text.index("'", at)
    return T.String.Single, at, string(text, quote, quote)[2]


def fine_symbol(text: str, at: int, floor: int) -> Span:
    return T.String.Symbol, at, symbol(text, text.index('"', at), floor)[2]


def operator(text: str, at: int, _floor: int) -> Span:
    """As many operator characters as there are; a trailing + or - belongs to it only beside certain others."""
    match = _OPERATOR(text, at)
    end = match.end() if match else at + 1
    if not _KEEPS_SIGN(text, at, end):
        while end - at > 1 and text[end - 1] in "+-":
            end -= 1
    return T.Operator, at, end


def _continues_name(character: str) -> bool:
    return character > "\x7f" or character.isalnum() or character in "_$"
