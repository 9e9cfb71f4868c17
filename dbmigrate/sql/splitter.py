"""Tokens to statements."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from sqlparse import tokens as T  # noqa: N812 (sqlparse's own habit)
from sqlparse.engine import StatementSplitter

from dbmigrate.sql.tokens import COPY_END, END, END_OF_COPY, HEADER, META, SIMPLE, SPACE, TRIVIA, Run, Token

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LONG_LEAD = 1000  # comments and blanks that are kept together with the statement after them


class SegmentKind(Enum):
    STATEMENT = "statement"
    HEADER = "header"
    META = "meta"  # a backslash command, or any backslash outside of quotes; it ends an unfinished statement
    REST = "rest"  # white space and comments that no statement follows, or too long to be kept with one


class Segment(NamedTuple):
    """A statement, header or backslash line (`text`), with what stood before it (`lead`): white space and comments.

    `comments` are the line comments of lead + text, each with its offset there. `copy` are the tokens of inline data
    (COPY_START, any number of COPY_DATA, COPY_END), to be read before the next segment is taken. `number` is that of
    the statements in `text`, which is more than one only where runs of them were asked for.
    """

    kind: SegmentKind
    lead: str
    text: str
    comments: tuple[tuple[int, str], ...] = ()
    copy: Iterator[Token] | None = None
    number: int = 1


class PostgresSplitter(StatementSplitter):
    """Tokens to segments. The leads, texts and COPY tokens of all segments joined are the text."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._lead: list[Token] = []
        self._body: list[Token] = []

    def process(self, stream: Iterable[Token]) -> Iterator[Segment]:
        """The segments of a token stream, each as soon as it is complete. Raises what the stream raises."""
        tokens = iter(stream)
        for token in tokens:
            kind = token[0]
            if kind is SIMPLE:
                yield self._simple(token, 1)
            elif isinstance(kind, Run):
                yield self._simple(token, kind.number)
            elif kind in TRIVIA:
                (self._body or self._lead).append(token)
                if len(self._lead) > _LONG_LEAD:
                    yield self._segment(SegmentKind.REST, [])
            elif kind is HEADER or kind is META:
                yield from self._unfinished()
                yield self._segment(SegmentKind.HEADER if kind is HEADER else SegmentKind.META, [token])
            else:
                self._body.append(token)
                if kind is END:
                    yield self._statement()
                elif kind is END_OF_COPY:
                    yield from self._copy(tokens)
        yield from self._unfinished()
        if self._lead:
            yield self._segment(SegmentKind.REST, [])

    def _simple(self, token: Token, number: int) -> Segment:
        lead = self._lead
        if len(lead) > 1 or (lead and lead[0][0] is not T.Whitespace):
            return self._segment(SegmentKind.STATEMENT, [token])._replace(number=number)
        self._lead = []
        return Segment(SegmentKind.STATEMENT, lead[0][1] if lead else "", token[1], number=number)

    def _statement(self) -> Segment:
        body, self._body = self._body, []
        return self._segment(SegmentKind.STATEMENT, body)

    def _copy(self, tokens: Iterator[Token]) -> Iterator[Segment]:
        data = _until_copy_end(tokens)
        yield self._statement()._replace(copy=data)
        for _ in data:  # what nobody has read
            pass

    def _unfinished(self) -> Iterator[Segment]:
        """A statement that ends without a semicolon; white space and comments after it are the next one's lead."""
        if not self._body:
            return
        body, rest = _without_tail(self._body)
        self._body = body
        yield self._statement()
        self._lead = rest

    def _segment(self, kind: SegmentKind, body: list[Token]) -> Segment:
        lead, self._lead = self._lead, []
        return Segment(kind, _joined(lead), _joined(body), _comments(lead + body))


def _joined(tokens: list[Token]) -> str:
    return "".join([token[1] for token in tokens])


def _comments(tokens: list[Token]) -> tuple[tuple[int, str], ...]:
    found = []
    offset = 0
    for kind, value in tokens:
        if kind is T.Comment.Single:
            found.append((offset, value))
        offset += len(value)
    return tuple(found)


def _without_tail(body: list[Token]) -> tuple[list[Token], list[Token]]:
    end = len(body)
    while body[end - 1][0] in TRIVIA or not body[end - 1][1].strip(SPACE):
        end -= 1
    kept, rest = body[:end], body[end:]
    kind, value = kept[-1]
    solid = value.rstrip(SPACE)
    if kind is T.Text and solid != value:
        kept[-1] = (kind, solid)
        rest.insert(0, (T.Whitespace, value[len(solid) :]))
    return kept, rest


def _until_copy_end(tokens: Iterator[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        if token[0] is COPY_END:
            return
