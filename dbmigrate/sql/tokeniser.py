"""Text to tokens: the lexer proper, for whole texts and for streams."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from sqlparse import tokens as T  # noqa: N812 (sqlparse's own habit)
from sqlparse.lexer import Lexer

from dbmigrate.sql import scan
from dbmigrate.sql.scan import BLANK, LETTER, NAME_PART
from dbmigrate.sql.tokens import (
    COPY_DATA,
    COPY_END,
    COPY_START,
    EMPTY,
    END,
    END_OF_COPY,
    HEADER,
    META,
    NESTED,
    PLAIN,
    SIMPLE,
    SPACE,
    TRIVIA,
    LexerError,
    Run,
    Span,
    Token,
    TokenType,
    Unclosed,
    UnclosedAtError,
)
from dbmigrate.sql.window import SIZE, Window

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Protocol

    class _Readable(Protocol):
        def read(self) -> str: ...


Special = Callable[[str, int, int], Span]

# SQL without anything that could hide a semicolon: strings are plain ones, because an E'' string may hold \' itself or
# in its continuations. Possessive within, so that there is no second attempt; with a limit, because the regex engine
# needs memory for each repetition.
_STRINGS = r"""(?<![eE])'[^']*+'|"[^"]*+\""""
_PLAIN = r"""[^;'"$\\/\-]*+(?:(?:%s|-(?!-)|/(?!\*))[^;'"$\\/\-]*+){0,20000}"""  # about 2 MB
_SKIP = re.compile(_PLAIN % _STRINGS).match
# where the semicolon is in sight, so is a continuation: E'' strings that have none, and no backslash, are plain as well
_UP_TO_END = _PLAIN % (_STRINGS + r"""|(?<=[eE])'[^'\\]*+'(?!\s*')""") + ";"
simple_statement = re.compile(
    rf"""({BLANK}*+)(?!(?i:copy\b|create{BLANK}+(?:or{BLANK}+replace{BLANK}+)?(?:function|procedure|rule|schema)\b))
    [A-Za-z]{_UP_TO_END}""".replace("\n    ", "")
).match
# what moves rows: it takes no inline data, has no bodies, and PostgreSQL never refuses it in a transaction
_ROWS = rf"({BLANK}*+)(?i:insert|update|delete|merge|select|values|with){BLANK}"
_OF_ROWS = re.compile(_ROWS).match
_SIMPLE_OF_ROWS = re.compile(_ROWS + _UP_TO_END).match
_RUN_LENGTH = 64 << 10  # characters after which a run ends
# Every alternative begins with a literal, which lets the regex engine skip plain text quickly.
_STOP = re.compile(r""";|'|"|--|/\*|\$|\\""").search
# no methods of the lexer among them: it would refer to itself, and live until somebody looks for cycles
_SPECIALS: dict[str, Special] = {
    ";": scan.semicolon,
    "'": scan.string,
    '"': scan.symbol,
    "-": scan.line_comment,
    "/": scan.block_comment,
    "$": scan.dollar,
    "\\": scan.meta,
}
_BETWEEN = re.compile(
    rf"(?P<space>{BLANK}++)|(?P<empty>;[ \t\n\r\f\v;]*+)|(?P<comment>--)|(?P<block>/\*)|(?P<meta>\\)"
).match
_WORD = re.compile(rf"{LETTER}{NAME_PART}*+").match
_REST_OF_COPY_LINE = re.compile(r"[ \t\r\f\v]*+(?:--[^\n\r]*+\r?+)?\n").match
_LAST_COPY_LINE = re.compile(r"\\\.\r?(?=\n|\Z)").match
_CREATES = re.compile(rf"(?i:create){BLANK}++(?:(?i:or{BLANK}+replace){BLANK}++)?([A-Za-z_]++)").match
_ATOMIC = frozenset(("FUNCTION", "PROCEDURE", "SCHEMA"))  # what may have a BEGIN ATOMIC body
_ASCII_UPPER = {ord(letter): ord(letter.upper()) for letter in "abcdefghijklmnopqrstuvwxyz"}


