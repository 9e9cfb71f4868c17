"""What holds for every text: random soups of everything that can confuse a lexer of SQL."""

from __future__ import annotations

from itertools import chain

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from dbmigrate.migrations.headers import BOUNDARY
from dbmigrate.migrations.parser import token_checksum
from dbmigrate.sql import LexerError, PostgresLexer, PostgresSplitter, SegmentKind, words
from tests.unit.sql.test_tokeniser import reader

QUOTES = ["'", "''", '"', "$$", "$a$", "$", "$1", "E'", "e'", "U&'", "\\", "\\'"]
COMMENTS = ["--", "/*", "*/", "-- migrate:down\n", "\n-- migrate:up\n", "-- x\n"]
REST = [
    ";",
    " ",
    "\n",
    "\r\n",
    "\r",
    "\t",
    "(",
    ")",
    ".",
    "+",
    "-",
    "*",
    "/",
    "1",
    "1e",
    "x",
    "e",
    "a$",
    "é",
    "\u00a0",
    "=",
]
HEADS = ["SELECT 1;", "INSERT INTO t VALUES ('x');", "select ", "BEGIN ", "ATOMIC ", "END ", "CASE ", "AS "]
NESTING = ["CREATE RULE ", "CREATE FUNCTION ", "CREATE OR REPLACE PROCEDURE ", "CREATE/**/FUNCTION "]
COPYING = ["COPY t FROM stdin;\n", "COPY t FROM stdin;", "\\.\n", "\n\\.\n", "\\."]


def soups(*parts: list[str]) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(list(chain(*parts))), max_size=25).map("".join)


ANYTHING = soups(QUOTES, COMMENTS, REST, HEADS, NESTING, COPYING)
FLAT = soups(QUOTES[:-2], COMMENTS, REST, HEADS)

quickly = settings(max_examples=300)


def segments(text: str) -> list[tuple[SegmentKind, str, str]] | tuple[str, int, int]:
    """Kind, text and COPY tokens of all segments; the error with its place if there is one."""
    return _collected(PostgresLexer(BOUNDARY).get_tokens(text))


def streamed(text: str, size: int) -> list[tuple[SegmentKind, str, str]] | tuple[str, int, int]:
    return _collected(PostgresLexer(BOUNDARY).read_tokens(reader(text), size=size))


def _collected(tokens):
    try:
        return [
            (segment.kind, segment.text, "".join(value for _, value in segment.copy or ()))
            for segment in PostgresSplitter().process(tokens)
            if segment.kind is not SegmentKind.REST
        ]
    except LexerError as exc:
        return exc.message, exc.line, exc.column


@quickly
@given(ANYTHING)
def test_tokens_joined_are_the_text(text: str):
    try:
        tokens = list(PostgresLexer(BOUNDARY).get_tokens(text))
    except LexerError:
        assume(False)

    assert "".join(value for _, value in tokens) == text
    assert all(value for _, value in tokens)


@quickly
@given(ANYTHING)
def test_pieces_joined_are_the_text(text: str):
    joined = []
    try:
        for segment in PostgresSplitter().process(PostgresLexer(BOUNDARY).get_tokens(text)):
            joined += [segment.lead, segment.text, *(value for _, value in segment.copy or ())]
    except LexerError:
        assume(False)

    assert "".join(joined) == text


@quickly
@given(ANYTHING, st.sampled_from([1, 2, 16, 40]))
@example("COPY t FROM stdin;\n1\n\\.\nSELECT 1", 1)
@example("SELECT E'a'\n'\\';'", 2)
@example("CREATE/**/FUNCTION '\n'", 1)
def test_a_stream_through_tiny_windows_is_cut_the_same_and_fails_the_same(text: str, size: int):
    assert streamed(text, size) == segments(text)


@quickly
@given(FLAT)
def test_what_comes_later_changes_nothing_before(text: str):
    before = segments(text + "\n;")
    assume(isinstance(before, list))

    assert segments(text + "\n;SELECT 1;") == [*before, (SegmentKind.STATEMENT, "SELECT 1;", "")]


@quickly
@given(ANYTHING)
def test_a_statement_by_itself_is_still_one_statement(text: str):
    found = segments(text)
    assume(isinstance(found, list))

    for kind, sql, copy in found:
        if kind is SegmentKind.STATEMENT:
            assert segments(sql + copy) == [(kind, sql, copy)]
            assert list(words(sql))


