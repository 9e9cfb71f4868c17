"""The kinds of tokens, and what can be wrong with them."""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple

from sqlparse import tokens as T  # noqa: N812 (sqlparse's own habit)
from sqlparse.exceptions import SQLParseError

TokenType = Any  # sqlparse's token types are untyped
Token = tuple[TokenType, str]
Span = tuple[TokenType, int, int]

SPACE = " \t\n\r\f\v"  # str.strip() would take off what PostgreSQL counts as letters

SIMPLE = T.Text.Statement  # a whole statement, semicolon included
EMPTY = T.Punctuation.Empty  # semicolons with nothing before them
END = T.Punctuation.End  # the semicolon that ends a statement
END_OF_COPY = T.Punctuation.Copy  # ... after which COPY data follows
NESTED = T.Punctuation.Nested  # a semicolon inside CREATE RULE (..; ..) or BEGIN ATOMIC ..; END
HEADER = T.Comment.Single.Header  # a line comment that separates sections
META = T.Comment.Single.Meta  # a backslash outside of quotes, to the end of its line
COPY_START, COPY_DATA, COPY_END = T.Generic.CopyStart, T.Generic.CopyData, T.Generic.CopyEnd
PLAIN = None  # no token of its own: a part of the text around it


class Run(NamedTuple):
    """The kind of a token that is several whole statements of rows, with what stands between them."""

    number: int


TRIVIA = frozenset((T.Whitespace, T.Comment.Single, T.Comment.Multiline, EMPTY))


class LexerError(SQLParseError):
    """Something is opened and never closed. `line` and `column` (1-based, characters) are those of the opening."""

    def __init__(self, message: str, hint: str, line: int, column: int) -> None:
        super().__init__(f"{message} (line {line}, column {column})")
        self.message = message
        self.hint = hint
        self.line = line
        self.column = column


class Unclosed(Enum):
    """What is wrong, and what to do about it."""

    STRING = ("the string that begins here is not closed", "close it with '; a quote inside a string is written ''")
    ESCAPE = (
        "the E'' string that begins here is not closed",
        r"close it with '; a quote inside it is written '' or \'",
    )
    IDENTIFIER = ("the quoted name that begins here is not closed", 'close it with "')
    COMMENT = ("the /* comment that begins here is not closed", "close it with */; comments nest, so each /* needs one")
    DOLLAR = ("the dollar-quoted text that begins here is not closed", "repeat its opening tag where it ends")
    COPY = ("the data of this COPY ... FROM stdin has no end", "end it with a line that holds nothing but \\.")
    COPY_LINE = ("COPY ... FROM stdin has to be the last thing on its line", "begin its data on the next line")


class UnclosedAtError(Exception):
    """Something is not closed in the text at hand, which may not be all of it."""

    def __init__(self, what: Unclosed, position: int) -> None:
        super().__init__(what, position)
        self.what = what
        self.position = position