class PostgresLexer(Lexer):
    """Text to tokens. A line comment that starts its line and matches `boundary` is a HEADER, and ends a statement."""

    def __init__(self, boundary: re.Pattern[str] | None = None) -> None:
        self.clear()  # type: ignore[no-untyped-call] # none of sqlparse's own expressions and keywords
        self._boundary = boundary
        self._bounds: _Bounds | None = None  # of runs, where they are asked for

    def get_tokens(self, text: str | bytes | _Readable, encoding: str | None = None) -> Iterator[Token]:
        """The tokens of a whole text (str, UTF-8 bytes or a text file); joined they are the text.

        Raises LexerError.
        """
        if isinstance(text, bytes):
            text = text.decode(encoding or "utf-8")
        elif not isinstance(text, str):
            text = text.read()
        return self._tokens(Window(text, None, SIZE))

    def read_tokens(self, read: Callable[[int], str], *, size: int = SIZE) -> Iterator[Token]:
        """The tokens of a stream: `read(n)` gives about n characters, and nothing at its end.

        At hand at any time is a window of `size` characters, or twice the longest statement or line. COPY data comes
        in several tokens. Raises LexerError.
        """
        return self._tokens(Window("", read, size))

    def read_runs(self, read: Callable[[int], str], *, but: Sequence[str], size: int = SIZE) -> Iterator[Token]:
        """As `read_tokens`, but simple statements of rows (INSERT, ...) come many at once, in tokens of kind `Run`.

        No run holds one of the texts in `but`: statements with these come by themselves. Raises LexerError.
        """
        self._bounds = _Bounds(but)
        return self._tokens(Window("", read, size))

    def _tokens(self, window: Window) -> Iterator[Token]:
        while True:
            if window.position == len(window.text) and not window.final:
                window.extend()
            yield from _simple(window) if self._bounds is None else _runs(window, self._bounds)
            unit = self._unit(window)
            if not unit:
                return
            yield from unit
            if unit[-1][0] is END_OF_COPY:
                yield from _copy_data(window, len("".join([value for _, value in unit])))

    def _unit(self, window: Window) -> list[Token]:
        """A segment of white space, a comment, or a whole statement; nothing at the end of the text."""
        while True:
            tokens: list[Token] = []
            try:
                end = self._between_or_statement(window.text, window.position, tokens)
            except UnclosedAtError as exc:
                if window.final:
                    raise window.error(exc.what, _opening(window, exc)) from None
            else:
                if window.final or end < len(window.text) or (tokens and tokens[-1][0] in (END, END_OF_COPY)):
                    window.position = end
                    return tokens
            window.extend()

    def _between_or_statement(self, text: str, position: int, tokens: list[Token]) -> int:
        match = _BETWEEN(text, position)
        if match is None:
            return self._statement(text, position, tokens)
        if match.lastgroup in ("space", "empty"):
            kind, end = (T.Whitespace if match.lastgroup == "space" else EMPTY), match.end()
        else:
            kind, _, end = self._special(text, position, position)
        tokens.append((kind, text[position:end]))
        return end

    def _statement(self, text: str, position: int, tokens: list[Token]) -> int:
        """Append the tokens of the statement that begins here; return its end, which may be that of the text."""
        word = _WORD(text, position)
        head = word.group().upper() if word else ""
        creates = _created(text, position) if head == "CREATE" else ""
        if creates == "RULE":
            end = self._nesting(text, position, tokens)
        elif creates in _ATOMIC:
            end = self._flat(text, position, tokens, skip=_nothing)  # every string by itself: the rest is looked at
            if any(kind is T.Text and "atomic" in value.lower() for kind, value in tokens):
                tokens.clear()
                end = self._nesting(text, position, tokens)
        else:
            end = self._flat(text, position, tokens, skip=_skipped)
        if head == "COPY" and tokens[-1][0] is END and _reads_stdin(text[position:end]):
            tokens[-1] = (END_OF_COPY, ";")
        return end

    def _flat(self, text: str, position: int, tokens: list[Token], *, skip: Callable[[str, int], int]) -> int:
        plain = position
        while (found := _STOP(text, skip(text, position))) is not None:
            at = found.start()
            kind, _, end = self._special(text, at, position)
            if kind is PLAIN:
                position = end
                continue
            if at > plain:
                tokens.append((T.Text, text[plain:at]))
            if kind is HEADER or kind is META:
                return at
            tokens.append((kind, text[at:end]))
            if kind is END:
                return end
            plain = position = end
        if plain < len(text):
            tokens.append((T.Text, text[plain:]))
        return len(text)

    def _nesting(self, text: str, position: int, tokens: list[Token]) -> int:
        """As `_flat`, for the statements in which a semicolon may be nested."""
        nest = _Nest()
        for kind, start, end in scan.spans(text, position):
            if start > position:
                tokens.append((T.Whitespace, text[position:start]))
            if kind is META or (kind is T.Comment.Single and self._is_header(text, start, end)):
                return start
            value = text[start:end]
            if value == ";" and not nest.is_open:
                tokens.append((END, value))
                return end
            tokens.append((NESTED if value == ";" else kind, value))
            nest.follow(kind, value)
            position = end
        if position < len(text):
            tokens.append((T.Whitespace, text[position:]))
        return len(text)

    def _special(self, text: str, at: int, floor: int) -> Span:
        """What begins with the character at `at`, by the rules of `scan`."""
        kind, start, end = _SPECIALS[text[at]](text, at, floor)
        is_header = kind is T.Comment.Single and self._is_header(text, start, end)
        return (HEADER if is_header else kind), start, end

    def _is_header(self, text: str, start: int, end: int) -> bool:
        if self._boundary is None or (start > 0 and text[start - 1] != "\n"):
            return False
        return self._boundary.match(text, start, end) is not None