# -- runs of statements

ROWS = [
    "insert into t values ('it''s; é', 1);",
    "INSERT INTO t VALUES ('a -- b', '\"', '$', 'C:\\\\');",
    "\nwith x as (select -1) select 2;",
    "select ",
    "values (1);",
    'delete from "a;b"',
    "update t set a=date'1'",
    "E'\\\\';'",
    "<<<",
    "create table t ();",
]
WALL = "<<<"


@quickly
@given(soups(ROWS * 3, REST, QUOTES, COMMENTS, COPYING), st.sampled_from([1, 2, 16, 40, 1000]))
@example("insert into t values (1);" * 9 + "insert into t select 1 <<< 2;" + "insert into t values (1);" * 9, 1)
@example("select 1;select E'a'\n'b\\';';", 1000)
def test_runs_are_the_statements_that_come_without_them(text: str, size: int):
    tokens = PostgresLexer(BOUNDARY).read_runs(reader(text), but=[WALL], size=size)
    expected = streamed(text, size)

    assert _taken_apart(tokens) == expected


def _taken_apart(tokens):
    found = []
    try:
        for segment in PostgresSplitter().process(tokens):
            copied = "".join(value for _, value in segment.copy or ())
            if segment.number > 1:
                assert WALL not in segment.text
                inner = segments(segment.text)
                assert len(inner) == segment.number
                found += inner
            elif segment.kind is not SegmentKind.REST:
                found.append((segment.kind, segment.text, copied))
    except LexerError as exc:
        return exc.message, exc.line, exc.column
    return found


# -- the checksum of tokens

TOKENS = st.sampled_from(
    [
        "select",
        "a",
        '"a"',
        '"A"',
        "'a'",
        "'A'",
        "$$a$$",
        "$x$a$x$",
        "E'a\\''",
        "1",
        "1.5",
        "(",
        ")",
        ",",
        ".",
        ";",
        "-",
        "+",
        "=",
        "||",
        "@-",
        "<=",
        "::",
        "[",
        "]",
        "é",
        "É",
        "$1",
        "b'1'",
        "U&'x'",
        "$$a\r\n$$",
        "'a\r\n'",
        "'a\n'",
    ]
)
BETWEEN = st.sampled_from([" ", "\n", "\r\n", "\t \f", "/* ; ' */", " -- ; '\n", " /* /* */ */ ", "  -- x\r\n  "])


@st.composite
def spaced(draw: st.DrawFn, tokens: list[str]) -> str:
    return "".join(token + draw(BETWEEN) for token in tokens)


def without_empty_statements(tokens: list[str]) -> list[str]:
    return [token for before, token in zip([";", *tokens], tokens, strict=False) if token != ";" or before != ";"]


@quickly
@given(st.data(), st.lists(TOKENS, max_size=12))
def test_white_space_and_comments_between_tokens_do_not_count(data: st.DataObject, tokens: list[str]):
    assert token_checksum(data.draw(spaced(tokens))) == token_checksum(data.draw(spaced(tokens)))


@quickly
@given(st.lists(TOKENS, max_size=12), st.lists(TOKENS, max_size=12))
@example(["'a'"], ["'A'"])
@example(["é"], ["É"])
@example(["$$a\r\n$$"], ["$$a$$"])
@example(["'a\r\n'"], ["'a\n'"])
def test_other_tokens_give_another_checksum(one: list[str], other: list[str]):
    is_same = without_empty_statements(one) == without_empty_statements(other)

    assert (token_checksum(" ".join(one)) == token_checksum(" ".join(other))) == is_same


@quickly
@given(st.lists(TOKENS, min_size=1, max_size=12), TOKENS, st.data())
def test_one_token_more_less_or_other_gives_another_checksum(tokens: list[str], token: str, data: st.DataObject):
    at = data.draw(st.integers(0, len(tokens) - 1))
    changed = data.draw(
        st.sampled_from(
            [
                [*tokens[:at], token, *tokens[at:]],
                tokens[:at] + tokens[at + 1 :],
                [*tokens[:at], token, *tokens[at + 1 :]],
            ]
        )
    )
    assume(without_empty_statements(changed) != without_empty_statements(tokens))

    assert token_checksum(" ".join(changed)) != token_checksum(" ".join(tokens))
