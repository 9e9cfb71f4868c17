"""One token that begins at a given place, by the rules of PostgreSQL's ``scan.l``.

Each function takes the text, the place of a special character, and the floor: where the last token ended that is known.
It returns the kind of the token, its start and its end, and raises UnclosedAtError where the text ends too early.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlparse import tokens as T  # noqa: N812 (sqlparse's own habit)

from dbmigrate.sql.tokens import END, META, PLAIN, Span, Unclosed, UnclosedAtError

if TYPE_CHECKING:
    from collections.abc import Iterator

BLANK = r"[ \t\n\r\f\v]"
# Every character beyond ASCII is a letter to PostgreSQL, a no-break space too. The classes name what is excluded, all
# of it ASCII: a class with a range up to U+10FFFF takes Python 5 ms to compile.
LETTER = r"[^\x00-@\[-\^`{-\x7f]"
WORD_PART = r"[^\x00-/:-@\[-\^`{-\x7f]"  # and digits
NAME_PART = r"[^\x00-#%-/:-@\[-\^`{-\x7f]"  # and $
TAG = rf"\$(?:{LETTER}{WORD_PART}*+)?\$"
_DIGITS = "[0-9][0-9_]*+"
_EXPONENT = rf"(?:[eE][+-]?{_DIGITS})?"
# with the letters that stick to it: they do not begin a name or an E'' string
NUMBER = rf"(?:{_DIGITS}(?:\.(?!\.)[0-9_]*+)?|\.{_DIGITS}){_EXPONENT}(?:(?<!\.){WORD_PART}++)?"

# Possessive quantifiers stand behind single characters only: Python 3.11.2 to 3.11.4 match groups with them wrongly.
# no third quote behind: that would be a doubled one, in a string whose end is missing
_STRING = r"'[^']*+'(?:'[^']*+')*(?!')"
_SYMBOL = r'"[^"]*+"(?:"[^"]*+")*(?!")'
_TOKEN = re.compile(
    rf"{BLANK}*+(?:(?P<string>(?:[bBxXnN]|[uU]&)?{_STRING})|(?P<symbol>(?:[uU]&)?{_SYMBOL})"
    rf"|(?P<special>--|/\*|[eE]'|\$(?![0-9])|[~!@#^&|`?+\-*/%<>=\\])"
    rf"|(?P<folded>{LETTER}{NAME_PART}*+|{NUMBER})"
    rf"|(?P<punctuation>[;(),\[\]]|::|:=|:|\.\.|\.|\$[0-9]++{WORD_PART}*+)|(?P<other>[\s\S]))"
).match
_QUOTED = re.compile(_STRING).match
_ESCAPED = re.compile(r"'(?:[^'\\]++|\\[\s\S]|'')*'(?!')").match
_IDENTIFIER = re.compile(_SYMBOL).match
_CONTINUED = re.compile(rf"[ \t\f\v]*+(?:--[^\n\r]*+)?[\n\r](?:{BLANK}++|--[^\n\r]*+[\n\r])*(?=')").match
_COMMENT_MARK = re.compile(r"/\*|\*/").finditer
_DOLLAR = re.compile(TAG).match
_PARAMETER = re.compile(rf"\$[0-9]++{WORD_PART}*+").match
_NAME_REST = re.compile(rf"{NAME_PART}++").match
_LINE_COMMENT = re.compile(r"--[^\n\r]*+").match
_META_LINE = re.compile(r"\\[^\n\r]*+").match
_OPERATOR = re.compile(r"(?:(?!--|/\*)[~!@#^&|`?+\-*/%<>=])+").match
_KEEPS_SIGN = re.compile(r"[~!@#^&|`?%]").search


def string(text: str, at: int, floor: int) -> Span:
    if at > floor and text[at - 1] in "eE" and _run_start(text, at, floor) == at - 1:
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


def ends_alike(text: str, at: int, end: int) -> bool:
    """Whether a plain string whose quote is at `at` ends at `end` also where backslashes escape."""
    match = _ESCAPED(text, at)
    return match is not None and match.end() == end


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
    """What begins with the dollar sign at `at`: a quoted body, or a segment of a name, of a parameter or of nothing."""
    start = _run_start(text, at, floor)
    if start < at and not "0" <= text[start] <= "9":
        rest = _NAME_REST(text, at)  # a$b$ is a name
        return PLAIN, at, rest.end() if rest else at + 1
    match = _DOLLAR(text, at)
    if match is None:
        parameter = _PARAMETER(text, at)
        return PLAIN, at, parameter.end() if parameter else at + 1
    end = text.find(match.group(), match.end())
    if end < 0:
        raise UnclosedAtError(Unclosed.DOLLAR, at)
    return T.Literal, at, end + len(match.group())


def line_comment(text: str, at: int, _floor: int) -> Span:
    match = _LINE_COMMENT(text, at)
    return T.Comment.Single, at, match.end() if match else at


def semicolon(_text: str, at: int, _floor: int) -> Span:
    return END, at, at + 1


def meta(text: str, at: int, _floor: int) -> Span:
    match = _META_LINE(text, at)
    return META, at, match.end() if match else at + 1


def _operators(text: str, at: int) -> Iterator[Span]:
    """A run of operator characters: one operator, but trailing + and - belong to it only beside certain others."""
    match = _OPERATOR(text, at)
    end = match.end() if match else at + 1
    first = end if _KEEPS_SIGN(text, at, end) else at + max(len(text[at:end].rstrip("+-")), 1)
    yield T.Operator, at, first
    for sign in range(first, end):
        yield T.Operator, sign, sign + 1


def _run_start(text: str, at: int, floor: int) -> int:
    """Where the name or number begins that ends before `at`; `at` if there is none. No dollar sign is in it."""
    start = at
    while start > floor and (text[start - 1] > "\x7f" or text[start - 1].isalnum() or text[start - 1] == "_"):
        start -= 1
    return start


_KINDS = {"folded": T.Name, "string": T.String.Single, "symbol": T.String.Symbol, "punctuation": T.Punctuation}


def spans(text: str, position: int = 0) -> Iterator[Span]:
    """Every token from `position` on, as PostgreSQL's scanner cuts them, comments included, white space left out.

    Names and numbers are T.Name. Each line of a string that is continued on further lines is a token.
    """
    while (match := _TOKEN(text, position)) is not None:
        group = match.lastgroup or ""
        kind = _KINDS.get(group)
        if kind is not None:
            position = match.end()
            yield kind, match.start(group), position
        else:
            for span in _special(text, match.start(group)):
                yield span
                position = span[2]


def _special(text: str, at: int) -> Iterator[Span]:
    """A token that its first characters alone do not tell."""
    opener = text[at]
    if text.startswith(("--", "/*"), at):
        yield line_comment(text, at, at) if opener == "-" else block_comment(text, at, at)
    elif opener in "eE":
        end = _escaped(text, at + 1)
        yield T.String.Escape, at, end
        yield from continuations(text, end)
    elif opener in _QUOTES:
        kind, start, end = _QUOTES[opener](text, at, at)
        yield (T.Error if kind is PLAIN else kind), start, end
    else:
        yield from _operators(text, at)


# the strings and names among them have no end: it raises
_QUOTES = {"$": dollar, "\\": meta, "'": string, '"': symbol}