class _Bounds:
    """The next place in a text of any of some words. Each stretch of the text is searched once."""

    def __init__(self, words: Sequence[str]) -> None:
        self._next = dict.fromkeys(words, -1)
        self._text = ""
        self._nearest = -1

    def after(self, text: str, position: int) -> int:
        """The first place from `position` on, which is never before that of an earlier call; or the text's end."""
        if text is not self._text:
            self._text, self._nearest = text, -1
            self._next = dict.fromkeys(self._next, -1)
        if self._nearest < position:
            for word, place in self._next.items():
                if place < position:
                    found = text.find(word, position)
                    self._next[word] = found if found >= 0 else len(text)
            self._nearest = min(self._next.values(), default=len(text))
        return self._nearest


def _simple(window: Window) -> Iterator[Token]:
    """Simple statements, one by one."""
    text, position = window.text, window.position
    while match := simple_statement(text, position):
        start, end = match.end(1), match.end()
        if start > position:
            yield T.Whitespace, text[position:start]
        yield SIMPLE, text[start:end]
        position = end
    window.position = position


def _runs(window: Window, bounds: _Bounds) -> Iterator[Token]:
    """Simple statements, those of rows many at once."""
    while True:
        text, position = window.text, window.position
        match = _OF_ROWS(text, position)
        if match and not window.final and text.find(";", position) < 0:
            window.extend()  # its end is not to be found here
            continue
        end, number = _run(text, position, bounds) if match else (position, 0)
        if not number:
            if (match := simple_statement(text, position)) is None:
                return
            end = match.end()
        start = match.end(1) if match else position
        if start > position:
            yield T.Whitespace, text[position:start]
        yield (Run(number) if number > 1 else SIMPLE), text[start:end]
        window.position = end


def _run(text: str, position: int, bounds: _Bounds) -> tuple[int, int]:
    """Where a run that begins here ends, and of how many statements it is."""
    bound = bounds.after(text, position)
    limit, number = position + _RUN_LENGTH, 0
    while position < limit and (match := _SIMPLE_OF_ROWS(text, position)) and match.end() <= bound:
        position = match.end()
        number += 1
    return position, number


def words(sql: str) -> Iterator[str]:
    """The tokens of one statement without white space and comments, lazily.

    Unquoted words and numbers are in upper case (ASCII letters only, as PostgreSQL folds), all else is verbatim: a
    quoted name keeps its quotes and so equals no keyword. Raises LexerError.
    """
    try:
        yield from _words(sql)
    except UnclosedAtError as exc:
        raise Window(sql, None, SIZE).error(exc.what, exc.position) from None


def _words(sql: str, position: int = 0) -> Iterator[str]:
    for kind, start, end in scan.spans(sql, position):
        if kind is T.Name:
            yield folded(sql[start:end])
        elif kind not in TRIVIA:
            yield sql[start:end]


class Word(NamedTuple):
    """A token as `words` gives it, with its place in the statement."""

    text: str
    start: int
    end: int


def placed_words(sql: str) -> Iterator[Word]:
    """What `words` gives, with the place of each token in `sql`. Raises LexerError."""
    try:
        for kind, start, end in scan.spans(sql):
            if kind not in TRIVIA:
                yield Word(folded(sql[start:end]) if kind is T.Name else sql[start:end], start, end)
    except UnclosedAtError as exc:
        raise Window(sql, None, SIZE).error(exc.what, exc.position) from None


def _opening(window: Window, exc: UnclosedAtError) -> int:
    """Where it begins; what was skipped may have ended in the middle of a string or name, between doubled quotes."""
    if exc.what in (Unclosed.STRING, Unclosed.IDENTIFIER):
        try:
            for _ in scan.spans(window.text, window.position):
                pass
        except UnclosedAtError as exact:
            return exact.position
    return exc.position


def _nothing(_text: str, position: int) -> int:
    return position


def _skipped(text: str, position: int) -> int:
    match = _SKIP(text, position)
    return match.end() if match else position


def _created(text: str, position: int) -> str:
    """What a CREATE statement makes."""
    match = _CREATES(text, position)
    if match is not None and match[1].upper() != "OR":
        return match[1].upper()
    _, *rest = islice(_words(text, position), 4)  # there are comments between
    kind = rest[2:] if rest[:2] == ["OR", "REPLACE"] else rest[:1]
    return kind[0] if kind else ""


def folded(word: str) -> str:
    return word.upper() if word.isascii() else word.translate(_ASCII_UPPER)


class _Nest:
    """Whether a semicolon is inside CREATE RULE's parentheses or a BEGIN ATOMIC body."""

    def __init__(self) -> None:
        self._parentheses = 0
        self._blocks = 0
        self._previous = ""

    @property
    def is_open(self) -> bool:
        return self._parentheses > 0 or self._blocks > 0

    def follow(self, kind: TokenType, value: str) -> None:
        if kind in TRIVIA:
            return
        word = folded(value) if kind is T.Name else value
        if self._blocks:
            # after AS or a dot these are names: SELECT 1 AS end, t.end
            if word in ("CASE", "END") and self._previous not in ("AS", "."):
                self._blocks += 1 if word == "CASE" else -1
        elif word == "ATOMIC" and self._previous == "BEGIN" and not self._parentheses:
            self._blocks = 1
        elif word == "(":
            self._parentheses += 1
        elif word == ")":
            self._parentheses = max(self._parentheses - 1, 0)
        self._previous = word


def _reads_stdin(sql: str) -> bool:
    """Whether a COPY takes inline data: FROM STDIN outside parentheses (or FROM STDOUT: the grammar takes both)."""
    depth = 0
    previous = ""
    for word in _words(sql):
        if not depth and previous == "FROM":
            return word in ("STDIN", "STDOUT")
        depth += (word == "(") - (word == ")")
        previous = word
    return False


def _copy_data(window: Window, length: int) -> Iterator[Token]:
    """The rest of the line of a COPY statement of `length` characters, its data, and the line that ends it."""
    opening = window.place(window.position - length)
    start = _REST_OF_COPY_LINE(window.text, window.position)
    if start is None:
        rest = window.text[window.position :].partition("\n")[0]
        what = Unclosed.COPY_LINE if rest.partition("--")[0].strip(SPACE) else Unclosed.COPY
        raise LexerError(*what.value, *opening)
    yield COPY_START, start.group()
    window.position = start.end()
    while (end := _end_of_copy(window.text, window.position)) is None:
        if window.final:
            raise LexerError(*Unclosed.COPY.value, *opening)
        if window.position < len(window.text):
            yield COPY_DATA, window.text[window.position :]
        window.position = len(window.text)
        window.extend()
    if end > window.position:
        yield COPY_DATA, window.text[window.position : end]
    marker = _LAST_COPY_LINE(window.text, end)
    window.position = marker.end() if marker else end
    yield COPY_END, window.text[end : window.position]


def _end_of_copy(text: str, position: int) -> int | None:
    """Where the line ``\\.`` begins. As in psql nothing may follow on it, not even a blank."""
    while (found := text.find("\n\\.", position - 1)) >= 0:
        if _LAST_COPY_LINE(text, found + 1):
            return found + 1
        position = found + 2
    return None
